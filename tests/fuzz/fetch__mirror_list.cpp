// Mirror lists of the machine's apt: any text is read, and every URI stands in it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "fetch/mirror_list.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& uri : k8simg::read_mirror_list(text))
    if (uri.empty() || text.find(uri) == std::string_view::npos) std::abort();
  return 0;
}
