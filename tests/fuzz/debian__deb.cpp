// Any bytes are either refused with an Error or give a package that has a control file.
#include <cstdint>
#include <cstdlib>

#include "debian/deb.hpp"
#include "util/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  k8simg::MemoryStore store;
  try {
    const auto package = k8simg::read_deb_bytes(store, {reinterpret_cast<const char*>(data), size}, "fuzz", "fuzz");
    if (!package.control_files.contains("control")) std::abort();
  } catch (const k8simg::Error& error) {
    if (error.kind() != k8simg::ErrorKind::Fetch) std::abort();
  }
  return 0;
}
