// Debian versions: their syntax and their order.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "debian/control.hpp"

namespace k8simg {

/// Views into the text that was parsed.
struct DebianVersion {
  std::string_view epoch;  ///< digits, "" when not written
  std::string_view upstream;
  std::string_view revision;  ///< "" when not written, which sorts as "0"
};

/// Format: deb-version(7). Refused: empty parts, an epoch that is no number below 2^31, characters that are not
/// allowed, an upstream part that does not begin with a digit (dpkg warns about it, apt takes it; no version in
/// Debian's archive has it).
tl::expected<DebianVersion, ParseError> parse_version(std::string_view text);

/// Sorting order of deb-version(7): negative, 0 or positive. Any text is accepted and compared as apt does; "1.0" and
/// "0:1.0-0" are equal.
int compare_versions(std::string_view a, std::string_view b);

}  // namespace k8simg
