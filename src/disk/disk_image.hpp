// Makes disk images from finished filesystems, and block maps. formats.hpp has the handlers of formats.
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

/// For functions that run programs in a built-in step. The programs run in the sandbox, from the checked-out tree
/// `tools`.
struct ImageTools {
  StepContext& context;
  std::filesystem::path root;
};

/// Bytes for boot code at the start of a disk. The MBR's identifier follows.
inline constexpr std::uint64_t boot_code_size = 440;

struct PartitionSpec {
  std::string name;          ///< GPT name
  std::string type;          ///< "esp", "root-x86-64", "linux", "fat32-lba", GUID, or "0x0c": see PartitionTable
  std::optional<Uuid> uuid;  ///< GPT only; with an MBR the PARTUUID is DISKID-NN
  Value content;             ///< the filesystem
  bool bootable = false;
};
struct DiskSpec {
  std::string table;                      ///< the name of a PartitionTable
  Uuid disk_uuid;                         ///< GPT; the first 4 bytes are the disk id of an MBR
  std::vector<PartitionSpec> partitions;  ///< aligned to 1 MiB, in order
  std::string boot_code;                  ///< at most boot_code_size bytes, may be empty
  std::uint64_t sector_size = 512;        ///< bytes of a logical sector, in which the table counts
  bool protective_mbr_active = false;     ///< GPT: sets the active flag in the MBR's protective entry
};
/// A range of bytes of the disk. Names: "boot code", "MBR" (from its identifier on), "rest of the first sector", "GPT
/// header", "GPT entries", "unallocated", "partition NAME" (its filesystem), "rest of partition NAME", "backup GPT
/// entries", "backup GPT header".
struct DiskArea {
  std::string name;
  std::uint64_t start = 0, size = 0;  ///< bytes
  std::optional<Digest> digest;       ///< of a filesystem
  std::string bytes;                  ///< of all others, without trailing zeros
};
struct DiskLayout {
  struct Partition {
    std::string name;
    std::uint64_t start = 0, size = 0;
    std::string type, partuuid;
  };  ///< bytes
  std::uint64_t size = 0;  ///< of the disk, in bytes
  std::vector<Partition> partitions;
  std::vector<DiskArea> areas;  ///< contiguous; they cover the disk
};
struct BuiltDisk {
  Value image;
  DiskLayout layout;
};
/// Name and version of the library that writes partition tables: "libfdisk 2.41.0".
std::string partition_table_library();
/// Makes a disk image. Contents are copied with their holes. Error{Usage} for a spec that the table cannot express.
BuiltDisk make_disk(StepContext& context, const DiskSpec& spec);
/// A range of bytes of a disk image.
struct ByteRange {
  std::uint64_t start = 0, size = 0;
};
/// Block map 2.0 (bmap-tools' XML) with blocks of 4096 bytes and a SHA-256 per range. It maps the whole image except
/// `unused` (rounded inwards to blocks). Zeros with a meaning, such as FAT tables and inode tables, are mapped, and the
/// map does not depend on holes of the file.
std::string make_bmap(const Store& store, const Value& blob, const std::string& file_name,
                      const std::vector<ByteRange>& unused);

}  // namespace k8simg
