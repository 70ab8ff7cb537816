// Reads the other files of a Config: components, judgements of maintainer scripts, kernel requirements.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/tables.hpp"

namespace k8simg::config {

/// Reads and parses a project-relative file. A file that is missing or cannot be parsed is added to `diagnostics`.
std::optional<toml::Value> read_document(const std::filesystem::path& project, const std::string& file,
                                         toml::Diagnostics& diagnostics);

/// A defconfig's choices for a component.
struct ComponentChoice {
  std::string link;  ///< "" for the default
  SourcePosition link_at;
  /// Names of patches with the position of each. nullopt: all patches of the component.
  std::optional<std::vector<std::pair<std::string, SourcePosition>>> patches;
};
/// Reads components/NAME with only the binaries of the chosen link mode and the chosen patches.
std::optional<ComponentConfig> read_component(const std::filesystem::path& project, const std::string& name,
                                              const ComponentChoice& choice, toml::Diagnostics& diagnostics,
                                              std::vector<Setting>& settings);
/// Reads defconfigs/scripts.toml. A missing file has no judgements.
std::vector<Judgement> read_judgements(const std::filesystem::path& project, toml::Diagnostics& diagnostics);
std::vector<KernelRequirement> read_requirements(const std::filesystem::path& project, const std::string& file,
                                                 toml::Diagnostics& diagnostics);

}  // namespace k8simg::config
