// Filesystems, partition tables, disks, compression and block maps: each image format in a file of its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "graph/step.hpp"
#include "tree/tree.hpp"
#include "util/uuid5.hpp"

namespace k8simg {

/// Every function below runs inside a built-in step: tools run in the sandbox with the checked-out tools tree `tools`.
struct ImageTools {
  StepContext& context;
  std::filesystem::path root;
};

struct Ext4Options {
  std::string label;
  Uuid uuid, hash_seed;
  std::uint64_t size = 0;  ///< bytes; 0: computed so that `free` bytes are left for the user
  std::uint64_t free = 0;
  std::int64_t source_date_epoch = 0;
};
/// mke2fs -d tar. Error{Usage} when `size` is given and too small: says how much the tree needs. Checks file
/// capabilities on the result (debugfs).
Value make_ext4(const ImageTools& tools, const Tree& tree, const Ext4Options& options);

struct FatOptions {
  std::string label;  ///< at most 11 characters
  std::uint32_t volume_id = 0;
  std::uint64_t size = 0, free = 0;
  std::int64_t source_date_epoch = 0;
  std::string syslinux;  ///< run the syslinux installer with this folder, or empty
};
/// mkfs.fat --invariant + mtools. Error{Usage}: owners, symlinks or names that FAT cannot hold, size too small.
Value make_fat(const ImageTools& tools, const Tree& tree, const FatOptions& options);

struct PartitionSpec {
  std::string name;  ///< GPT name
  std::string type;  ///< "esp", "root-x86-64", "root-arm64", "root-arm", "root-ppc64-le", "root-riscv64", "root-s390x",
                     ///< "linux", "fat32-lba", GUID, or "0x0c"
  std::optional<Uuid> uuid;  ///< GPT only; on MBR the PARTUUID is DISKID-NN
  Value content;             ///< blob with the filesystem
  bool bootable = false;
};
struct DiskSpec {
  std::string table;                      ///< "gpt" or "dos"
  Uuid disk_uuid;                         ///< GPT; its first 4 bytes are the MBR disk id
  std::vector<PartitionSpec> partitions;  ///< aligned to 1 MiB, in order
  std::string boot_code;                  ///< at most 440 bytes for the start of the disk, or empty
};
/// A run of bytes of the disk: "boot code", "MBR" (from its identifier on), "GPT header", "GPT entries", "unallocated",
/// "partition NAME" (its filesystem), "rest of partition NAME", "backup GPT entries", "backup GPT header".
struct DiskArea {
  std::string name;
  std::uint64_t start = 0, size = 0;  ///< bytes
  std::optional<Digest> digest;       ///< of a filesystem
  std::string bytes;                  ///< of all else, without the zeros at its end
};
struct DiskLayout {
  struct Partition {
    std::string name;
    std::uint64_t start = 0, size = 0;
    std::string type, partuuid;
  };  ///< bytes
  std::uint64_t size = 0;  ///< bytes of the whole disk
  std::vector<Partition> partitions;
  std::vector<DiskArea> areas;  ///< each begins where the one before ends: the whole disk
};
struct Disk {
  Value image;
  DiskLayout layout;
};
/// Name and version of the library that writes partition tables ("libfdisk 2.41.0").
std::string partition_table_library();
/// Through libfdisk on a plain file; content is copied with its holes.
Disk make_disk(StepContext& context, const DiskSpec& spec);
/// PARTUUID that the kernel will see for partition `index` (0-based): needed for the command line before the disk
/// exists.
std::string partition_uuid(const std::string& table, const Uuid& disk_uuid, const std::optional<Uuid>& uuid, int index);

/// The command that compresses `input` to `output` (absolute paths in the sandbox) by "zstd", "xz" or "gzip";
/// deterministic with any number of threads. Error{Usage} for another method.
std::vector<std::string> compress_command(const std::string& method, int level, const std::string& input,
                                          const std::string& output);
/// A run of bytes of an image.
struct ByteRange {
  std::uint64_t start = 0, size = 0;
};
/// The blocks that an ext4 image's own bitmaps call free (asked of dumpe2fs), ascending. What lies there is of no
/// meaning.
std::vector<ByteRange> ext4_free_ranges(const ImageTools& tools, const Value& image);
/// Block map 2.0 (bmap-tools' XML), 4096-byte blocks, SHA-256 per range: all of the image but `unused` (shrunk to whole
/// blocks). Zeros that matter, such as FAT tables and inode tables, are therefore mapped, and the map does not depend
/// on where the store's filesystem keeps holes.
std::string make_bmap(const Store& store, const Value& blob, const std::string& file_name,
                      const std::vector<ByteRange>& unused);

}  // namespace k8simg
