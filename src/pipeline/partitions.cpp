// Plans the disk from the configuration: names, types and identifiers.
#include "pipeline/partitions.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "disk/formats.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace {

// systemd-repart writes the protective MBR anew, without the flag.
constexpr const char* set_active_flag = R"script(#!/bin/sh
# Sets the active flag in the protective MBR of the disk with the root filesystem (disk.protective-mbr-active).
# systemd-repart clears it when it writes the partition table.
set -eu
device=$(findmnt --noheadings --output SOURCE /)
partition=/sys/class/block/${device##*/}
[ -e "$partition/partition" ] || exit 0  # the whole disk
disk=$(basename "$(dirname "$(readlink -f "$partition")")")
printf '\200' | dd "of=/dev/$disk" bs=1 seek=446 conv=notrunc,fsync status=none
)script";
constexpr const char* set_active_flag_path = "usr/libexec/set-active-flag";

/// The type of a partition. That of a root partition depends on the architecture. `architecture`: Debian's name.
std::string partition_type(const PartitionTable& table, const PartitionConfig& partition,
                           const std::string& architecture) {
  if (partition.type != "root") return partition.type;
  if (const auto type = table.root_type(architecture)) return *type;
  throw Error(ErrorKind::Usage,
              fmt::format("partition {}: no partition type is known for the root of {}", partition.name, architecture),
              "set disk.partition.NAME.type to its GUID in the Discoverable Partitions Specification");
}

}  // namespace

DiskPlan plan_disk(const Config& config) {
  DiskPlan plan{.disk = uuid5(config.name + "/disk"), .partitions = {}, .root = 0, .boot = 0, .root_partuuid = {}};
  const PartitionTable& table = partition_table(config.disk.table);
  int roots = 0, boots = 0;
  for (const PartitionConfig& partition : config.disk.partitions) {
    if (partition.create_on_device) {
      if (!table.made_on_device) {
        throw Error(ErrorKind::Usage,
                    fmt::format("partition {} cannot be created on the device: the disk's table is \"{}\", and "
                                "systemd-repart supports only GPT",
                                partition.name, config.disk.table),
                    "set create-on-device = false, or use disk.table = \"gpt\" if the board can start from it");
      }
      continue;
    }
    const std::string seed = config.name + "/" + partition.name;
    if (partition.mount == "/") plan.root = plan.partitions.size(), ++roots;
    if (filesystem(partition.filesystem).firmware_reads) plan.boot = plan.partitions.size(), ++boots;
    plan.partitions.push_back({partition, partition_type(table, partition, config.arch.debian),
                               uuid5(seed + "/partition"), uuid5(seed + "/filesystem")});
  }
  const auto need_one = [&](int count, const char* what) {
    if (count != 1) {
      throw Error(ErrorKind::Usage,
                  fmt::format("the disk of board {} has {} {}, but needs exactly one", config.board, count, what),
                  "see [[disk.partition]] in the board's board.toml");
    }
  };
  need_one(roots, "partitions mounted at /");
  need_one(boots, "vfat partitions to boot from");
  plan.root_partuuid = table.partuuid(plan.disk, plan.partitions[plan.root].partition, static_cast<int>(plan.root));
  return plan;
}

void check_overlay_is_visible(const Config& config, const DiskPlan& plan, const std::string& overlay,
                              const Tree& tree) {
  std::string hidden, on_partition;
  for (const PlannedPartition& partition : plan.partitions) {
    const std::string& mount = partition.config.mount;
    if (mount.empty() || mount == "/") continue;
    for (const auto& [path, node] : tree.nodes()) {
      const std::string absolute = "/" + path;
      if (node.type == NodeType::Directory || !(absolute + "/").starts_with(mount + "/")) continue;
      hidden +=
          fmt::format("\n  overlays/{}/{}: partition {} is mounted at {}", overlay, path, partition.config.name, mount);
      if (on_partition.empty() && absolute.size() > mount.size()) on_partition = absolute.substr(mount.size() + 1);
    }
  }
  if (hidden.empty()) return;
  throw Error(ErrorKind::Usage,
              fmt::format("overlay {} has files that a mounted partition would hide:{}", overlay, hidden),
              on_partition.empty()
                  ? "remove the file at the mount point"
                  : fmt::format("the boot partition is filled from [[boot.files]]: move the file out of the overlay "
                                "to boards/{}/boot/{}, and name it there (path = \"{}\", from = \"board\", source = "
                                "\"boot/{}\")",
                                config.board, on_partition, on_partition, on_partition));
}

