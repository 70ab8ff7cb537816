// Writes /etc/ld.so.cache. Format: glibc's sysdeps/generic/dl-cache.h, "glibc-ld.so.cache1.1" with the generator
// extension.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace k8simg::rootfs {

struct CachedLibrary {
  std::string soname, path;  ///< "libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6"
  std::uint32_t flags = 0;
};
/// `libraries`: in the order in which folders are searched. `generator`: name of the program, "" omits the extension.
std::string library_cache_bytes(std::vector<CachedLibrary> libraries, const std::string& generator);

/// Compares library names in glibc's order, with digits as numbers. Returns < 0, 0 or > 0.
int compare_library_names(std::string_view first, std::string_view second);

}  // namespace k8simg::rootfs
