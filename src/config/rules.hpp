// What must fit together once everything is read: values of one key against those of another, and names against
// folders.
#pragma once

#include "config/tables.hpp"

namespace k8simg::config {

/// Adds every mistake to `reader`'s diagnostics. `boards`: the board and what it extends, nearest first.
void check_rules(const Config& config, const std::vector<std::string>& boards, const ProjectNames& names,
                 const DiskFormats& formats, BoardKind kind, toml::Reader& reader);

}  // namespace k8simg::config