std::vector<DiskMount> disk_mounts(const Config& config, const DiskPlan& plan) {
  const PartitionTable& table = partition_table(config.disk.table);
  std::vector<DiskMount> mounts;
  const auto add = [&](const std::string& source, const PartitionConfig& partition) {
    const Filesystem& handler = filesystem(partition.filesystem);
    mounts.push_back(
        {source, partition.mount, partition.filesystem, handler.mount_options, handler.fsck_pass, partition.grow});
  };
  for (std::size_t i = 0; i < plan.partitions.size(); ++i) {
    const PlannedPartition& partition = plan.partitions[i];
    if (partition.config.mount.empty()) continue;
    add("PARTUUID=" + table.partuuid(plan.disk, partition.partition, static_cast<int>(i)), partition.config);
  }
  for (const PartitionConfig& partition : config.disk.partitions) {
    if (partition.create_on_device && !partition.mount.empty()) add("PARTLABEL=" + partition.name, partition);
  }
  // Outer mounts come before inner ones.
  std::stable_sort(mounts.begin(), mounts.end(),
                   [](const DiskMount& a, const DiskMount& b) { return a.path < b.path; });
  return mounts;
}

Tree repart_definitions(Store& store, const Config& config, const DiskPlan& plan) {
  Tree tree;
  if (!partition_table(config.disk.table).made_on_device) return tree;
  const Origin origin = Origin::board(config.board);
  int number = 50;
  const auto define = [&](const PartitionConfig& partition, const std::string& text) {
    tree.add_file(store, fmt::format("etc/repart.d/{}-{}.conf", number++, partition.name), "[Partition]\n" + text, 0644,
                  origin);
  };
  for (const PlannedPartition& planned : plan.partitions) {
    if (!planned.config.grow) continue;
    // In repart.d(5), "root" is the root partition of the running architecture.
    const std::string type = planned.config.type == "root"    ? "root"
                             : planned.config.type == "linux" ? "linux-generic"
                                                              : planned.type;
    define(planned.config, fmt::format("Type={}\nGrowFileSystem=yes\n", type));
  }
  for (const PartitionConfig& partition : config.disk.partitions) {
    if (!partition.create_on_device) continue;
    std::string text = fmt::format("Type=linux-generic\nLabel={}\nFormat={}\n", partition.name, partition.filesystem);
    if (!partition.mount.empty())
      text +=
          fmt::format("CopyFiles={}:/\n", partition.mount);  // otherwise the mount would hide the image's files there
    if (partition.size) text += fmt::format("SizeMinBytes={}\n", partition.size);
    if (partition.size && !partition.grow) text += fmt::format("SizeMaxBytes={}\n", partition.size);
    if (partition.grow)
      text += "GrowFileSystem=yes\nWeight=4000\n";  // the root partition has 1000, so data gets most of the space
    define(partition, text);
  }
  if (config.disk.protective_mbr_active && !tree.empty()) {
    tree.add_file(store, set_active_flag_path, set_active_flag, 0755, origin);
    tree.add_file(store, "etc/systemd/system/systemd-repart.service.d/50-active-flag.conf",
                  fmt::format("[Service]\nExecStartPost=/{}\n", set_active_flag_path), 0644, origin);
  }
  tree.add_missing_parents(origin);
  return tree;
}

}  // namespace k8simg
