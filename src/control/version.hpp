// Debian versions: their syntax and their order.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "control/paragraph.hpp"

namespace k8simg {

/// Views into the parsed text.
struct DebianVersion {
  std::string_view epoch;  ///< digits; "" if absent
  std::string_view upstream;
  std::string_view revision;  ///< "" if absent, which sorts like "0"
};

/// Format: deb-version(7). Refused: empty parts, an epoch that is not a number below 2^31, invalid characters, an
/// upstream version that does not begin with a digit (dpkg warns about it, apt accepts it; Debian's archive has none).
tl::expected<DebianVersion, ParseError> parse_version(std::string_view text);

/// Compares in the order of deb-version(7): negative, 0 or positive. Any text is accepted and compared as by apt; "1.0"
/// and "0:1.0-0" are equal.
int compare_versions(std::string_view a, std::string_view b);

}  // namespace k8simg
