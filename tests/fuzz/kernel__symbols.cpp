// Any text is a Makefile and an expression of Kconfig, if poor ones.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "kernel/symbols.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const auto& [object, symbol] : k8simg::parse_kernel_makefile(text))
    if (symbol.find("CONFIG_") != 0) std::abort();
  const int value = k8simg::evaluate_kconfig(text, {{"CONFIG_A", "m"}});
  if (value < 0 || value > 2) std::abort();
  return 0;
}
