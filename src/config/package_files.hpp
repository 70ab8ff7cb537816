// Finds the packages that are files of the project: packages.files.
#pragma once

#include <filesystem>
#include <vector>

#include "toml/schema.hpp"

namespace k8simg::config {

/// The files of the project that the globs match, project-relative, sorted, each once. As in a shell, a wildcard does
/// not match a dot at the beginning of a name. A glob that matches no file is added to `diagnostics`.
std::vector<std::filesystem::path> find_package_files(const std::filesystem::path& project,
                                                      const std::vector<toml::Reader::Item>& globs,
                                                      toml::Diagnostics& diagnostics);

}  // namespace k8simg::config
