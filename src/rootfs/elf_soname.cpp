// Reading DT_SONAME and the machine of an ELF object, in either class; big-endian objects are not for Debian's
// little-endian targets.
#include "rootfs/elf_soname.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "util/bytes.hpp"

namespace k8simg::rootfs {

namespace {

/// Where elf(5) has the fields of one class; numbers of `word` bytes are addresses, offsets and sizes.
struct Layout {
  unsigned word;
  std::uint64_t segments, flags, segment_size, segment_count;  ///< in the header
  std::uint64_t segment, offset, address, file_size;           ///< size of a program header, and what is where in it
};
constexpr Layout narrow{4, 28, 36, 42, 44, 32, 4, 8, 16}, wide{8, 32, 48, 54, 56, 56, 8, 16, 32};

struct Segment {
  std::uint64_t type, offset, address, file_size;
};

std::uint32_t machine_flags(std::uint64_t machine, bool is_wide, std::uint64_t flags) {
  switch (machine) {
    case EM_X86_64:
      return is_wide ? 0x0300 : 0x0800;
    case EM_AARCH64:
      return 0x0a00;
    case EM_ARM:
      return (flags & EF_ARM_ABI_FLOAT_HARD) != 0 ? 0x0900 : (flags & EF_ARM_ABI_FLOAT_SOFT) != 0 ? 0x0b00 : 0;
    case EM_RISCV:
      return is_wide ? 0x1000 : 0;
    default:
      return 0;
  }
}

/// nullopt when a program header lies beyond the end.
std::optional<std::vector<Segment>> read_segments(std::string_view bytes, const Layout& layout, std::uint64_t start,
                                                  std::uint64_t count) {
  std::vector<Segment> segments;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t at = start + i * layout.segment;
    const auto type = read_number(bytes, at, 4);
    const auto offset = read_number(bytes, at + layout.offset, layout.word),
               address = read_number(bytes, at + layout.address, layout.word),
               file_size = read_number(bytes, at + layout.file_size, layout.word);
    if (!type || !offset || !address || !file_size) return std::nullopt;
    segments.push_back({*type, *offset, *address, *file_size});
  }
  return segments;
}

std::optional<SharedObject> read_class(std::string_view bytes, const Layout& layout) {
  const auto type = read_number(bytes, 16, 2), machine = read_number(bytes, 18, 2),
             start = read_number(bytes, layout.segments, layout.word), flags = read_number(bytes, layout.flags, 4),
             size = read_number(bytes, layout.segment_size, 2), count = read_number(bytes, layout.segment_count, 2);
  if (!count || *type != ET_DYN || *size != layout.segment) return std::nullopt;
  const auto segments = read_segments(bytes, layout, *start, *count);
  if (!segments) return std::nullopt;
  const auto dynamic =
      std::find_if(segments->rbegin(), segments->rend(), [](const Segment& each) { return each.type == PT_DYNAMIC; });
  if (dynamic == segments->rend()) return std::nullopt;
  std::optional<std::uint64_t> name, strings;
  for (std::uint64_t at = 0; at + 2 * layout.word <= dynamic->file_size; at += 2 * layout.word) {
    const auto tag = read_number(bytes, dynamic->offset + at, layout.word),
               value = read_number(bytes, dynamic->offset + at + layout.word, layout.word);
    if (!tag || !value || *tag == DT_NULL) break;
    if (*tag == DT_SONAME) name = value;
    if (*tag == DT_STRTAB) strings = value;
  }
  SharedObject object{{}, 3 | machine_flags(*machine, layout.word == 8, *flags)};
  if (!name || !strings) return object;
  for (const auto& each : *segments) {  // the string table's address in memory as an offset in the file
    if (each.type != PT_LOAD || *strings < each.address || *strings - each.address >= each.file_size) continue;
    const std::uint64_t at = *strings - each.address + each.offset + *name;
    if (at >= bytes.size() || at < *name) return object;
    const auto end = bytes.find('\0', at);
    if (end != bytes.npos) object.soname = bytes.substr(at, end - at);
    break;
  }
  return object;
}

}  // namespace

std::optional<SharedObject> read_shared_object(std::string_view bytes) {
  if (bytes.size() < EI_NIDENT || std::memcmp(bytes.data(), ELFMAG, SELFMAG) != 0 || bytes[EI_DATA] != ELFDATA2LSB)
    return std::nullopt;
  if (bytes[EI_CLASS] == ELFCLASS64) return read_class(bytes, wide);
  if (bytes[EI_CLASS] == ELFCLASS32) return read_class(bytes, narrow);
  return std::nullopt;
}

}  // namespace k8simg::rootfs
