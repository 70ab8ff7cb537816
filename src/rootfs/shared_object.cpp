// Reads the soname and the machine of a shared object.
#include "rootfs/shared_object.hpp"

#include <elf.h>

#include "elf/elf.hpp"
#include "util/error.hpp"

namespace k8simg::rootfs {

namespace {

std::uint32_t machine_flags(const ElfInfo& info) {
  const bool wide = info.bits == 64;
  switch (info.machine) {
    case EM_X86_64:
      return wide ? 0x0300 : 0x0800;
    case EM_AARCH64:
      return 0x0a00;
    case EM_ARM:
      return (info.flags & EF_ARM_ABI_FLOAT_HARD) != 0   ? 0x0900
             : (info.flags & EF_ARM_ABI_FLOAT_SOFT) != 0 ? 0x0b00
                                                         : 0;
    case EM_RISCV:
      return wide ? 0x1000 : 0;
    default:
      return 0;
  }
}

}  // namespace

std::optional<SharedObject> read_shared_object(std::string_view bytes) {
  if (!is_elf(bytes)) return std::nullopt;
  try {
    const ElfInfo info = read_elf(bytes, "");
    const auto linkage = read_linkage(bytes, "");
    if (info.type != ET_DYN || !info.little_endian || !linkage) return std::nullopt;
    return SharedObject{linkage->soname, 3 | machine_flags(info)};
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace k8simg::rootfs
