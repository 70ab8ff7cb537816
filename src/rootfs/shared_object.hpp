// What ldconfig needs to know of a shared object.
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
/// nullopt for what ldconfig passes over: anything that is no ELF shared object with a dynamic section, or is damaged.
/// Big-endian objects are not for Debian's little-endian targets. Fuzzed.
std::optional<SharedObject> read_shared_object(std::string_view bytes);

}  // namespace k8simg::rootfs
