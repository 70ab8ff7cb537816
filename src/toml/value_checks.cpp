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
