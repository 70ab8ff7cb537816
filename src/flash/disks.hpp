// The machine's disks as /sys and /proc describe them: what they are, what holds them, and why one must not be written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "flash/block_device.hpp"

namespace k8simg {

/// All functions read below `root` ("/" on a real machine), so that a test can lay out a machine as a folder:
/// sys/block (kernel: Documentation/ABI/stable/sysfs-block), proc/self/mountinfo and proc/swaps (proc(5)), dev for
/// names of mounted devices.

struct Partition {
  std::string name;                   ///< "sdb1"
  std::string number;                 ///< "8:17"
  std::uint64_t start = 0, size = 0;  ///< bytes
  bool operator==(const Partition&) const = default;
};

/// Something that would break if the disk were written.
struct DiskUse {
  std::string text;             ///< "sdb1 is mounted on /media/card"
  bool running_system = false;  ///< it holds "/"
};

struct Disk {
  std::string name;    ///< "sdb"
  std::string number;  ///< "8:16", as mountinfo and stat(2) have it
  std::string bus;     ///< "usb", "mmc", "nvme", "ata", "virtio", "virtual" or ""
  std::string model;   ///< may be empty, as may be the serial number
  std::string serial;
  std::uint64_t sequence = 0;  ///< "diskseq": another number for each disk and medium since the start of the machine;
                               ///< 0: not known (Linux before 5.15)
  std::uint64_t size = 0;      ///< bytes; 0: no medium
  std::uint64_t sector_size = 0;  ///< bytes of a logical sector; 0: not known
  bool removable = false;  ///< the medium or the disk is made to be taken out: removable flag, USB, or an SD card
  bool read_only = false;
  bool assembled = false;  ///< device-mapper or RAID: no disk, but made of some
  std::vector<Partition> partitions;
  std::vector<DiskUse> uses;
};

std::vector<Disk> list_disks(
    const std::filesystem::path& root);  ///< whole disks, by name; RAM disks and the like included

/// The disk with the number MAJOR:MINOR. Error{Flash} when it is a partition, a device-mapper or RAID volume, or
/// unknown.
Disk find_disk(const std::filesystem::path& root, const std::string& number);

/// Why `disk` must not be written with an image of `image_size` bytes, one sentence each; empty when it may.
/// `allow_fixed` lets pass only that it is not removable.
std::vector<std::string> objections(const Disk& disk, std::uint64_t image_size, bool allow_fixed);

/// `device` was opened for us alone and is the disk `shown`, which a person confirmed: compares what /sys says of its
/// number now (sequence, size, sector size, model, serial number, partitions) and the size of `device`. A number and a
/// name belong to the slot or port, not to the card in it, so that this must be asked again once the disk is open: the
/// kernel looks for another medium when it opens one. Error{Flash} that says what is there instead.
void confirm_disk(const std::filesystem::path& root, const Disk& shown, const BlockDevice& device);

/// The disk `shown` under the name `device`, opened for us alone and confirmed: the way to open a disk that a person
/// chose. Errors of open_device() and confirm_disk().
std::unique_ptr<BlockDevice> open_disk(const std::filesystem::path& root, const Disk& shown,
                                       const std::filesystem::path& device);

/// Whether to offer it: removable, with a medium, and no part of the running system.
bool is_candidate(const Disk& disk);

/// "SanDisk Ultra, 29.7 GiB, usb, serial 4C53"
std::string describe(const Disk& disk);
/// "2 partitions: sdb1 (256.0 MiB), sdb2 (3.5 GiB)", "no partitions"
std::string describe_content(const Disk& disk);

}  // namespace k8simg
