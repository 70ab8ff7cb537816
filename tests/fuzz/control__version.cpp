// Three versions of arbitrary bytes: the order is antisymmetric and transitive, and a version equals itself.
#include <cstdint>
#include <cstdlib>

#include "control/version.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace k8simg;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t first = text.find('\n');
  if (first == std::string_view::npos) return 0;
  const std::size_t second = text.find('\n', first + 1);
  if (second == std::string_view::npos) return 0;
  const std::string_view a = text.substr(0, first), b = text.substr(first + 1, second - first - 1),
                         c = text.substr(second + 1);
  // The order is only defined for versions.
  if (!parse_version(a) || !parse_version(b) || !parse_version(c)) return 0;
  const int ab = compare_versions(a, b), bc = compare_versions(b, c), ac = compare_versions(a, c);
  if ((ab < 0) != (compare_versions(b, a) > 0) || (ab == 0) != (compare_versions(b, a) == 0)) std::abort();
  if (ab <= 0 && bc <= 0 && ac > 0) std::abort();
  if (ab >= 0 && bc >= 0 && ac < 0) std::abort();
  if (compare_versions(a, a) != 0) std::abort();
  return 0;
}
