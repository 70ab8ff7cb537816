// A component's checked programs by the names that they are run by, one of which may be a multi-call binary's.
#pragma once

#include <cstdint>
#include <string>

#include "config/config.hpp"
#include "tree/tree.hpp"

namespace k8simg {

/// Puts `program` into `folder` of `tree`: its file out of `programs`, or the component's multi-call binary and a link
/// to it. Error{Internal} when there is neither.
void add_program(Tree& tree, const std::string& folder, const Tree& programs, const ComponentConfig& component,
                 const std::string& program, std::int64_t epoch);

}  // namespace k8simg
