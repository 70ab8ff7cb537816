// What ldconfig needs to know of a shared object. Format: elf(5), System V ABI.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace k8simg::rootfs {

struct SharedObject {
  std::string soname;  ///< "" when the object has none
  std::uint32_t flags =
      0;  ///< of the cache entry: 3 (an ELF object for glibc) plus the machine's bits (sysdeps/generic/ldconfig.h)
};
/// nullopt for anything that is no ELF shared object with a dynamic section. Fuzzed: no offset is trusted.
std::optional<SharedObject> read_shared_object(std::string_view bytes);

}  // namespace k8simg::rootfs
