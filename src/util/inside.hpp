// Restricts paths of a project to a folder, whatever symlinks the project contains.
#pragma once

#include <filesystem>
#include <string>

namespace k8simg {

/// Whether `relative` names something below a folder: not absolute, no empty part, no "." and no "..".
bool is_inside(const std::filesystem::path& relative);

/// `root / relative`. Error{Usage} when `relative` is not inside, or when a symlink in the path, the last part
/// included, points outside of `root` or does not exist: names the symlink and its target, and has `hint`. The path
/// itself need not exist.
std::filesystem::path inside(
    const std::filesystem::path& root, const std::filesystem::path& relative,
    const std::string& hint = "replace the link with the file itself: a project must not use files outside of it");

}  // namespace k8simg
