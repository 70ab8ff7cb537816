// The files beside boards and defconfigs that a Config is made of: components, script judgements, kernel requirements.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/tables.hpp"

namespace k8simg::config {

/// Reads and parses a project-relative file; a missing or broken one goes to `diagnostics`.
std::optional<Value> read_document(const std::filesystem::path& project, const std::string& file,
                                   Diagnostics& diagnostics);

/// components/NAME, with the binaries of the chosen link mode only. `asked`: the defconfig's link, "" for the default,
/// and where it said so.
std::optional<ComponentConfig> read_component(const std::filesystem::path& project, const std::string& name,
                                              const std::string& asked, const SourcePosition& asked_at,
                                              Diagnostics& diagnostics, std::vector<Setting>& settings);
/// defconfigs/scripts.toml; none when the file is not there.
std::vector<ScriptJudgement> read_judgements(const std::filesystem::path& project, Diagnostics& diagnostics);
std::vector<KernelConfig::Requirement> read_requirements(const std::filesystem::path& project, const std::string& file,
                                                         Diagnostics& diagnostics);

}  // namespace k8simg::config
