// Checks of a complete configuration: conflicts between keys, and names that do not exist in the project.
#pragma once

#include "config/tables.hpp"

namespace k8simg::config {

/// Adds every mistake to `reader`'s diagnostics. `boards`: the board and the boards that it extends, nearest first.
void check_rules(const Config& config, const std::vector<std::string>& boards, const ProjectNames& names,
                 const DiskFormats& formats, BoardKind kind, toml::Reader& reader);

}  // namespace k8simg::config
