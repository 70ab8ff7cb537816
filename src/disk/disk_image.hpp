// Disks from finished filesystems, and block maps. What each format needs is in formats.hpp.
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

/// The start of a disk that holds boot code: the MBR's identifier follows.
inline constexpr std::uint64_t boot_code_size = 440;

struct PartitionSpec {
  std::string name;          ///< GPT name
  std::string type;          ///< "esp", "root-x86-64", "linux", "fat32-lba", GUID, or "0x0c": see PartitionTable
  std::optional<Uuid> uuid;  ///< GPT only; on MBR the PARTUUID is DISKID-NN
  Value content;             ///< blob with the filesystem
  bool bootable = false;
};
struct DiskSpec {
  std::string table;                      ///< the name of a PartitionTable
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
/// A run of bytes of an image.
struct ByteRange {
  std::uint64_t start = 0, size = 0;
};
/// Block map 2.0 (bmap-tools' XML), 4096-byte blocks, SHA-256 per range: all of the image but `unused` (shrunk to whole
/// blocks). Zeros that matter, such as FAT tables and inode tables, are therefore mapped, and the map does not depend
/// on where the store's filesystem keeps holes.
std::string make_bmap(const Store& store, const Value& blob, const std::string& file_name,
                      const std::vector<ByteRange>& unused);

}  // namespace k8simg
