// What containerd would have after importing the container images, made with the image instead of on the node.
#pragma once

#include <cstdint>
#include <vector>

#include "config/config.hpp"
#include "graph/graph.hpp"
#include "pipeline/images.hpp"

namespace k8simg {

/// images/store, rootfs/preloaded: the root filesystem with containerd's folder as it is after `images` were imported
/// and unpacked (containerd's own packages write its databases: components/containerd/preload), and with
/// usr/share/k8simg/{images.list,images.sha256}. A file that the root filesystem has below /usr too, or that two layers
/// have, is one inode: stored once, and in memory once. Throws Error{Usage} when no component has the program that
/// prepares the folder.
TreeHandle add_preload_steps(StepGraph& graph, const Config& config, const TreeHandle& tools, const TreeHandle& root,
                             const ImageSteps& images, const NamedTrees& programs, std::int64_t epoch);

/// The files that containerd only reads, as `sha256sum --check` takes them at the root: a worn card is told from a good
/// one before anything runs from it.
std::string preload_checksums(const Tree& tree);

}  // namespace k8simg
