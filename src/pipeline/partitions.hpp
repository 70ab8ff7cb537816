// The disk as planned from the config alone: identifiers, which partition is root and which boots; and the steps that
// write it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "graph/graph.hpp"
#include "pipeline/packages.hpp"
#include "rootfs/rootfs.hpp"
#include "tree/tree.hpp"
#include "util/uuid5.hpp"

namespace k8simg {

/// Every identifier is derived from the defconfig's and the partition's name, so the kernel's command line is known
/// before the disk exists.
struct PlannedPartition {
  PartitionConfig config;
  std::string type;  ///< with "root" made specific to the architecture
  Uuid partition, filesystem;
};
struct DiskPlan {
  Uuid disk;
  std::vector<PlannedPartition> partitions;  ///< those that are in the image
  std::size_t root = 0, boot = 0;            ///< indexes
  std::string root_partuuid;
};
/// Error{Usage} when there is no root (mounted at /) or no boot partition (vfat) or several of either.
DiskPlan plan_disk(const Config& config);

/// Error{Usage} naming every file of an overlay's tree that lies where another partition of the image is mounted:
/// nobody would see it.
void check_overlay_is_visible(const Config& config, const DiskPlan& plan, const std::string& overlay, const Tree& tree);

/// Lines for /etc/fstab: what is in the image by PARTUUID, what systemd-repart makes on the device by its partition
/// label.
std::vector<DiskMount> disk_mounts(const Config& config, const DiskPlan& plan);
/// /etc/repart.d (repart.d(5)) as a tree: a definition for each partition that grows or is made on the device; the root
/// partition first, so that it keeps its place.
Tree repart_definitions(Store& store, const Config& config, const DiskPlan& plan);

struct DiskInputs {
  TreeHandle root, boot, kernel;
  std::map<std::string, BlobHandle> published;  ///< further files beside the disk, by name
};
struct DiskOutputs {
  std::map<std::string, BlobHandle> artifacts;
};
/// disk/root, disk/boot, disk/image, disk/compressed, disk/bmap, disk/manifest, disk/sums.
DiskOutputs add_disk_steps(StepGraph& graph, const PipelineInputs& in, PackageSteps& packages, const DiskPlan& plan,
                           const DiskInputs& inputs, std::int64_t epoch);

}  // namespace k8simg
