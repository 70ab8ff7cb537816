// The machine's disks as described by /sys and /proc: properties, uses, and reasons not to write one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "flash/block_device.hpp"

namespace k8simg {

/// All functions read below `root` ("/" on a real machine), so that tests can use a folder: sys/block (kernel:
/// Documentation/ABI/stable/sysfs-block), proc/self/mountinfo and proc/swaps (proc(5)), dev for names of mounted
/// devices.

struct Partition {
  std::string name;                   ///< "sdb1"
  std::string number;                 ///< "8:17"
  std::uint64_t start = 0, size = 0;  ///< bytes
  bool operator==(const Partition&) const = default;
};

/// A use that forbids writing the disk.
struct DiskUse {
  std::string text;             ///< "sdb1 is mounted on /media/card"
  bool running_system = false;  ///< it holds "/"
};

struct Disk {
  std::string name;    ///< "sdb"
  std::string number;  ///< "8:16", as in mountinfo and stat(2)
  std::string bus;     ///< "usb", "mmc", "nvme", "ata", "virtio", "virtual" or ""
  std::string model;   ///< may be empty, as may be the serial number
  std::string serial;
  std::uint64_t sequence = 0;     ///< "diskseq": unique per disk and medium since boot; 0: unknown (before Linux 5.15)
  std::uint64_t size = 0;         ///< bytes; 0: no medium
  std::uint64_t sector_size = 0;  ///< bytes of a logical sector; 0: unknown
  bool removable = false;         ///< the disk or its medium is removable: removable flag, USB, or an SD card
  bool read_only = false;
  bool assembled = false;  ///< a device-mapper or RAID volume
  std::vector<Partition> partitions;
  std::vector<DiskUse> uses;
};

std::vector<Disk> list_disks(const std::filesystem::path& root);  ///< whole disks, by name; RAM disks etc. too

/// The disk with the number MAJOR:MINOR. Error{Flash} when it is a partition, a device-mapper or RAID volume, or
/// unknown.
Disk find_disk(const std::filesystem::path& root, const std::string& number);

/// The image that is to be written. 0: not known.
struct ImageShape {
  std::uint64_t size = 0;         ///< bytes
  std::uint64_t sector_size = 0;  ///< bytes of the sectors in which its partition table counts
};

/// The reasons why `disk` must not be written with this image, one sentence each; empty when it may. `allow_fixed`
/// permits disks that are not removable.
std::vector<std::string> objections(const Disk& disk, const ImageShape& image, bool allow_fixed);

/// Checks that the opened `device` is still the disk `shown` that the user confirmed: compares /sys (sequence, size,
/// sector size, model, serial number, partitions) and the size of `device`. Number and name belong to the slot or port,
/// not to the card, and the kernel detects a new medium when it opens the device, so this is checked after opening.
/// Error{Flash} that describes the other disk.
void confirm_disk(const std::filesystem::path& root, const Disk& shown, const BlockDevice& device);

/// Opens the disk `shown`, whose device file is `device`, and confirms it. Errors of open_device() and confirm_disk().
std::unique_ptr<BlockDevice> open_disk(const std::filesystem::path& root, const Disk& shown,
                                       const std::filesystem::path& device);

/// Whether to list the disk: removable, with a medium, and not part of the running system.
bool is_candidate(const Disk& disk);

/// "SanDisk Ultra, 29.7 GiB, usb, serial 4C53"
std::string describe(const Disk& disk);
/// "2 partitions: sdb1 (256.0 MiB), sdb2 (3.5 GiB)", "no partitions"
std::string describe_content(const Disk& disk);

}  // namespace k8simg
