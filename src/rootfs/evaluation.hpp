// The exchange with components/maintscript, which evaluates maintainer scripts: its request, and what its result does
// to the tree. Format: components/maintscript/exchange.go.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "rootfs/assembly.hpp"

namespace k8simg::rootfs {

/// The tree, the packages and what of their scripts is to be evaluated, as JSON.
std::string evaluation_request(const Assembly& assembly);

/// Puts the result in `folder` into the tree, with the accounts and units that the scripts asked for. What a layer
/// gives stays. Error{Resolve} lists all scripts that failed; the tree is not changed then.
void apply_evaluation(Assembly& assembly, const std::filesystem::path& folder);

}  // namespace k8simg::rootfs
