// The steps that make the files of system.keymap and system.locale.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "config/config.hpp"
#include "graph/graph.hpp"
#include "graph/port.hpp"

namespace k8simg {

/// Adds rootfs/keymap and rootfs/locale where the configuration asks for them. Returns layers of the root filesystem by
/// the text of their origin. `tools` gives the tools tree of a set. The steps fail with Error{Usage} for a keymap or a
/// locale that does not exist.
NamedTrees add_localisation_steps(StepGraph& graph, const Config& config,
                                  const std::function<TreeHandle(const std::string& set)>& tools, std::int64_t epoch);

}  // namespace k8simg
