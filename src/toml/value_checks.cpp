// Checks of single strings.
#include "toml/value_checks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "util/text.hpp"

namespace k8simg::toml {
namespace {

bool only(const std::string& text, std::string_view extra, bool upper) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (upper && c >= 'A' && c <= 'Z') ||
           extra.find(c) != std::string_view::npos;
  });
}

bool clean_parts(std::string_view path) {
  for (const auto& part : split(path, '/'))
    if (part.empty() || part == "." || part == "..") return false;
  return true;
}

bool is_package_name(const std::string& name) {
  return name.size() >= 2 && only(name, "+.-", false) && name.front() != '+' && name.front() != '.' &&
         name.front() != '-';
}

bool is_image_tag(const std::string& text) {
  return !text.empty() && text.size() <= 128 && text.front() != '.' && text.front() != '-' && only(text, "._-", true);
}

Check check(std::function<bool(const std::string&)> good, std::string wanted) {
  return [good = std::move(good), wanted = std::move(wanted)](const std::string& text) {
    return good(text) ? "" : fmt::format("must be {}, not {}", wanted, quote(text));
  };
}

}  // namespace

Check absolute_path() {
  return check(
      [](const std::string& text) {
        return text.size() > 1 && text.front() == '/' && clean_parts(std::string_view(text).substr(1));
      },
      "an absolute path such as \"/usr/bin/x\"");
}

Check target_glob() {
  return check(
      [](const std::string& text) {
        return text.size() > 1 && text.front() == '/' && clean_parts(std::string_view(text).substr(1));
      },
      "an absolute path or glob such as \"/usr/share/doc/**\"");
}

Check relative_path() {
  return check(
      [](const std::string& text) {
        std::string_view path = text;
        if (!path.empty() && path.back() == '/') path.remove_suffix(1);
        return !path.empty() && path.front() != '/' && clean_parts(path);
      },
      "a relative path without \"..\"");
}

Check file_name() {
  return check(
      [](const std::string& text) {
        return !text.empty() && text != "." && text != ".." && text.find('/') == std::string::npos;
      },
      "a file name");
}

Check suite_name() {
  return check(
      [](const std::string& text) {
        if (text == "./" || text == "/") return true;
        if (text.ends_with('/')) return clean_parts(std::string_view(text).substr(0, text.size() - 1));
        return text != "." && text != ".." && !text.empty() && text.find('/') == std::string::npos;
      },
      "a suite such as \"trixie\", or the folder of a flat repository with a \"/\" at its end, such as \"./\"");
}

Check deb_glob() {
  return check(
      [](const std::string& text) {
        return text.ends_with(".deb") && text.front() != '/' && clean_parts(text) &&
               text.find("**") == std::string::npos;
      },
      "a relative path or glob that ends in \".deb\", without \"..\" and \"**\"");
}

Check image_name() {
  return check(
      [](const std::string& text) {
        const auto colon = text.rfind(':');
        return colon != std::string::npos && colon > 0 && is_image_tag(text.substr(colon + 1)) &&
               only(text.substr(0, colon), "/:._-[]", true);
      },
      "the name of a container image with its tag, such as \"registry.example/app:1.0\"");
}

Check image_tag() { return check(is_image_tag, "a tag: letters, digits, \".\", \"_\" and \"-\""); }

Check package_name() { return check(is_package_name, "the name of a Debian package"); }

Check package_choice() {
  return check(
      [](const std::string& text) {
        auto end = text.find_first_of("=/");
        if (end == std::string::npos) return is_package_name(text);
        std::string rest = text.substr(end + 1);
        return is_package_name(text.substr(0, end)) && !rest.empty() && only(rest, "+.~:-_", true);
      },
      "the name of a Debian package, NAME=VERSION or NAME/SUITE");
}

Check unit_name() {
  return check(
      [](const std::string& text) {
        auto dot = text.rfind('.');
        if (dot == std::string::npos || dot == 0 || !only(text, ":-_.\\@", true)) return false;
        const std::vector<std::string> suffixes = {"service", "socket", "target", "timer", "mount", "automount",
                                                   "path",    "slice",  "swap",   "scope", "device"};
        return std::find(suffixes.begin(), suffixes.end(), text.substr(dot + 1)) != suffixes.end();
      },
      "a systemd unit with its suffix, such as \"ssh.service\"");
}

Check host_name() {
  return check(
      [](const std::string& text) {
        return !text.empty() && text.size() <= 63 && only(text, "-", false) && text.front() != '-' &&
               text.back() != '-';
      },
      "a host name: up to 63 of a-z, 0-9 and -");
}

