// The bytes of an image outside of its files: boot code, partition tables, and space outside of partitions.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "appliance/expected.hpp"

namespace k8simg {

struct AreaDifference {
  std::string place;        ///< name of a partition, or "disk"
  std::string text;         ///< "GPT entries: attributes 0x4, manifest says 0x0"
  bool filesystem = false;  ///< in the filesystem's metadata: redundant if one of its paths differs
};

/// Compares the bytes of `image` with the manifest's areas, and names the differing field of a partition table, or the
/// first differing byte of another area. Compares both copies of a GPT, even if their checksums are wrong. Reads the
/// whole image. Error{Internal} when it cannot be read, Error{Interrupted}.
std::vector<AreaDifference> compare_areas(const std::filesystem::path& image, const Manifest& manifest,
                                          const std::stop_token& stop);

}  // namespace k8simg
