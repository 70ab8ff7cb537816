// The checked programs of a component by name. A multi-call binary contains several programs.
#pragma once

#include <cstdint>
#include <string>

#include "config/config.hpp"
#include "graph/port.hpp"
#include "tree/tree.hpp"

namespace k8simg {

/// Inputs of a step with the checked programs of components, by the name of the component.
inline const TreeFamily program_in{"programs/"};

/// The name of a component's multi-call binary; "" if each program is a binary.
std::string multicall_binary(const ComponentConfig& component);

/// Adds `program` to `folder` of `tree`: its file in `programs`, or the multi-call binary `multicall` and a link to it.
/// Error{Internal} if there is neither.
void add_program(Tree& tree, const std::string& folder, const Tree& programs, const std::string& component,
                 const std::string& multicall, const std::string& program, std::int64_t epoch);

}  // namespace k8simg
