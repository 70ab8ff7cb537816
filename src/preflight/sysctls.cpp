// Reads sysctl.d folders and finds the effective line of a setting.
#include "preflight/sysctls.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "util/text.hpp"

namespace k8simg {

namespace {

/// sysctl.d(5): if the first separator is a dot, dots and slashes are exchanged. Otherwise the key is a path.
std::string as_path(std::string key) {
  const auto first = key.find_first_of("./");
  if (first == std::string::npos || key[first] == '/') return key;
  for (char& c : key) c = c == '.' ? '/' : c == '/' ? '.' : c;
  return key;
}

bool is_glob(const std::string& key) { return key.find_first_of("*?[") != std::string::npos; }

void read_file_lines(const std::string& text, const std::string& file, std::vector<SysctlLine>& lines) {
  int number = 0;
  for (const auto& raw : split(text, '\n')) {
    ++number;
    std::string_view line = trim(raw);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    const bool dash = line.front() == '-';
    if (dash) line = trim(line.substr(1));
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) {
      if (dash)
        lines.push_back(
            {.key = as_path(std::string(line)), .value = {}, .file = file, .line = number, .exclusion = true});
      continue;  // systemd-sysctl also ignores it, with a message
    }
    lines.push_back({.key = as_path(std::string(trim(line.substr(0, equals)))),
                     .value = std::string(trim(line.substr(equals + 1))),
                     .file = file,
                     .line = number});
  }
}

}  // namespace

std::vector<SysctlLine> read_sysctls(const Store& store, const Tree& root) {
  std::map<std::string, std::string> files;  // name → path
  for (const char* folder : {"etc/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d"}) {
    for (const auto& path : root.children(folder)) {
      if (path.ends_with(".conf")) files.try_emplace(path.substr(path.rfind('/') + 1), path);
    }
  }
  std::vector<SysctlLine> lines;
  for (const auto& [name, path] : files) {
    const auto resolved = root.resolve(path);
    const Node* node = resolved ? root.find(*resolved) : nullptr;
    if (node && node->type == NodeType::File) read_file_lines(store.read(node->content), "/" + path, lines);
  }
  return lines;
}

std::optional<SysctlLine> find_sysctl(const std::vector<SysctlLine>& lines, const std::string& key) {
  const std::string wanted = as_path(key);
  const auto exact = std::find_if(lines.rbegin(), lines.rend(),
                                  [&](const SysctlLine& line) { return !line.exclusion && line.key == wanted; });
  if (exact != lines.rend()) return *exact;
  if (std::any_of(lines.begin(), lines.end(),
                  [&](const SysctlLine& line) { return line.exclusion && line.key == wanted; }))
    return std::nullopt;
  const auto glob = std::find_if(lines.rbegin(), lines.rend(), [&](const SysctlLine& line) {
    return !line.exclusion && is_glob(line.key) && glob_match(line.key, wanted);
  });
  return glob == lines.rend() ? std::nullopt : std::optional(*glob);
}

}  // namespace k8simg
