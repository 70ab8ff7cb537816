// Paths that a project may name: inside a folder, and nowhere else, whatever symbolic links the project brings.
#pragma once

#include <filesystem>
#include <string>

namespace k8simg {

/// Whether `relative` names something below a folder: not absolute, no empty part, no "." and no "..".
bool is_inside(const std::filesystem::path& relative);

/// `root / relative`. Error{Usage} when `relative` is not inside, or when a symbolic link on the way, the last part
/// included, leads out of `root` or to nothing: names the link and its target, and says `hint`. What does not exist yet
/// is fine.
std::filesystem::path inside(
    const std::filesystem::path& root, const std::filesystem::path& relative,
    const std::string& hint = "put the file itself there: what lies outside of a project is none of it");

}  // namespace k8simg
