// Plans the disk from the config: names, types and identifiers.
#include "pipeline/partitions.hpp"

#include <fmt/format.h>

#include "image/image.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace {

/// Discoverable Partitions Specification: the root type differs by architecture.
std::string partition_type(const PartitionConfig& partition, const std::string& architecture) {
  if (partition.type != "root") return partition.type;
  if (architecture == "amd64") return "root-x86-64";
  if (architecture == "arm64") return "root-arm64";
  return "root-arm";
}

}  // namespace

DiskPlan plan_disk(const Config& config) {
  DiskPlan plan{.disk = uuid5(config.name + "/disk"), .partitions = {}, .root = 0, .boot = 0, .root_partuuid = {}};
  int roots = 0, boots = 0;
  for (const PartitionConfig& partition : config.disk.partitions) {
    if (partition.create_on_device) continue;
    const std::string seed = config.name + "/" + partition.name;
    if (partition.mount == "/") plan.root = plan.partitions.size(), ++roots;
    if (partition.filesystem == "vfat") plan.boot = plan.partitions.size(), ++boots;
    plan.partitions.push_back({partition, config.disk.table == "gpt" ? partition_type(partition, config.arch.debian) : partition.type,
                               uuid5(seed + "/partition"), uuid5(seed + "/filesystem")});
  }
  const auto need_one = [&](int count, const char* what) {
    if (count != 1) {
      throw Error(ErrorKind::Usage, fmt::format("the disk of board {} has {} {}, it needs exactly one", config.board, count, what),
                  "see [[disk.partition]] in the board's board.toml");
    }
  };
  need_one(roots, "partitions mounted at /");
  need_one(boots, "vfat partitions to boot from");
  plan.root_partuuid = partition_uuid(config.disk.table, plan.disk, plan.partitions[plan.root].partition, static_cast<int>(plan.root));
  return plan;
}

}  // namespace k8simg
