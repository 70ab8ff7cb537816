// Any bytes as a shared object: what is no ELF file is none.
#include <cstdlib>
#include <string_view>

#include "elf/elf.hpp"
#include "rootfs/shared_object.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto object = k8simg::rootfs::read_shared_object(bytes);
  if (object && (!k8simg::is_elf(bytes) || object->soname.size() > size)) std::abort();
  return 0;
}
