// Release files of arbitrary bytes.
#include <cstdint>
#include <cstdlib>

#include "debian/release.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace k8simg;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto release = parse_release(text);
  if (!release && release.error().message.empty()) std::abort();
  const auto date = parse_release_date(text);
  // Years 1970 to 9999.
  if (date && (*date < 0 || *date > 253402300800)) std::abort();
  return 0;
}
