// Versions that component.toml takes from go.mod, so that each is stated once.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "toml/schema.hpp"

namespace k8simg::config {

/// The version of each module that a go.mod requires; where it replaces a module by a version, that one. Of the
/// format, https://go.dev/ref/mod#go-mod-file, it reads `require` and `replace`.
std::map<std::string, std::string> module_versions(std::string_view go_mod);

/// Replaces in `version`, build.ldflags, `expect` and tags:
///   ${module:PATH}, ${module_no_v:PATH}                      the version of a module: v3.7.0, 3.7.0
///   ${version}, ${version_no_v}, ${major}, ${minor}          the component's own; not in `version` itself
/// ${goarch} and ${patches} in build.ldflags stay as they are until the programs are built. A name that is not known
/// is a mistake at its place. Returns what each name stands for, for expand().
std::vector<std::pair<std::string, std::string>> expand_versions(ComponentConfig& component,
                                                                 const std::map<std::string, std::string>& modules,
                                                                 const std::string& file, const toml::Reader& reader,
                                                                 toml::Diagnostics& diagnostics);

}  // namespace k8simg::config
