// Block maps as they are read: which bytes of an image must be written, and the SHA-256 of each run of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "util/digest.hpp"

namespace k8simg {

/// A run of bytes of the image.
struct MappedRange {
  std::uint64_t start = 0, size = 0;  ///< bytes; start is a multiple of the block size
  std::optional<Digest> digest;       ///< absent only in whole_image()
};

struct BlockMap {
  std::uint64_t image_size = 0;     ///< bytes, not 0
  std::uint64_t block_size = 0;     ///< bytes, a power of two, at least 512
  std::vector<MappedRange> ranges;  ///< ascending, apart from one another, inside the image
  std::string file_checksum;        ///< BmapFileChecksum as written

  std::uint64_t mapped_bytes() const;
};

/// Reads bmap-tools' XML, format 2.x with SHA-256 (the comment that heads every such file describes it; bmap-tools'
/// BmapCreate writes it). `name` is for messages. Does not look at the file's own checksum. Error{Fetch} "NAME:LINE:
/// ..." when it is no such map, says no SHA-256 for a range, or when ranges overlap, go back, leave the image or do not
/// add up to the counts that the map states.
BlockMap parse_block_map(std::string_view text, const std::string& name);

/// The file's SHA-256, taken with zeros in place of its own checksum, is the one it states: else Error{Fetch}.
void check_own_checksum(std::string_view text, const BlockMap& map, const std::string& name);

/// Both of the above.
BlockMap read_block_map(const std::filesystem::path& file);

/// The map of an image that has none: everything, no digest.
BlockMap whole_image(std::uint64_t size);

}  // namespace k8simg