Check keymap_name() {
  const auto is_layout = [](const std::string& text) {
    const auto open = text.find('(');
    if (open == std::string::npos) return !text.empty() && only(text, "_-", true);
    const std::string variant = text.substr(open + 1);
    return open > 0 && only(text.substr(0, open), "_-", true) && variant.size() > 1 && variant.back() == ')' &&
           only(variant.substr(0, variant.size() - 1), "_-", true);
  };
  return check(
      [is_layout](const std::string& text) {
        const auto layouts = split(text, ',');
        return layouts.size() <= 4 && std::all_of(layouts.begin(), layouts.end(), is_layout);
      },
      "a keyboard layout such as \"de\" or \"de(nodeadkeys)\", or up to four of them with commas between");
}

Check locale_name() {
  return check([](const std::string& text) { return !text.empty() && text.front() != '.' && only(text, "_.@-", true); },
               "a locale such as \"de_DE.UTF-8\"");
}

Check account_name() {
  return check(
      [](const std::string& text) {
        return !text.empty() && text.size() <= 32 && text.front() >= 'a' && text.front() <= 'z' &&
               only(text, "-_", false);
      },
      "an account's name: up to 32 of a-z, 0-9, \"-\" and \"_\", beginning with a letter");
}

Check password_hash() {
  const auto good = [](const std::string& text) {
    const auto end = text.find('$', 1);
    if (!text.starts_with('$') || end == std::string::npos) return false;
    const std::vector<std::string> methods = {"y", "gy", "7", "2b", "2y", "6", "5"};
    return std::find(methods.begin(), methods.end(), text.substr(1, end - 1)) != methods.end() &&
           text.size() > end + 20 && only(text, "$./=,_-", true);
  };
  // The message does not repeat the value, which may be the password.
  return [good](const std::string& text) -> std::string {
    return good(text) ? "" : "must be a password's hash, as `openssl passwd -6` or `mkpasswd` prints it";
  };
}

Check comment_field() {
  return check(
      [](const std::string& text) {
        return !text.empty() && std::none_of(text.begin(), text.end(),
                                             [](unsigned char c) { return c < 0x20 || c == 0x7f || c == ':'; });
      },
      "one line without \":\"");
}

namespace {

bool is_http_url(const std::string& text, bool with_user) {
  const std::string_view rest = text.starts_with("https://")  ? std::string_view(text).substr(8)
                                : text.starts_with("http://") ? std::string_view(text).substr(7)
                                                              : std::string_view();
  const auto host = rest.substr(0, rest.find('/'));
  return !host.empty() && (with_user || host.find('@') == host.npos) &&
         std::all_of(rest.begin(), rest.end(), [](unsigned char c) {
           return c > 0x20 && c < 0x7f &&
                  std::string_view("\"'\\?#<>`").find(static_cast<char>(c)) == std::string_view::npos;
         });
}

}  // namespace

Check http_url() {
  return check([](const std::string& text) { return is_http_url(text, false); },
               "a URL such as \"https://mirror.example\", without a user or a query");
}

Check proxy_url() {
  // The message does not repeat the value, which may have a password.
  return [](const std::string& text) -> std::string {
    return is_http_url(text, true) ? "" : "must be a URL such as \"http://proxy.example:3128\"";
  };
}

Check no_proxy_entry() {
  return check([](const std::string& text) { return !text.empty() && only(text, ".-_:/*", true); },
               "a host, a domain or a network, such as \"registry.example\", \".example\" or \"10.0.0.0/8\"");
}

Check registry_name() {
  return check(
      [](const std::string& text) {
        return text == "*" || (!text.empty() && text.front() != '.' && text.front() != '-' && only(text, ".-:", false));
      },
      "a registry such as \"docker.io\" or \"registry.example:5000\", or \"*\" for all others");
}

Check single_line() {
  return check(
      [](const std::string& text) { return !trim(text).empty() && text.find_first_of("\r\n") == std::string::npos; },
      "one line that is not empty");
}

Check kernel_symbol() {
  return check(
      [](const std::string& text) { return text.rfind("CONFIG_", 0) == 0 && text.size() > 7 && only(text, "_", true); },
      "a kernel symbol such as \"CONFIG_OVERLAY_FS\"");
}

Check hex_digest() {
  return check(
      [](const std::string& text) {
        return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
                 return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
               });
      },
      "a SHA-256: 64 hexadecimal digits");
}

Check octal_mode() {
  return check(
      [](const std::string& text) {
        return text.size() == 4 && text.find_first_not_of("01234567") == std::string::npos;
      },
      "a mode of four octal digits, such as \"0600\"");
}

Check owner_names() {
  return check(
      [](const std::string& text) {
        const auto colon = text.find(':');
        if (colon == std::string::npos) return false;
        const std::string user = text.substr(0, colon), group = text.substr(colon + 1);
        const auto good = [](const std::string& name) {
          return !name.empty() && name.size() <= 32 && only(name, "-_.", true);
        };
        return good(user) && good(group);
      },
      "an owner: USER:GROUP, names of the image or numbers");
}

}  // namespace k8simg::toml
