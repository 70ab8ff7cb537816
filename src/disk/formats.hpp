// The handlers of disk formats: one type for filesystems, partition tables, published formats and boot methods. Each
// handler is a file of its own and is registered in formats.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "disk/disk_image.hpp"
#include "model/disk.hpp"

namespace k8simg {

/// What a filesystem is made with.
struct FilesystemSpec {
  std::string label;
  Uuid uuid;               ///< every identifier is derived from it
  std::uint64_t size = 0;  ///< bytes; 0: computed so that `free` bytes are left for the user
  std::uint64_t free = 0;
  std::int64_t source_date_epoch = 0;
  std::map<std::string, std::string> boot_loaders;  ///< DiskConfig::boot_loaders of the partition that boots
};

struct Filesystem {
  FilesystemRules rules;
  bool firmware_reads = false;  ///< it may be the partition that boots
  bool has_owners = true;       ///< and modes and extended attributes
  const char* mount_options;    ///< in /etc/fstab, between commas; "" for none
  int fsck_pass = 0;            ///< fsck(8) at boot, after the root filesystem; 0: there is nothing to check
  Value (*make)(const ImageTools&, const Tree&, const FilesystemSpec&);
  std::string (*identifier)(const Uuid& uuid);  ///< of the filesystem, as blkid prints it
  /// The blocks of an image whose content has no meaning, ascending; nullptr when all of it counts.
  std::vector<ByteRange> (*unused)(const ImageTools&, const Value& image) = nullptr;
};

struct PartitionTable {
  PartitionTableRules rules;
  const char* types;                 ///< that it knows, for errors: "esp, root, linux or a GUID"
  std::size_t most_partitions = 0;   ///< 0: more than anyone needs
  bool made_on_device = false;       ///< systemd-repart(8) can add partitions to it and grow them
  std::uint64_t reserve_at_end = 0;  ///< bytes behind the last partition
  /// Areas before the first partition, from the end of the boot code on, and at the end of the disk, with their sizes.
  std::vector<std::pair<std::string, std::uint64_t>> front, back;
  std::string (*identifier)(const Uuid& disk);  ///< of the disk, as sfdisk(8) writes it
  /// What the table holds for the type of a partition; nullopt for an unknown one.
  std::optional<std::string> (*type_code)(const std::string& type);
  /// What "root" is on a Debian architecture; nullopt when the table has no type for it.
  std::optional<std::string> (*root_type)(const std::string& architecture);
  std::string (*partuuid)(const Uuid& disk, const std::optional<Uuid>& partition, int index);
  std::string (*script)(const PartitionSpec& partition);  ///< its further words in a script of sfdisk(8)
};

/// A format in which the disk image is published beside the plain file.
struct OutputFormat {
  OutputRules rules;
  std::string (*file)(const std::string& disk);  ///< its name: "disk.img.xz"
  /// From `input` to `output`, absolute paths in the sandbox. It gives the same bytes with any number of processors.
  std::vector<std::string> (*command)(int level, const std::string& input, const std::string& output);
};

/// What starts from a boot partition.
struct BootTarget {
  std::string kernel_arch;    ///< ARCH= of the kernel: "arm" or "arm64"
  std::string root_partuuid;  ///< what the command line must name
  std::uint64_t memory = 0;   ///< bytes of the board with the least
};

/// What a boot loader or a firmware needs of the boot partition.
struct BootMethod {
  const char* name;
  /// Throws Error{Step} for files of the boot partition that it would stumble over; nullptr when it checks nothing.
  void (*check)(const Tree& boot, const Store&, const BootTarget&) = nullptr;
  /// Installs itself into a folder of the finished filesystem `image`; nullptr when its files are all that it needs.
  void (*install)(const ImageTools&, const SandboxBind& image, const std::string& folder, std::int64_t epoch) = nullptr;
};

/// By name; Error{Usage} that lists what there is.
const Filesystem& filesystem(const std::string& name);
const PartitionTable& partition_table(const std::string& name);
const OutputFormat& output_format(const std::string& name);
const BootMethod& boot_method(const std::string& name);

/// BootMethod::check of every method; each looks only at a boot partition that has its files.
void check_boot_partition(const Tree& boot, const Store& store, const BootTarget& target);

/// For the configuration.
DiskFormats disk_formats();

}  // namespace k8simg
