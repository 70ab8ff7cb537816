// The container images that kubeadm needs, printed by kubeadm of the root filesystem.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "process/command.hpp"
#include "tree/tree.hpp"

namespace k8simg {

/// What `kubeadm config images list` prints for the node's version of Kubernetes: references, such as
/// "registry.k8s.io/pause:3.10.2". Empty if the root filesystem has no kubeadm. The program runs in the sandbox,
/// emulated where needed; `tools`: the checked-out tree of the tool set for programs of the target; `log`: for what
/// kubeadm prints to stderr. Error{Step} if it fails or names no image.
std::vector<std::string> kubeadm_images(CommandRunner& runner, const Store& store, const Tree& root,
                                        const Config& config, const std::filesystem::path& tools,
                                        const std::filesystem::path& log, std::stop_token stop = {});

}  // namespace k8simg
