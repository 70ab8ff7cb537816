// Any bytes as a patch: mistakes are listed, or its header has a reason and its files lie in modules.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/patch_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace k8simg;
  toml::Diagnostics diagnostics;
  const auto patch = config::parse_patch({reinterpret_cast<const char*>(data), size}, "p/0001-x.patch", diagnostics);
  if (patch.has_value() == (diagnostics.size() > 0)) std::abort();
  if (!patch) return 0;
  if (patch->reason.empty() || patch->files.empty()) std::abort();
  for (const auto& file : patch->files)
    if (file.front() == '/' || file.find('/') == std::string::npos ||
        ("/" + file + "/").find("/../") != std::string::npos)
      std::abort();
  return 0;
}
