// Escapes control characters and invalid UTF-8 in text that is shown on a terminal.
#include <fmt/format.h>

#include "util/text.hpp"

namespace k8simg {

namespace {

/// Size in bytes of the UTF-8 character at the start of `text`; 0 when it is invalid (RFC 3629: no overlong forms, no
/// surrogates).
std::size_t character_size(std::string_view text) {
  const auto byte = [&](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u; };
  const auto follows = [&](std::size_t at) { return (byte(at) & 0xc0) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f)) return 0;
    return follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) return 0;
    return follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

std::string escaped(std::string_view text, bool lines) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    const auto first = static_cast<unsigned char>(text[0]);
    if (size == 0) {
      result += fmt::format("\\x{:02x}", first);
    } else if (lines && text.starts_with("\r\n")) {
      // Serial consoles end lines with CR LF; the LF is handled next.
    } else if (first == '\n' || first == '\t') {
      if (lines)
        result += static_cast<char>(first);
      else
        result += first == '\n' ? "\\n" : "\\t";
    } else if (first < 0x20) {
      result += fmt::format("\\x{:02x}", first);
    } else if (first == 0x7f) {
      result += "\\u007f";  // valid as a JSON escape too
    } else if (first == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0) {
      result += fmt::format("\\u00{:02x}", static_cast<unsigned char>(text[1]));
    } else {
      result += text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return result;
}

}  // namespace

std::string printable(std::string_view text) { return escaped(text, true); }

std::string printable_line(std::string_view text) { return escaped(text, false); }

std::string_view last_bytes(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  text.remove_prefix(text.size() - most);
  for (int i = 0; i < 3 && !text.empty() && (static_cast<unsigned char>(text[0]) & 0xc0) == 0x80; ++i)
    text.remove_prefix(1);
  return text;
}

}  // namespace k8simg
