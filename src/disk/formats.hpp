// The types of format handlers: filesystems, partition tables, output formats and boot methods. Each handler is a file
// and is registered in formats.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "disk/disk_image.hpp"
#include "model/disk.hpp"

namespace k8simg {

/// Parameters of a filesystem.
struct FilesystemSpec {
  std::string label;
  Uuid uuid;               ///< all identifiers are derived from it
  std::uint64_t size = 0;  ///< bytes; 0: computed so that `free` bytes stay free
  std::uint64_t free = 0;
  std::int64_t source_date_epoch = 0;
  std::map<std::string, std::string> boot_loaders;  ///< DiskConfig::boot_loaders, for the boot partition
  std::uint64_t sector_size = 512;                  ///< bytes of a logical sector of the disk
};

struct Filesystem {
  FilesystemRules rules;
  bool firmware_reads = false;  ///< it may be the boot partition
  bool has_owners = true;       ///< it stores owners, modes and extended attributes
  const char* mount_options;    ///< for /etc/fstab, separated by commas; "" for none
  int fsck_pass = 0;            ///< of fsck(8) at boot, after the root filesystem; 0: no check
  Value (*make)(const ImageTools&, const Tree&, const FilesystemSpec&);
  std::string (*identifier)(const Uuid& uuid);  ///< the filesystem's, as blkid prints it
  /// The unused ranges of an image, ascending; nullptr if all of it counts as used.
  std::vector<ByteRange> (*unused)(const ImageTools&, const Value& image) = nullptr;
};

/// Names and sizes of areas of a disk, in order.
using AreaSizes = std::vector<std::pair<std::string, std::uint64_t>>;

struct PartitionTable {
  PartitionTableRules rules;
  const char* types;                 ///< the known types, for errors: "esp, root, linux or a GUID"
  std::size_t most_partitions = 0;   ///< 0: no limit
  bool made_on_device = false;       ///< systemd-repart(8) can add and grow partitions
  std::uint64_t reserve_at_end = 0;  ///< bytes after the last partition
  /// The areas between boot code and first partition, and those at the end of the disk.
  AreaSizes (*front)(std::uint64_t sector_size), (*back)(std::uint64_t sector_size);
  std::string (*identifier)(const Uuid& disk);  ///< the disk's, as sfdisk(8) writes it
  /// The table's code for a partition type; nullopt for an unknown type.
  std::optional<std::string> (*type_code)(const std::string& type);
  /// The type "root" for a Debian architecture; nullopt if the table has none.
  std::optional<std::string> (*root_type)(const std::string& architecture);
  std::string (*partuuid)(const Uuid& disk, const std::optional<Uuid>& partition, int index);
  std::string (*script)(const PartitionSpec& partition);  ///< additional fields in a script of sfdisk(8)
};

/// Sources of identifiers in converted disk images.
struct DiskIdentity {
  Uuid disk;       ///< of the partition table
  Digest content;  ///< SHA-256 of the disk image
};

/// A format in which the disk image is published in addition to the plain file.
struct OutputFormat {
  OutputRules rules;
  std::string (*file)(const std::string& disk);  ///< the file name: "disk.img.xz"
  /// Converts `input` to `output`, absolute paths in the sandbox. The output does not depend on the number of
  /// processors.
  std::vector<std::string> (*command)(int level, const std::string& input, const std::string& output);
  /// Replaces identifiers that the command chose at random, in the file that it wrote. nullptr: it chooses none.
  void (*identify)(const std::filesystem::path& file, const DiskIdentity& identity) = nullptr;
};

/// The system that starts from a boot partition.
struct BootTarget {
  std::string kernel_arch;    ///< ARCH= of the kernel: "arm" or "arm64"
  std::string root_partuuid;  ///< for root= of the command line
  std::uint64_t memory = 0;   ///< of the smallest machine of the board, in bytes
};

/// A boot loader or a firmware.
struct BootMethod {
  const char* name;
  /// Error{Step} for files of the boot partition with which it would not start; nullptr if nothing is checked.
  void (*check)(const Tree& boot, const Store&, const BootTarget&) = nullptr;
  /// Installs it into a folder of the finished filesystem `image`; nullptr if its files suffice.
  void (*install)(const ImageTools&, const SandboxBind& image, const std::string& folder, std::int64_t epoch) = nullptr;
};

/// By name. Error{Usage} for an unknown name, with the known names.
const Filesystem& filesystem(const std::string& name);
const PartitionTable& partition_table(const std::string& name);
const OutputFormat& output_format(const std::string& name);
const BootMethod& boot_method(const std::string& name);

/// Calls BootMethod::check of every method. A check does nothing if the boot partition has no file of its method.
void check_boot_partition(const Tree& boot, const Store& store, const BootTarget& target);

/// The rules of all handlers, for the configuration.
DiskFormats disk_formats();

}  // namespace k8simg
