// Parses references (github.com/distribution/reference: grammar and normalisation).
#include "oci/reference.hpp"

#include <algorithm>

#include "util/digest.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_letter_or_digit(char c) { return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z'); }

/// A part of a name: letters and digits with single separators ".", "_", "__" or any number of "-" between them.
bool is_name_part(std::string_view part) {
  if (part.empty() || !is_lower_or_digit(part.front()) || !is_lower_or_digit(part.back())) return false;
  for (std::size_t i = 0; i < part.size();) {
    if (is_lower_or_digit(part[i])) {
      ++i;
      continue;
    }
    const std::size_t end = std::min(
        part.size(),
        static_cast<std::size_t>(
            std::find_if(part.begin() + static_cast<std::ptrdiff_t>(i), part.end(), is_lower_or_digit) - part.begin()));
    const std::string_view separator = part.substr(i, end - i);
    if (separator != "." && separator != "_" && separator != "__" &&
        separator.find_first_not_of('-') != std::string_view::npos)
      return false;
    i = end;
  }
  return true;
}

/// HOST, HOST:PORT or [ADDRESS]:PORT.
bool is_registry(std::string_view text) {
  if (const auto colon = text.rfind(':'); colon != std::string_view::npos && !text.ends_with(']')) {
    const std::string_view port = text.substr(colon + 1);
    if (port.empty() || port.find_first_not_of("0123456789") != std::string_view::npos) return false;
    text = text.substr(0, colon);
  }
  if (text.starts_with('[')) {
    return text.size() > 2 && text.ends_with(']') &&
           text.substr(1, text.size() - 2).find_first_not_of("0123456789abcdefABCDEF:") == std::string_view::npos;
  }
  for (const std::string& label : split(text, '.')) {
    if (label.empty() || label.front() == '-' || label.back() == '-' ||
        !std::all_of(label.begin(), label.end(), [](char c) { return is_letter_or_digit(c) || c == '-'; }))
      return false;
  }
  return true;
}

bool is_tag(std::string_view text) {
  return !text.empty() && text.size() <= 128 && (is_letter_or_digit(text.front()) || text.front() == '_') &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_letter_or_digit(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_digest(const std::string& text) {
  const auto digest = text.starts_with("sha256:") ? Digest::parse(text.substr(7)) : std::nullopt;
  return digest && text == "sha256:" + digest->hex();
}

}  // namespace

std::string ImageReference::text() const {
  return digest.empty() ? name + ":" + (tag.empty() ? "latest" : tag) : name + "@" + digest;
}

std::optional<ImageReference> parse_image_reference(const std::string& text) {
  ImageReference reference;
  std::string rest = text;
  if (const auto at = rest.find('@'); at != std::string::npos) {
    reference.digest = rest.substr(at + 1);
    if (!is_digest(reference.digest)) return std::nullopt;
    rest.resize(at);
  }
  // The tag follows the last colon after the last slash; an earlier colon separates a registry's port.
  const auto slash = rest.rfind('/'), colon = rest.rfind(':');
  if (colon != std::string::npos && (slash == std::string::npos || colon > slash)) {
    reference.tag = rest.substr(colon + 1);
    if (!is_tag(reference.tag)) return std::nullopt;
    rest.resize(colon);
  }
  std::string registry = "docker.io";
  const auto first = rest.find('/');
  if (first != std::string::npos) {
    const std::string begin = rest.substr(0, first);
    const bool has_capitals = std::any_of(begin.begin(), begin.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    if (begin == "localhost" || has_capitals || begin.find_first_of(".:") != std::string::npos) {
      registry = begin;
      rest = rest.substr(first + 1);
    }
  }
  if (!is_registry(registry) || rest.size() > 255) return std::nullopt;
  const auto parts = split(rest, '/');
  if (!std::all_of(parts.begin(), parts.end(), [](const std::string& part) { return is_name_part(part); }))
    return std::nullopt;
  if (registry == "docker.io" && parts.size() == 1) rest = "library/" + rest;
  reference.name = registry + "/" + rest;
  return reference;
}

}  // namespace k8simg
