// Properties of a shared object for /etc/ld.so.cache.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace k8simg::rootfs {

struct SharedObject {
  std::string soname;  ///< "" if it has none
  std::uint32_t flags =
      0;  ///< of the cache entry: 3 (an ELF object for glibc) plus the machine's bits (sysdeps/generic/ldconfig.h)
};
/// nullopt for files that ldconfig ignores: files other than ELF shared objects with a dynamic section, and damaged
/// ones. Also for big-endian objects, because all targets are little-endian. Fuzzed.
std::optional<SharedObject> read_shared_object(std::string_view bytes);

}  // namespace k8simg::rootfs
