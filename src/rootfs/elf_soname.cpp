// Reading DT_SONAME and the machine of an ELF object, in either class; big-endian objects are not for Debian's little-endian targets.
#include "rootfs/elf_soname.hpp"

#include <cstring>

#include <elf.h>

namespace k8simg::rootfs {

namespace {

template <class T>
std::optional<T> read_at(std::string_view bytes, std::uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::uint32_t machine_flags(unsigned machine, bool wide, std::uint32_t flags) {
  switch (machine) {
    case EM_X86_64: return wide ? 0x0300 : 0x0800;
    case EM_AARCH64: return 0x0a00;
    case EM_ARM: return (flags & EF_ARM_ABI_FLOAT_HARD) != 0 ? 0x0900 : (flags & EF_ARM_ABI_FLOAT_SOFT) != 0 ? 0x0b00 : 0;
    case EM_RISCV: return wide ? 0x1000 : 0;
    default: return 0;
  }
}

template <class Header, class Segment, class Entry>
std::optional<SharedObject> read_class(std::string_view bytes, bool wide) {
  const auto header = read_at<Header>(bytes, 0);
  if (!header || header->e_type != ET_DYN || header->e_phentsize != sizeof(Segment)) return std::nullopt;
  std::optional<Segment> dynamic;
  const auto segment = [&](unsigned index) { return read_at<Segment>(bytes, header->e_phoff + std::uint64_t{index} * sizeof(Segment)); };
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    const auto each = segment(i);
    if (!each) return std::nullopt;
    if (each->p_type == PT_DYNAMIC) dynamic = each;
  }
  if (!dynamic) return std::nullopt;
  std::optional<std::uint64_t> name, strings;
  for (std::uint64_t at = 0; at + sizeof(Entry) <= dynamic->p_filesz; at += sizeof(Entry)) {
    const auto entry = read_at<Entry>(bytes, dynamic->p_offset + at);
    if (!entry || entry->d_tag == DT_NULL) break;
    if (entry->d_tag == DT_SONAME) name = entry->d_un.d_val;
    if (entry->d_tag == DT_STRTAB) strings = entry->d_un.d_ptr;
  }
  SharedObject object{{}, 3 | machine_flags(header->e_machine, wide, header->e_flags)};
  if (!name || !strings) return object;
  for (unsigned i = 0; i < header->e_phnum; ++i) {  // the string table's address in memory as an offset in the file
    const auto each = segment(i);
    if (each->p_type != PT_LOAD || *strings < each->p_vaddr || *strings - each->p_vaddr >= each->p_filesz) continue;
    const std::uint64_t start = *strings - each->p_vaddr + each->p_offset + *name;
    if (start >= bytes.size() || start < *name) return object;
    const auto end = bytes.find('\0', start);
    if (end != bytes.npos) object.soname = bytes.substr(start, end - start);
    break;
  }
  return object;
}

}  // namespace

std::optional<SharedObject> read_shared_object(std::string_view bytes) {
  if (bytes.size() < EI_NIDENT || std::memcmp(bytes.data(), ELFMAG, SELFMAG) != 0 || bytes[EI_DATA] != ELFDATA2LSB) return std::nullopt;
  if (bytes[EI_CLASS] == ELFCLASS64) return read_class<Elf64_Ehdr, Elf64_Phdr, Elf64_Dyn>(bytes, true);
  if (bytes[EI_CLASS] == ELFCLASS32) return read_class<Elf32_Ehdr, Elf32_Phdr, Elf32_Dyn>(bytes, false);
  return std::nullopt;
}

}  // namespace k8simg::rootfs
