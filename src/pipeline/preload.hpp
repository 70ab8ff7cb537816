// Imports the container images into containerd's folder when the disk image is built, instead of on the node.
#pragma once

#include <cstdint>
#include <vector>

#include "config/config.hpp"
#include "graph/graph.hpp"
#include "pipeline/extra_images.hpp"

namespace k8simg {

/// Adds images/store and rootfs/preloaded: the root filesystem with containerd's folder after `images` were imported
/// and unpacked (components/containerd/preload writes its databases with containerd's packages), and with
/// usr/share/k8simg/{images.list,images.sha256}. Equal files below /usr and in layers are one inode, so that they are
/// stored and cached in memory once. Error{Usage} if no component has the program that prepares the folder.
TreeHandle add_preload_steps(StepGraph& graph, const Config& config, const TreeHandle& tools, const TreeHandle& root,
                             const PreloadedImages& images, const NamedTrees& programs, std::int64_t epoch);

/// Checksums of the files that containerd only reads, in the format of `sha256sum --check` with paths relative to the
/// root. They detect a damaged SD card before a container runs.
std::string preload_checksums(const Tree& tree);

}  // namespace k8simg
