// The root filesystem's tree as a step: package trees, layers and the options of the defconfig.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "graph/graph.hpp"
#include "rootfs/rootfs.hpp"

namespace k8simg {

/// "systemd=257.9-1:amd64", as inputs and provenance name a package, taken apart; without its tree.
PackageTree named_package(std::string_view identity);
/// The package inputs of a step ("package/NAME=VERSION:ARCH") as the trees that rootfs/ works on.
std::vector<PackageTree> read_packages(StepContext& context);

RootfsOptions rootfs_options(const Config& config, std::vector<DiskMount> mounts, std::int64_t epoch);

/// kernel/layer: what the kernel build gives to the root filesystem (/usr/lib/modules/RELEASE).
OutputRef add_kernel_layer(StepGraph& graph, const OutputRef& kernel, std::int64_t epoch);

/// rootfs/tree. `layers`: inputs named "component:NAME", "kernel", "overlay:NAME", "board:NAME", laid over the packages
/// in this order.
OutputRef add_rootfs_tree(StepGraph& graph, const RootfsOptions& options, std::vector<Input> packages,
                          const std::vector<Input>& layers);

}  // namespace k8simg
