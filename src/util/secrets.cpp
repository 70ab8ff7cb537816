// Removes user information and queries from URLs (RFC 3986, section 3): mirrors and proxies carry passwords and tokens
// there.
#include <string>

#include "util/text.hpp"

namespace k8simg {

std::string without_secrets(std::string_view text) {
  constexpr std::string_view scheme_end = "://";
  constexpr std::string_view ends_url = " \t\r\n\"'<>`";
  std::string out;
  while (true) {
    const auto scheme = text.find(scheme_end);
    if (scheme == std::string_view::npos) return out.append(text);
    const auto authority = scheme + scheme_end.size();
    out.append(text.substr(0, authority));
    text.remove_prefix(authority);
    std::string_view url = text.substr(0, text.find_first_of(ends_url));
    // A list without blanks, such as GOPROXY: the next URL begins after the last separator before its scheme.
    if (const auto next = url.find(scheme_end); next != std::string_view::npos)
      if (const auto separator = url.substr(0, next).find_last_of(",|"); separator != std::string_view::npos)
        url = url.substr(0, separator);
    text.remove_prefix(url.size());
    // A password may contain an unescaped slash or question mark, so the last @ before the host separates it. An @ in
    // the path counts only if the text before it looks like USER:PASSWORD.
    const auto slash = url.find_first_of("/?#");
    auto at = url.substr(0, slash).rfind('@');
    if (at == std::string_view::npos && slash != std::string_view::npos &&
        url.substr(0, slash).find(':') != std::string_view::npos) {
      const auto port = url.substr(0, slash).substr(url.find(':') + 1);
      const bool is_port = !port.empty() && port.find_first_not_of("0123456789") == std::string_view::npos;
      if (!is_port && url.front() != '[') at = url.rfind('@');
    }
    if (at != std::string_view::npos) {
      out += "***@";
      url.remove_prefix(at + 1);
    }
    const auto query = url.find('?');
    out.append(url.substr(0, query));
    if (query != std::string_view::npos) {
      out += "?***";
      // Trailing punctuation belongs to the sentence, not to the query.
      const auto last = url.find_last_not_of(".,:;)");
      out.append(url.substr(last + 1));
    }
  }
}

}  // namespace k8simg
