// What of an image lies outside of its files: boot code, partition tables, and what belongs to no partition.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "guest/expected.hpp"

namespace k8simg {

struct AreaDifference {
  std::string place;        ///< name of a partition, or "disk"
  std::string text;         ///< "GPT entries: attributes 0x4, manifest says 0x0"
  bool filesystem = false;  ///< some byte of the partition's filesystem: says nothing new where a path of it differs
};

/// Compares the bytes of `image` with the manifest's areas, and names the field of a partition table, or the first byte
/// of another area, that differs. Looks at both copies of a GPT, whatever their checksums say. Reads all of the image.
/// Error{Internal} when it cannot be read, Error{Interrupted}.
std::vector<AreaDifference> compare_areas(const std::filesystem::path& image, const Manifest& manifest,
                                          const std::stop_token& stop);

}  // namespace k8simg
