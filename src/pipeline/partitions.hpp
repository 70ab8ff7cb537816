// The plan of the disk, computed from the configuration: identifiers, root and boot partition; and the steps that make
// it.
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

/// Identifiers are derived from the names of defconfig and partition, so that the kernel's command line is known before
/// the disk exists.
struct PlannedPartition {
  PartitionConfig config;
  std::string type;  ///< with "root" made specific to the architecture
  Uuid partition, filesystem;
};
struct DiskPlan {
  Uuid disk;
  std::vector<PlannedPartition> partitions;  ///< only those in the image
  std::size_t root = 0, boot = 0;            ///< indexes
  std::string root_partuuid;
};
/// Error{Usage} unless there are exactly one root partition (mounted at /) and one boot partition (vfat).
DiskPlan plan_disk(const Config& config);

/// Error{Usage} lists every file of an overlay's tree below the mount point of another partition, which would hide it.
void check_overlay_is_visible(const Config& config, const DiskPlan& plan, const std::string& overlay, const Tree& tree);

/// Lines for /etc/fstab: partitions of the image by PARTUUID, those that systemd-repart creates by partition label.
std::vector<DiskMount> disk_mounts(const Config& config, const DiskPlan& plan);
/// /etc/repart.d (repart.d(5)) as a tree: a definition for each partition that grows or is created on the device. The
/// root partition is first, so that it keeps its position. If there is one, and the disk has the active flag in its
/// protective MBR, also a program that sets the flag again.
Tree repart_definitions(Store& store, const Config& config, const DiskPlan& plan);

struct DiskInputs {
  TreeHandle root, boot, kernel;
  std::map<std::string, BlobHandle> published;  ///< other published files, by name
};
struct DiskOutputs {
  std::map<std::string, BlobHandle> artifacts;
};
/// Adds disk/root, disk/boot, disk/image, disk/compressed, disk/bmap, disk/manifest and disk/sums.
DiskOutputs add_disk_steps(StepGraph& graph, const PipelineInputs& in, PackageSteps& packages, const DiskPlan& plan,
                           const DiskInputs& inputs, std::int64_t epoch);

}  // namespace k8simg
