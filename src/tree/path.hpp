// Paths of trees: relative, without leading or trailing slash, without empty, "." or ".." parts.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace k8simg {

/// True for a path that Tree accepts.
bool is_tree_path(std::string_view path);

/// "" for a path without a slash.
std::string_view parent_of(std::string_view path);

/// An archive member's name as a tree path: "./a//b/" becomes "a/b", the root becomes "". nullopt when it is absolute
/// or has a ".." part.
std::optional<std::string> clean_path(std::string_view name);

/// Removes the first `count` parts; nullopt when nothing is left.
std::optional<std::string> strip_parts(std::string_view path, int count);

}  // namespace k8simg
