// manifest.json: every artifact, partition and path of a disk image, with the origin of each path.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "disk/formats.hpp"
#include "lock/lock.hpp"
#include "tree/tree.hpp"

namespace k8simg {

struct ManifestPartition {
  std::string name, filesystem, label;
  std::string uuid;            ///< the filesystem's, as blkid prints it
  const Tree* tree = nullptr;  ///< its contents
};

struct ManifestInput {
  std::string defconfig, board, version;  ///< version: of k8simg
  std::string kernel_release;
  std::int64_t source_date_epoch = 0;
  std::string table;  ///< "gpt" or "dos"
  std::uint64_t sector_size = 512;
  DiskLayout layout;
  std::vector<ManifestPartition> partitions;  ///< in the order of layout.partitions
  std::map<std::string, Value> artifacts;     ///< file name in output/NAME → value
  std::vector<LockedPackage> packages;
  std::vector<std::pair<std::string, std::string>> components;  ///< name, version
};

/// JSON, keys sorted, one path per line, deterministic. Shape (format 1):
/// { "format": 1, "name", "board", "k8simg", "kernel", "source_date_epoch",
///   "artifacts": {FILE: {"size", "sha256"}},
///   "disk": {"table", "size", "sector_size" (if it is not 512), "partitions":
///   [{"name","start","size","type","partuuid","filesystem","label","uuid",
///      "paths": {PATH:
///      {"type":"file|directory|symlink|char|block|fifo","mode":"0644","uid","gid","mtime","size","sha256",
///       "target","device":"1:3","xattrs":{NAME:HEX},"origin"}}}],
///      "areas": [{"name","start","size","sha256" or "hex"}]},
///   "packages": [{"name","version","architecture","source","sha256"}], "components": [{"name","version"}] }
/// The areas (disk_image.hpp) are contiguous and cover the disk. An area has the SHA-256 of its filesystem, or its
/// bytes in hexadecimal without trailing zeros ("": all zeros). Paths of a FAT partition have no mode, owner or xattrs.
std::string make_manifest(const ManifestInput& input);

std::string serialise_layout(const DiskLayout& layout);  ///< JSON, to pass a layout between steps
DiskLayout parse_layout(std::string_view text);          ///< Error{Internal} if malformed

}  // namespace k8simg
