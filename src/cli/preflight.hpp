// What `check` and `test` share: the preflight of a defconfig, with everything that it looks at built first.
#pragma once

#include <string>
#include <vector>

#include "cli/session.hpp"
#include "preflight/preflight.hpp"

namespace k8simg {

enum class PreflightMachine { Smallest, Qemu };  ///< of the board's [hardware], or the one that `test` starts

/// Builds root filesystem, boot partition and kernel, no disk image, and asks the image's own kubeadm, emulated where
/// needed, for the images that it wants. Error{Usage} for a defconfig without a kernel: nothing starts it.
std::vector<Finding> run_preflight(Session& session, const Config& config, PreflightMachine machine);

}  // namespace k8simg
