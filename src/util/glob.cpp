// glob_match(): matches paths against patterns without recursion.
#include <optional>
#include <string_view>

#include "util/text.hpp"

namespace k8simg {

namespace {

struct ClassMatch {
  bool matches;
  std::size_t next;  ///< index in the pattern after the closing bracket
};

/// `pattern[at]` is '['. nullopt when no bracket closes the class: then '[' is a literal character.
std::optional<ClassMatch> match_class(std::string_view pattern, std::size_t at, char c) {
  std::size_t i = at + 1;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  bool matches = false;
  for (bool first = true;; first = false) {
    if (i >= pattern.size()) return std::nullopt;
    if (pattern[i] == ']' && !first) break;  // a first ']' is a member, as in POSIX
    auto low = static_cast<unsigned char>(pattern[i]), high = low;
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      high = static_cast<unsigned char>(pattern[i + 2]);
      i += 2;
    }
    ++i;
    const auto value = static_cast<unsigned char>(c);
    matches = matches || (low <= value && value <= high);
  }
  return ClassMatch{c != '/' && matches != negated, i + 1};
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view path) {
  // Where to resume after a mismatch: at the last `*`, which may match one more character that is not '/', or at the
  // last `**`, which may match anything. Earlier ones need no retry: they matched as early as possible.
  struct Resume {
    bool set = false;
    bool folders = false;  ///< the pattern was `**/`, which matches whole folders
    std::size_t pattern = 0, path = 0;
  } star, stars;
  std::size_t p = 0, t = 0;
  for (;;) {
    if (p < pattern.size() && pattern[p] == '*') {
      if (p + 1 < pattern.size() && pattern[p + 1] == '*') {
        const bool at_start = p == 0 || pattern[p - 1] == '/';
        p += 2;
        const bool folders = at_start && p < pattern.size() && pattern[p] == '/';
        if (folders) ++p;
        stars = {true, folders, p, t};
        star = {};
      } else {
        star = {true, false, ++p, t};
      }
      continue;
    }
    bool matched = false;
    if (t == path.size()) {
      if (p == pattern.size()) return true;
      // No text is left, so no longer match of `*` or `**` can help.
      return false;
    }
    if (p < pattern.size()) {
      const char c = path[t];
      std::size_t next = p + 1;
      if (pattern[p] == '?') {
        matched = c != '/';
      } else if (pattern[p] == '[') {
        if (const auto match = match_class(pattern, p, c)) {
          matched = match->matches;
          next = match->next;
        } else {
          matched = c == '[';
        }
      } else {
        if (pattern[p] == '\\' && next < pattern.size()) ++next;
        matched = pattern[next - 1] == c;
      }
      if (matched) {
        p = next;
        ++t;
        continue;
      }
    }
    if (star.set && path[star.path] != '/') {
      p = star.pattern;
      t = ++star.path;
      continue;
    }
    star = {};
    if (!stars.set) return false;
    if (stars.folders) {
      const std::size_t slash = path.find('/', stars.path);
      if (slash == std::string_view::npos) return false;
      stars.path = slash + 1;
    } else if (stars.path < path.size()) {
      ++stars.path;
    } else {
      return false;
    }
    p = stars.pattern;
    t = stars.path;
  }
}

}  // namespace k8simg
