// Common part of `check` and `test`: the preflight of a defconfig.
#pragma once

#include <string>
#include <vector>

#include "cli/session.hpp"
#include "preflight/preflight.hpp"

namespace k8simg {

enum class PreflightMachine { Smallest, Qemu };  ///< that of the board's [hardware], or that of `test`

/// Builds root filesystem, boot partition and kernel, but no disk image, and runs kubeadm of the root filesystem,
/// emulated where needed, for its list of container images. Error{Usage} for a defconfig without a kernel.
std::vector<Finding> run_preflight(Session& session, const Config& config, PreflightMachine machine);

}  // namespace k8simg
