// The files beside boards and defconfigs that a Config is made of: components, script judgements, kernel requirements.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/tables.hpp"

namespace k8simg::config {

/// Reads and parses a project-relative file; a missing or broken one goes to `diagnostics`.
std::optional<toml::Value> read_document(const std::filesystem::path& project, const std::string& file,
                                         toml::Diagnostics& diagnostics);

/// What a defconfig says of a component.
struct ComponentChoice {
  std::string link;  ///< "" for the default
  SourcePosition link_at;
  /// Names of patches, and where each was named. nullopt: all that the component has.
  std::optional<std::vector<std::pair<std::string, SourcePosition>>> patches;
};
/// components/NAME, with the binaries of the chosen link mode and the chosen patches only.
std::optional<ComponentConfig> read_component(const std::filesystem::path& project, const std::string& name,
                                              const ComponentChoice& choice, toml::Diagnostics& diagnostics,
                                              std::vector<Setting>& settings);
/// defconfigs/scripts.toml; none when the file is not there.
std::vector<Judgement> read_judgements(const std::filesystem::path& project, toml::Diagnostics& diagnostics);
std::vector<KernelRequirement> read_requirements(const std::filesystem::path& project, const std::string& file,
                                                 toml::Diagnostics& diagnostics);

}  // namespace k8simg::config
