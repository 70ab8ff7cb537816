// Reads ELF headers without trusting a single offset.
#include "component/elf.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "util/bytes.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

class Reader {
 public:
  Reader(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::Step, fmt::format("{}: {}", name_, what));
  }

  std::uint64_t number(std::uint64_t offset, unsigned width) const {
    const auto value = read_number(bytes_, offset, width, order);
    if (!value) fail("truncated ELF file");
    return *value;
  }
  std::string_view range(std::uint64_t offset, std::uint64_t size) const {
    if (offset > bytes_.size() || bytes_.size() - offset < size)
      fail("an ELF header points beyond the end of the file");
    return bytes_.substr(offset, size);
  }
  std::string text(std::string_view table, std::uint64_t offset) const {
    if (offset >= table.size()) fail("a name lies outside its string table");
    return std::string(table.substr(offset, table.substr(offset).find('\0')));
  }

  std::endian order = std::endian::little;

 private:
  std::string_view bytes_;
  const std::string& name_;
};

}  // namespace

bool ElfInfo::has_section(std::string_view name) const {
  return std::any_of(sections.begin(), sections.end(), [&](const ElfSection& section) { return section.name == name; });
}

std::string_view section_bytes(std::string_view bytes, const ElfSection& section, const std::string& name) {
  constexpr std::uint32_t nobits = 8;
  if (section.type == nobits) return {};
  if (section.offset > bytes.size() || bytes.size() - section.offset < section.size) {
    throw Error(ErrorKind::Step, fmt::format("{}: section {} lies beyond the end of the file", name, section.name));
  }
  return bytes.substr(section.offset, section.size);
}

ElfInfo read_elf(std::string_view bytes, const std::string& name) {
  Reader in(bytes, name);
  if (!bytes.starts_with("\x7f"
                         "ELF") ||
      bytes.size() < 52)
    in.fail("not an ELF file");
  ElfInfo info;
  if (bytes[4] != 1 && bytes[4] != 2) in.fail("unknown ELF class");
  if (bytes[5] != 1 && bytes[5] != 2) in.fail("unknown ELF byte order");
  const bool wide = bytes[4] == 2;
  info.bits = wide ? 64 : 32;
  info.little_endian = bytes[5] == 1;
  if (!info.little_endian) in.order = std::endian::big;
  const unsigned word = wide ? 8 : 4;
  info.type = static_cast<std::uint16_t>(in.number(16, 2));
  info.machine = static_cast<std::uint16_t>(in.number(18, 2));
  const std::uint64_t program_offset = in.number(wide ? 32 : 28, word),
                      section_offset = in.number(wide ? 40 : 32, word);
  info.flags = static_cast<std::uint32_t>(in.number(wide ? 48 : 36, 4));
  const std::uint64_t tail = wide ? 54 : 42;
  const std::uint64_t program_size = in.number(tail, 2), program_count = in.number(tail + 2, 2);
  const std::uint64_t section_size = in.number(tail + 4, 2), section_count = in.number(tail + 6, 2),
                      names_index = in.number(tail + 8, 2);

  // Entries smaller than their own fields would overlap: thousands of them in the room of one.
  if (program_count > 0 && program_size < (wide ? 56u : 32u)) in.fail("its program headers are too small");
  if (section_count > 0 && section_size < (wide ? 64u : 40u)) in.fail("its section headers are too small");
  in.range(program_offset, program_count * program_size);
  in.range(section_offset, section_count * section_size);

  for (std::uint64_t i = 0; i < program_count; ++i) {
    const std::uint64_t at = program_offset + i * program_size;
    const std::uint64_t type = in.number(at, 4);
    const std::uint64_t offset = in.number(at + (wide ? 8 : 4), word), size = in.number(at + (wide ? 32 : 16), word);
    if (type ==
        1) {  // PT_LOAD: Go's linker puts every header first, so only this tells that the end of a file is missing
      in.range(offset, size);
    } else if (type == 3) {  // PT_INTERP
      const auto content = in.range(offset, size);
      info.interpreter = std::string(content.substr(0, content.find('\0')));
    } else if (type == 2) {  // PT_DYNAMIC: dynamic linkage shows as DT_NEEDED (tag 1)
      in.range(offset, size);
      for (std::uint64_t entry = offset; entry + 2 * word <= offset + size; entry += 2 * word) {
        const std::uint64_t tag = in.number(entry, word);
        if (tag == 0) break;
        if (tag == 1) info.dynamic = true;
      }
    }
  }

  if (section_count > 0) {
    in.range(section_offset, section_size * section_count);
    if (names_index >= section_count) in.fail("the section name table's index is out of range");
    const std::uint64_t names_at = section_offset + names_index * section_size;
    const auto names =
        in.range(in.number(names_at + (wide ? 24 : 16), word), in.number(names_at + (wide ? 32 : 20), word));
    for (std::uint64_t i = 0; i < section_count; ++i) {
      const std::uint64_t at = section_offset + i * section_size;
      info.sections.push_back({in.text(names, in.number(at, 4)), static_cast<std::uint32_t>(in.number(at + 4, 4)),
                               in.number(at + (wide ? 24 : 16), word), in.number(at + (wide ? 32 : 20), word)});
    }
  }
  return info;
}

