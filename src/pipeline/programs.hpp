// A component's checked programs by the names that they are run by, one of which may be a multi-call binary's.
#pragma once

#include <cstdint>
#include <string>

#include "config/config.hpp"
#include "graph/port.hpp"
#include "tree/tree.hpp"

namespace k8simg {

/// Inputs of a step that are components' checked programs, by the component's name.
inline const TreeFamily program_in{"programs/"};

/// The name of a component's multi-call binary; "" when each of its programs is a binary.
std::string multicall_binary(const ComponentConfig& component);

/// Puts `program` into `folder` of `tree`: its file out of `programs`, or the multi-call binary `multicall` and a link
/// to it. Error{Internal} when there is neither.
void add_program(Tree& tree, const std::string& folder, const Tree& programs, const std::string& component,
                 const std::string& multicall, const std::string& program, std::int64_t epoch);

}  // namespace k8simg
