// Compares versions as deb-version(7) defines: epoch, upstream version, revision, each in alternating runs of
// non-digits and digits.
#include "control/version.hpp"

namespace k8simg {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// `~` before the end of the part, the end before letters, letters before everything else.
int weight(std::string_view text, std::size_t i) {
  if (i >= text.size() || is_digit(text[i])) return 0;
  if (text[i] == '~') return -1;
  if (is_letter(text[i])) return text[i];
  return static_cast<unsigned char>(text[i]) + 256;
}

int compare_parts(std::string_view a, std::string_view b) {
  std::size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    while ((i < a.size() && !is_digit(a[i])) || (j < b.size() && !is_digit(b[j]))) {
      const int left = weight(a, i), right = weight(b, j);
      if (left != right) return left < right ? -1 : 1;
      if (i < a.size() && !is_digit(a[i])) ++i;
      if (j < b.size() && !is_digit(b[j])) ++j;
    }
    while (i < a.size() && a[i] == '0') ++i;
    while (j < b.size() && b[j] == '0') ++j;
    // Numbers of any length: the longer one is larger; otherwise the first different digit decides.
    int first_difference = 0;
    while (i < a.size() && j < b.size() && is_digit(a[i]) && is_digit(b[j])) {
      if (first_difference == 0) first_difference = a[i] - b[j];
      ++i;
      ++j;
    }
    if (i < a.size() && is_digit(a[i])) return 1;
    if (j < b.size() && is_digit(b[j])) return -1;
    if (first_difference != 0) return first_difference < 0 ? -1 : 1;
  }
  return 0;
}

DebianVersion split_version(std::string_view text) {
  DebianVersion version;
  if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    version.epoch = text.substr(0, colon);
    text.remove_prefix(colon + 1);
  }
  if (const std::size_t dash = text.rfind('-'); dash != std::string_view::npos) {
    version.revision = text.substr(dash + 1);
    text = text.substr(0, dash);
  }
  version.upstream = text;
  return version;
}

}  // namespace

tl::expected<DebianVersion, ParseError> parse_version(std::string_view text) {
  const auto fail = [&](const char* what) { return tl::make_unexpected(ParseError{0, what}); };
  if (text.empty()) return fail("the version is empty");
  const DebianVersion version = split_version(text);
  const bool has_epoch = text.find(':') != std::string_view::npos;
  if (has_epoch) {
    if (version.epoch.empty()) return fail("nothing before the version's colon");
    unsigned long long number = 0;
    for (char c : version.epoch) {
      if (!is_digit(c)) return fail("the version's epoch is not a number");
      number = number * 10 + static_cast<unsigned>(c - '0');
      if (number > 0x7fffffffULL) return fail("the version's epoch is too large");
    }
  }
  if (version.upstream.empty()) return fail("the version has no upstream part");
  if (!is_digit(version.upstream.front())) return fail("the version's upstream part does not begin with a digit");
  for (char c : version.upstream)
    if (!is_digit(c) && !is_letter(c) && std::string_view("-+.~:").find(c) == std::string_view::npos)
      return fail("a character in the version that deb-version does not allow");
  if (version.revision.empty() && text.back() == '-') return fail("nothing after the version's last hyphen");
  for (char c : version.revision)
    if (!is_digit(c) && !is_letter(c) && std::string_view("+.~").find(c) == std::string_view::npos)
      return fail("a character in the version's revision that deb-version does not allow");
  return version;
}

int compare_versions(std::string_view a, std::string_view b) {
  if (a == b) return 0;
  const DebianVersion left = split_version(a), right = split_version(b);
  if (const int epochs = compare_parts(left.epoch, right.epoch)) return epochs;
  if (const int upstreams = compare_parts(left.upstream, right.upstream)) return upstreams;
  return compare_parts(left.revision, right.revision);
}

}  // namespace k8simg
