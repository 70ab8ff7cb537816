// Reads machine, linkage and sections of ELF files. Files may be damaged or malicious.
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
  std::uint64_t offset = 0, size = 0;  ///< in the file; not checked against its end, because SHT_NOBITS has no bytes
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

/// Names in the dynamic section that the dynamic linker uses.
struct ElfLinkage {
  std::vector<std::string> needed;  ///< DT_NEEDED: the needed shared libraries
  std::string soname;               ///< DT_SONAME, "" if none
};

/// Whether the bytes begin with the magic number of ELF files.
bool is_elf(std::string_view bytes);
/// Error{Step} with `name` if it is not an ELF file, is truncated, or has offsets beyond its end. Fuzzed.
ElfInfo read_elf(std::string_view bytes, const std::string& name);
/// nullopt for a file without a dynamic section. Error{Step} with `name` as above, and for a damaged table. Fuzzed.
std::optional<ElfLinkage> read_linkage(std::string_view bytes, const std::string& name);
/// The bytes of a section. `bytes`: the file that the section was read from. Error{Step} with `name` if the section is
/// beyond its end.
std::string_view section_bytes(std::string_view bytes, const ElfSection& section, const std::string& name);

/// "x86-64", "ARM", "AArch64", ... or "machine 0x...".
std::string elf_machine_name(std::uint16_t machine);
/// The ELF properties of a GOARCH; see elf_target().
struct ElfTarget {
  std::uint16_t machine;
  int bits;
  bool little_endian;
};
ElfTarget elf_target(const std::string& goarch);

}  // namespace k8simg
