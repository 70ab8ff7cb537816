// Any bytes made printable: no control character is left, what is left is UTF-8, and doing it again changes nothing.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "util/text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string lines = k8simg::printable(bytes), name = k8simg::printable_line(bytes);
  if (k8simg::printable(lines) != lines || k8simg::printable_line(name) != name) std::abort();
  for (const char c : name)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) std::abort();
  if (k8simg::last_bytes(bytes, 100).size() > 100) std::abort();
  return 0;
}
