// The steps of the root filesystem's tree.
#pragma once

#include <cstdint>
#include <vector>

#include "config/config.hpp"
#include "graph/graph.hpp"
#include "graph/port.hpp"
#include "lock/lock.hpp"
#include "pipeline/scripts.hpp"
#include "rootfs/rootfs.hpp"

namespace k8simg {

/// Inputs of a step with the trees of packages, by the identity of their origin: "package/systemd=257.9-1:amd64".
inline const TreeFamily package_in{"package/"};
/// Reads these inputs.
std::vector<PackageTree> read_packages(StepContext& context);

RootfsOptions rootfs_options(const Config& config, const Lock& lock, std::vector<DiskMount> mounts, std::int64_t epoch);

/// Adds kernel/layer: the kernel build's files of the root filesystem (/usr/lib/modules/RELEASE).
TreeHandle add_kernel_layer(StepGraph& graph, const TreeHandle& kernel, std::int64_t epoch);

/// Adds rootfs/tree. `layers`: by the text of their origin, merged over the packages in this order.
TreeHandle add_rootfs_tree(StepGraph& graph, const RootfsOptions& options, const NamedTrees& packages,
                           const NamedTrees& layers, const ScriptTools& scripts);

/// rootfs/scripts: succeeds if all scripts can be evaluated over the packages alone. `k8simg lock` asks for it.
BlobHandle add_script_check(StepGraph& graph, const RootfsOptions& options, const NamedTrees& packages,
                            const ScriptTools& scripts);

}  // namespace k8simg
