// Placeholders in component.toml for the versions that go.mod states.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "toml/schema.hpp"

namespace k8simg::config {

/// The version of each module that go.mod requires, after replacements. Reads the directives `require` and `replace`
/// of https://go.dev/ref/mod#go-mod-file.
std::map<std::string, std::string> module_versions(std::string_view go_mod);

/// Replaces these placeholders in `version`, build.ldflags, `expect` and tags:
///   ${module:PATH}, ${module_no_v:PATH}                      the version of a module: v3.7.0, 3.7.0
///   ${version}, ${version_no_v}, ${major}, ${minor}          the component's own; not in `version` itself
/// ${goarch} and ${patches} in build.ldflags are replaced when the programs are built. An unknown name is reported with
/// its position. Returns pairs of name and value for expand().
std::vector<std::pair<std::string, std::string>> expand_versions(ComponentConfig& component,
                                                                 const std::map<std::string, std::string>& modules,
                                                                 const std::string& file, const toml::Reader& reader,
                                                                 toml::Diagnostics& diagnostics);

}  // namespace k8simg::config
