// Any bytes are judged without an Error, for every kind of board; what is no ELF file is never refused.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "elf/elf.hpp"
#include "elf/isa.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const k8simg::IsaTarget& target :
       {k8simg::IsaTarget{"arm", "5"}, {"arm", "6"}, {"arm", "7"}, {"arm64", ""}, {"amd64", ""}, {"s390x", ""}}) {
    const auto violation = k8simg::isa_violation(bytes, target);
    if (violation && (violation->empty() || !k8simg::is_elf(bytes))) std::abort();
  }
  return 0;
}
