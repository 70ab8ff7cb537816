// What an ELF file says of itself: machine, linkage, sections. Read with libelf, without trusting the file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace k8simg {

struct ElfSection {
  std::string name;
  std::uint32_t type = 0;              ///< sh_type
  std::uint64_t offset = 0, size = 0;  ///< in the file; not checked against its end, for SHT_NOBITS has no bytes there
};

struct ElfInfo {
  int bits = 0;  ///< 32 or 64
  bool little_endian = true;
  std::uint16_t type = 0, machine = 0;  ///< e_type, e_machine
  std::uint32_t flags = 0;              ///< e_flags
  std::string interpreter;              ///< PT_INTERP, "" if none
  bool dynamic = false;                 ///< has PT_DYNAMIC with DT_NEEDED entries
  std::vector<ElfSection> sections;
  bool has_section(std::string_view name) const;
};

/// Names in the dynamic section, as the dynamic linker finds them.
struct ElfLinkage {
  std::vector<std::string> needed;  ///< DT_NEEDED: the shared libraries that it asks for
  std::string soname;               ///< DT_SONAME, "" if none
};

/// Whether the bytes begin as an ELF file does.
bool is_elf(std::string_view bytes);
/// Throws Error{Step} naming `name`: not an ELF file, truncated, or offsets beyond its end. Fuzzed.
ElfInfo read_elf(std::string_view bytes, const std::string& name);
/// nullopt for a file without a dynamic section. Throws Error{Step} naming `name`, also for a damaged table. Fuzzed.
std::optional<ElfLinkage> read_linkage(std::string_view bytes, const std::string& name);
/// The bytes of a section of that very file. Throws Error{Step} naming `name` when they lie beyond its end.
std::string_view section_bytes(std::string_view bytes, const ElfSection& section, const std::string& name);

/// "x86-64", "ARM", "AArch64", ... or "machine 0x...".
std::string elf_machine_name(std::uint16_t machine);
/// What GOARCH stands for; throws Error{Usage} for an unknown one.
struct ElfTarget {
  std::uint16_t machine;
  int bits;
  bool little_endian;
};
ElfTarget elf_target(const std::string& goarch);

}  // namespace k8simg
