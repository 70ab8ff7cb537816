// Reads ELF files with libelf, which decodes headers and tables of both classes and byte orders. This file also checks
// that they are inside of the file, because libelf ignores headers that are not.
#include "elf/elf.hpp"

#include <elf.h>
#include <fmt/format.h>
#include <gelf.h>
#include <libelf.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "util/error.hpp"

namespace k8simg {

namespace {

/// A file in memory, read by libelf.
class ElfFile {
 public:
  ElfFile(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {
    if (!is_elf(bytes) || bytes.size() < sizeof(Elf32_Ehdr)) fail("not an ELF file");
    if (bytes[EI_CLASS] != ELFCLASS32 && bytes[EI_CLASS] != ELFCLASS64) fail("unknown ELF class");
    if (bytes[EI_DATA] != ELFDATA2LSB && bytes[EI_DATA] != ELFDATA2MSB) fail("unknown ELF byte order");
    if (bytes[EI_VERSION] != EV_CURRENT) fail("unknown ELF version");
    // elf_version() writes a global variable, so only one thread calls it, once.
    static const bool usable = elf_version(EV_CURRENT) != EV_NONE;
    if (!usable) throw Error(ErrorKind::Internal, "libelf is too old for this program");
    // libelf does not write to the bytes, because elf_update() is never called.
    elf_.reset(elf_memory(const_cast<char*>(bytes.data()), bytes.size()));
    if (!elf_ || !gelf_getehdr(elf_.get(), &header_)) fail_with_reason("its ELF header cannot be read");
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::Step, fmt::format("{}: {}", name_, what));
  }

  const GElf_Ehdr& header() const { return header_; }

  std::string_view range(std::uint64_t offset, std::uint64_t size) const {
    if (offset > bytes_.size() || bytes_.size() - offset < size)
      fail("an ELF header points beyond the end of the file");
    return bytes_.substr(offset, size);
  }

  std::vector<GElf_Phdr> segments() const {
    std::size_t count = 0;
    if (elf_getphdrnum(elf_.get(), &count) != 0) fail_with_reason("its program headers cannot be read");
    if (header_.e_phnum != PN_XNUM && count != header_.e_phnum) fail("its program headers exceed the file");
    if (count > 0 && header_.e_phentsize != size_of(ELF_T_PHDR)) fail("its program headers have a wrong size");
    std::vector<GElf_Phdr> segments(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (!gelf_getphdr(elf_.get(), static_cast<int>(i), &segments[i]))
        fail_with_reason("its program headers cannot be read");
    }
    return segments;
  }

  std::vector<ElfSection> sections() const {
    std::size_t count = 0, names = 0;
    if (elf_getshdrnum(elf_.get(), &count) != 0) fail_with_reason("its section headers cannot be read");
    // 0 in the header means that there are none, or that the first section header has the number.
    if ((header_.e_shnum != 0 && count != header_.e_shnum) || header_.e_shoff > bytes_.size())
      fail("its section headers exceed the file");
    std::vector<ElfSection> sections;
    if (count == 0) return sections;
    if (header_.e_shentsize != size_of(ELF_T_SHDR)) fail("its section headers have a wrong size");
    if (elf_getshdrstrndx(elf_.get(), &names) != 0) fail_with_reason("its section names cannot be found");
    for (std::size_t i = 0; i < count; ++i) {
      GElf_Shdr section;
      if (!gelf_getshdr(elf_getscn(elf_.get(), i), &section)) fail_with_reason("its section headers cannot be read");
      const char* name = elf_strptr(elf_.get(), names, section.sh_name);
      if (!name) fail_with_reason(fmt::format("the name of section {} cannot be read", i));
      sections.push_back({name, section.sh_type, section.sh_offset, section.sh_size});
    }
    return sections;
  }

  /// The entries of a dynamic section, without the end marker.
  std::vector<GElf_Dyn> dynamic_entries(const GElf_Phdr& segment) const {
    range(segment.p_offset, segment.p_filesz);
    const std::size_t entry = size_of(ELF_T_DYN);
    const std::size_t count = std::min<std::size_t>(segment.p_filesz / entry, std::numeric_limits<int>::max());
    std::vector<GElf_Dyn> entries;
    if (count == 0) return entries;
    Elf_Data* data =
        elf_getdata_rawchunk(elf_.get(), static_cast<std::int64_t>(segment.p_offset), count * entry, ELF_T_DYN);
    if (!data) fail_with_reason("its dynamic section cannot be read");
    for (std::size_t i = 0; i < count; ++i) {
      GElf_Dyn found;
      if (!gelf_getdyn(data, static_cast<int>(i), &found)) fail_with_reason("its dynamic section cannot be read");
      if (found.d_tag == DT_NULL) break;
      entries.push_back(found);
    }
    return entries;
  }

  /// A zero-terminated string at an offset in the file.
  std::string text(std::uint64_t offset) const {
    const std::size_t end = offset < bytes_.size() ? bytes_.find('\0', offset) : std::string_view::npos;
    if (end == std::string_view::npos) fail("a name in its dynamic section is outside of the file");
    return std::string(bytes_.substr(offset, end - offset));
  }

 private:
  [[noreturn]] void fail_with_reason(const std::string& what) const {
    fail(fmt::format("{}: {}", what, elf_errmsg(-1)));
  }
  std::size_t size_of(Elf_Type type) const { return gelf_fsize(elf_.get(), type, 1, EV_CURRENT); }

  struct End {
    void operator()(Elf* elf) const { elf_end(elf); }
  };

