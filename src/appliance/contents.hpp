// The contents of an image: expected (from the manifest), or read back.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "util/digest.hpp"

namespace k8simg {

/// A path's state. Attributes that a filesystem does not have (FAT: mode, owner, time) are absent.
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
  std::string origin;                         ///< only from the manifest
};

struct PartitionState {
  std::string name;                        ///< GPT name; "" for a dos table, where only the manifest has a name
  std::uint64_t start = 0, size = 0;       ///< bytes
  std::string type;                        ///< GUID in lower case, or "0xc"
  std::string partuuid;                    ///< lower case
  std::string filesystem, label, uuid;     ///< as blkid shows them
  std::map<std::string, PathState> paths;  ///< by absolute path; "/" itself only when read back
  std::vector<std::string> faults;         ///< read back: errors of fsck or the kernel
  bool readable = true;                    ///< read back: false if `paths` could not be read; see `faults`
};

struct ImageState {
  std::string table;                       ///< "gpt" or "dos"
  std::uint64_t size = 0;                  ///< bytes
  std::vector<PartitionState> partitions;  ///< by start
};

}  // namespace k8simg
