// manifest.json as the expected contents of an image.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "appliance/contents.hpp"

namespace k8simg {

struct Manifest {
  std::string defconfig;
  std::uint64_t sector_size = 512;  ///< bytes of a logical sector of the disk
  ImageState image;                 ///< with partition types as GUID or number, and clamped times
  struct Artifact {
    std::uint64_t size = 0;
    Digest sha256;
  };
  std::map<std::string, Artifact> artifacts;  ///< by file name in output/NAME
  /// A range of the disk (disk/disk_image.hpp): a filesystem with its digest, anything else with its bytes without
  /// trailing zeros.
  struct Area {
    std::string name;
    std::uint64_t start = 0, size = 0;
    std::optional<Digest> sha256;
    std::string bytes;
  };
  std::vector<Area> areas;  ///< the whole disk in order; empty: the manifest is of an older k8simg
};

/// Error{Usage} naming `name` (the file) and the missing or malformed field, or a format other than 1.
Manifest parse_manifest(std::string_view text, const std::string& name);

/// A file name or symlink target as in manifest.json: invalid UTF-8 becomes U+FFFD.
std::string manifest_text(const std::string& bytes);

}  // namespace k8simg