  std::string_view bytes_;
  const std::string& name_;
  std::unique_ptr<Elf, End> elf_;
  GElf_Ehdr header_{};
};

/// The last dynamic segment, which the dynamic linker uses; nullptr if there is none.
const GElf_Phdr* dynamic_segment(const std::vector<GElf_Phdr>& segments) {
  const auto last =
      std::find_if(segments.rbegin(), segments.rend(), [](const GElf_Phdr& each) { return each.p_type == PT_DYNAMIC; });
  return last == segments.rend() ? nullptr : &*last;
}

}  // namespace

bool ElfInfo::has_section(std::string_view name) const {
  return std::any_of(sections.begin(), sections.end(), [&](const ElfSection& section) { return section.name == name; });
}

bool is_elf(std::string_view bytes) { return bytes.starts_with(std::string_view(ELFMAG, SELFMAG)); }

std::string_view section_bytes(std::string_view bytes, const ElfSection& section, const std::string& name) {
  if (section.type == SHT_NOBITS) return {};
  if (section.offset > bytes.size() || bytes.size() - section.offset < section.size) {
    throw Error(ErrorKind::Step, fmt::format("{}: section {} is beyond the end of the file", name, section.name));
  }
  return bytes.substr(section.offset, section.size);
}

ElfInfo read_elf(std::string_view bytes, const std::string& name) {
  const ElfFile file(bytes, name);
  ElfInfo info;
  info.bits = file.header().e_ident[EI_CLASS] == ELFCLASS64 ? 64 : 32;
  info.little_endian = file.header().e_ident[EI_DATA] == ELFDATA2LSB;
  info.type = file.header().e_type;
  info.machine = file.header().e_machine;
  info.flags = file.header().e_flags;
  const auto segments = file.segments();
  for (const GElf_Phdr& segment : segments) {
    // Go's linker writes all headers first, so only the segments show that the end of a file is missing.
    if (segment.p_type == PT_LOAD) file.range(segment.p_offset, segment.p_filesz);
    if (segment.p_type == PT_INTERP) {
      const auto content = file.range(segment.p_offset, segment.p_filesz);
      info.interpreter = std::string(content.substr(0, content.find('\0')));
    }
  }
  if (const GElf_Phdr* segment = dynamic_segment(segments)) {
    const auto entries = file.dynamic_entries(*segment);
    info.dynamic =
        std::any_of(entries.begin(), entries.end(), [](const GElf_Dyn& entry) { return entry.d_tag == DT_NEEDED; });
  }
  info.sections = file.sections();
  return info;
}

std::optional<ElfLinkage> read_linkage(std::string_view bytes, const std::string& name) {
  const ElfFile file(bytes, name);
  const auto segments = file.segments();
  const GElf_Phdr* segment = dynamic_segment(segments);
  if (!segment) return std::nullopt;
  const auto entries = file.dynamic_entries(*segment);
  // Converts the address of the string table to an offset in the file.
  std::optional<std::uint64_t> strings;
  for (const GElf_Dyn& entry : entries) {
    if (entry.d_tag != DT_STRTAB) continue;
    const std::uint64_t address = entry.d_un.d_ptr;
    const auto load = std::find_if(segments.begin(), segments.end(), [&](const GElf_Phdr& each) {
      return each.p_type == PT_LOAD && address >= each.p_vaddr && address - each.p_vaddr < each.p_filesz;
    });
    if (load == segments.end()) file.fail("its dynamic section has a string table outside of its segments");
    file.range(load->p_offset, load->p_filesz);
    strings = address - load->p_vaddr + load->p_offset;
  }
  ElfLinkage linkage;
  for (const GElf_Dyn& entry : entries) {
    if (entry.d_tag != DT_NEEDED && entry.d_tag != DT_SONAME) continue;
    if (!strings) file.fail("its dynamic section has names but no string table");
    const std::uint64_t offset = entry.d_un.d_val;
    if (offset > bytes.size()) file.fail("a name in its dynamic section is outside of the file");
    std::string text = file.text(*strings + offset);
    if (entry.d_tag == DT_NEEDED)
      linkage.needed.push_back(std::move(text));
    else
      linkage.soname = std::move(text);
  }
  return linkage;
}

namespace {
struct Machine {
  std::uint16_t number;
  const char* name;
};
constexpr Machine machines[] = {{EM_386, "x86"},       {EM_PPC64, "PowerPC 64"}, {EM_S390, "S/390"},  {EM_ARM, "ARM"},
                                {EM_X86_64, "x86-64"}, {EM_AARCH64, "AArch64"},  {EM_RISCV, "RISC-V"}};
}  // namespace

std::string elf_machine_name(std::uint16_t machine) {
  for (const auto& entry : machines) {
    if (entry.number == machine) return entry.name;
  }
  return fmt::format("machine {:#x}", machine);
}

ElfTarget elf_target(const std::string& goarch) {
  static const std::vector<std::pair<std::string, ElfTarget>> targets = {
      {"amd64", {EM_X86_64, 64, true}}, {"arm", {EM_ARM, 32, true}},       {"arm64", {EM_AARCH64, 64, true}},
      {"386", {EM_386, 32, true}},      {"ppc64le", {EM_PPC64, 64, true}}, {"riscv64", {EM_RISCV, 64, true}},
      {"s390x", {EM_S390, 64, false}}};
  for (const auto& [name, target] : targets) {
    if (name == goarch) return target;
  }
  throw Error(ErrorKind::Usage, "unknown Go architecture " + goarch);
}

}  // namespace k8simg
