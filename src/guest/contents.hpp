// What an image holds, as the manifest tells it and as it is read back: the two sides of a comparison.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "util/digest.hpp"

namespace k8simg {

/// A path's state. What a filesystem cannot hold (FAT: mode, owner, time) is absent on both sides.
struct PathState {
  std::string type;  ///< "file", "directory", "symlink", "char", "block", "fifo"; read back also "socket" or "unknown"
  std::optional<std::uint32_t> mode;  ///< 07777
  std::optional<std::uint32_t> uid, gid;
  std::optional<std::int64_t> mtime;          ///< seconds
  std::uint64_t size = 0;                     ///< files
  std::optional<Digest> sha256;               ///< files
  std::string target;                         ///< symlinks
  std::string device;                         ///< "1:3"
  std::map<std::string, std::string> xattrs;  ///< name → hex
  std::string origin;                         ///< of the manifest alone
};

struct PartitionState {
  std::string name;                        ///< GPT name; of a dos table "", where the manifest's name is k8simg's own
  std::uint64_t start = 0, size = 0;       ///< bytes
  std::string type;                        ///< GUID in lower case, or "0xc"
  std::string partuuid;                    ///< lower case
  std::string filesystem, label, uuid;     ///< as blkid shows them
  std::map<std::string, PathState> paths;  ///< by absolute path; "/" itself only when read back
  std::vector<std::string> faults;         ///< read back: what fsck or the kernel complained about
  bool readable = true;                    ///< read back: false when `paths` could not be had; `faults` says why
};

struct ImageState {
  std::string table;                       ///< "gpt" or "dos"
  std::uint64_t size = 0;                  ///< bytes
  std::vector<PartitionState> partitions;  ///< by start
};

}  // namespace k8simg
