// Checks and normalises paths of trees.
#include "tree/path.hpp"

namespace k8simg {

bool is_tree_path(std::string_view path) {
  if (path.find('\0') != path.npos) return false;
  while (true) {
    const auto slash = path.find('/');
    const auto part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == path.npos) return true;
    path.remove_prefix(slash + 1);
  }
}

std::string_view parent_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == path.npos ? std::string_view{} : path.substr(0, slash);
}

std::optional<std::string> clean_path(std::string_view name) {
  if (name.starts_with('/') || name.find('\0') != name.npos) return std::nullopt;
  std::string path;
  path.reserve(name.size());
  while (!name.empty()) {
    const auto slash = name.find('/');
    const auto part = name.substr(0, slash);
    name.remove_prefix(slash == name.npos ? name.size() : slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") return std::nullopt;
    if (!path.empty()) path += '/';
    path += part;
  }
  return path;
}

std::optional<std::string> strip_parts(std::string_view path, int count) {
  for (; count > 0; --count) {
    const auto slash = path.find('/');
    if (slash == path.npos) return std::nullopt;
    path.remove_prefix(slash + 1);
  }
  if (path.empty()) return std::nullopt;
  return std::string(path);
}

}  // namespace k8simg
