// Any bytes as an ELF object, a control paragraph or a version: nothing is read outside of them.
#include <string_view>

#include "rootfs/control.hpp"
#include "rootfs/shared_object.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  k8simg::rootfs::read_shared_object(bytes);
  k8simg::rootfs::parse_paragraph(bytes);
  const auto middle = size / 2;
  const auto a = bytes.substr(0, middle), b = bytes.substr(middle);
  if (k8simg::rootfs::compare_versions(a, b) != -k8simg::rootfs::compare_versions(b, a)) __builtin_trap();
  k8simg::rootfs::names_package(a, b, "1.0");
  return 0;
}
