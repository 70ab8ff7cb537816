// manifest.json as what an image is expected to hold.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "guest/contents.hpp"

namespace k8simg {

struct Manifest {
  std::string defconfig;
  ImageState image;  ///< partition types as GUID or number, whatever name the manifest gives them; times as the writer
                     ///< clamps them
  struct Artifact {
    std::uint64_t size = 0;
    Digest sha256;
  };
  std::map<std::string, Artifact> artifacts;  ///< by file name in output/NAME
  /// A run of bytes of the disk (image/image.hpp): a filesystem by its digest, all else by its bytes, without the zeros
  /// at the end.
  struct Area {
    std::string name;
    std::uint64_t start = 0, size = 0;
    std::optional<Digest> sha256;
    std::string bytes;
  };
  std::vector<Area>
      areas;  ///< the whole disk in its order; empty: the manifest is of an older k8simg and says nothing of them
};

/// Error{Usage} naming `name` (the file) and what is missing or malformed in it, or another format than 1.
Manifest parse_manifest(std::string_view text, const std::string& name);

/// A file name or link target as manifest.json shows it: bytes outside UTF-8 as U+FFFD.
std::string manifest_text(const std::string& bytes);

}  // namespace k8simg
