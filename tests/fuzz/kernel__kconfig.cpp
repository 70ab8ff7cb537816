// Any text is a Kconfig file, if a poor one: no line number beyond its end, no symbol without a name.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "kernel/kconfig.hpp"
#include "util/text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const k8simg::KconfigIndex index("Kconfig", "x86", [&](const std::string&) { return std::optional(text); });
  const auto lines = std::count(text.begin(), text.end(), '\n') + 1;
  for (const auto& word : k8simg::split_words(text)) {
    for (const auto& definition : index.find(word)) {
      if (definition.line < 1 || definition.line > lines) std::abort();
      for (const auto& depends : definition.depends) {
        if (k8simg::annotate_dependency(depends, {}).size() < depends.size()) std::abort();
      }
    }
  }
  return 0;
}