std::vector<std::string> needed_libraries(std::string_view bytes, const ElfInfo& info, const std::string& name) {
  constexpr std::uint32_t dynamic_section = 6, needed_tag = 1;  // SHT_DYNAMIC, DT_NEEDED
  std::vector<std::string> libraries;
  if (!info.dynamic) return libraries;
  const auto strings = std::find_if(info.sections.begin(), info.sections.end(),
                                    [](const ElfSection& section) { return section.name == ".dynstr"; });
  const auto dynamic = std::find_if(info.sections.begin(), info.sections.end(),
                                    [](const ElfSection& section) { return section.type == dynamic_section; });
  if (strings == info.sections.end() || dynamic == info.sections.end())
    throw Error(ErrorKind::Step, fmt::format("{}: its section headers do not say what libraries it needs", name));
  const std::string_view table = section_bytes(bytes, *strings, name), entries = section_bytes(bytes, *dynamic, name);
  Reader in(entries, name);
  if (!info.little_endian) in.order = std::endian::big;
  const unsigned word = info.bits == 64 ? 8 : 4;
  for (std::uint64_t at = 0; at + 2 * word <= entries.size(); at += 2 * word) {
    const std::uint64_t tag = in.number(at, word);
    if (tag == 0) break;
    if (tag == needed_tag) libraries.push_back(in.text(table, in.number(at + word, word)));
  }
  return libraries;
}

namespace {
struct Machine {
  std::uint16_t number;
  const char* name;
};
constexpr Machine machines[] = {{3, "x86"},     {21, "PowerPC 64"}, {22, "S/390"},  {40, "ARM"},
                                {62, "x86-64"}, {183, "AArch64"},   {243, "RISC-V"}};
}  // namespace

std::string elf_machine_name(std::uint16_t machine) {
  for (const auto& entry : machines) {
    if (entry.number == machine) return entry.name;
  }
  return fmt::format("machine {:#x}", machine);
}

ElfTarget elf_target(const std::string& goarch) {
  static const std::vector<std::pair<std::string, ElfTarget>> targets = {
      {"amd64", {62, 64, true}},   {"arm", {40, 32, true}},      {"arm64", {183, 64, true}}, {"386", {3, 32, true}},
      {"ppc64le", {21, 64, true}}, {"riscv64", {243, 64, true}}, {"s390x", {22, 64, false}}};
  for (const auto& [name, target] : targets) {
    if (name == goarch) return target;
  }
  throw Error(ErrorKind::Usage, "unknown Go architecture " + goarch);
}

}  // namespace k8simg
