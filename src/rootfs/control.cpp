// Control paragraphs, relations and version order.
#include "rootfs/control.hpp"

#include <strings.h>
#include <cctype>

#include "util/text.hpp"

namespace k8simg::rootfs {

namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// deb-version(7): "~" before the end, the end before letters, letters before everything else.
int order(std::string_view text, std::size_t at) {
  if (at >= text.size() || digit(text[at])) return 0;
  if (text[at] == '~') return -1;
  return letter(text[at]) ? text[at] : text[at] + 256;
}

int compare_parts(std::string_view a, std::string_view b) {
  std::size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    while ((i < a.size() && !digit(a[i])) || (j < b.size() && !digit(b[j]))) {
      const int first = order(a, i), second = order(b, j);
      if (first != second) return first < second ? -1 : 1;
      ++i, ++j;
    }
    while (i < a.size() && a[i] == '0') ++i;
    while (j < b.size() && b[j] == '0') ++j;
    int difference = 0;
    while (i < a.size() && digit(a[i]) && j < b.size() && digit(b[j])) {
      if (difference == 0 && a[i] != b[j]) difference = a[i] < b[j] ? -1 : 1;
      ++i, ++j;
    }
    if (i < a.size() && digit(a[i])) return 1;
    if (j < b.size() && digit(b[j])) return -1;
    if (difference != 0) return difference;
  }
  return 0;
}

struct Version {
  std::string_view epoch, upstream, revision;
};

Version take_apart(std::string_view text) {
  Version version{"0", text, "0"};
  if (const auto colon = text.find(':'); colon != text.npos)
    version.epoch = text.substr(0, colon), version.upstream = text.substr(colon + 1);
  if (const auto dash = version.upstream.rfind('-'); dash != text.npos) {
    version.revision = version.upstream.substr(dash + 1);
    version.upstream = version.upstream.substr(0, dash);
  }
  return version;
}

bool equal_without_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

std::string Paragraph::get(std::string_view name) const {
  for (const auto& [field, value] : fields) {
    if (equal_without_case(field, name)) return value;
  }
  return {};
}

Paragraph parse_paragraph(std::string_view text) {
  Paragraph paragraph;
  while (!text.empty()) {
    const auto newline = text.find('\n');
    const auto line = text.substr(0, newline);
    text = newline == text.npos ? std::string_view() : text.substr(newline + 1);
    if (trim(line).empty()) {
      if (paragraph.fields.empty()) continue;
      break;
    }
    if (line.front() == ' ' || line.front() == '\t') {
      if (!paragraph.fields.empty()) paragraph.fields.back().second.append("\n").append(line);
      continue;
    }
    const auto colon = line.find(':');
    if (colon == line.npos) continue;
    paragraph.fields.emplace_back(line.substr(0, colon), trim(line.substr(colon + 1)));
  }
  return paragraph;
}

int compare_versions(std::string_view first, std::string_view second) {
  const auto a = take_apart(first), b = take_apart(second);
  if (const int epochs = compare_parts(a.epoch, b.epoch); epochs != 0) return epochs;
  if (const int upstream = compare_parts(a.upstream, b.upstream); upstream != 0) return upstream;
  return compare_parts(a.revision, b.revision);
}

bool names_package(std::string_view relations, std::string_view package, std::string_view version) {
  for (const auto& group : split(relations, ',')) {
    for (const auto& alternative : split(group, '|')) {
      auto name = trim(alternative);
      std::string_view relation;
      if (const auto open = name.find('('); open != name.npos) {
        relation = trim(name.substr(open + 1, name.find(')', open) - open - 1));
        name = trim(name.substr(0, open));
      }
      name = name.substr(0, name.find(':'));
      if (name != package) continue;
      if (relation.empty()) return true;
      const auto sign = relation.substr(0, relation.find_first_not_of("<>="));
      const int compared = compare_versions(version, trim(relation.substr(sign.size())));
      if (sign == "<<"                  ? compared < 0
          : sign == "<=" || sign == "<" ? compared <= 0
          : sign == "="                 ? compared == 0
          : sign == ">=" || sign == ">" ? compared >= 0
                                        : compared > 0) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace k8simg::rootfs
