// Block maps: which ranges of an image must be written, and their SHA-256.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "util/digest.hpp"

namespace k8simg {

/// A range of bytes of the image.
struct MappedRange {
  std::uint64_t start = 0, size = 0;  ///< bytes; start is a multiple of the block size
  std::optional<Digest> digest;       ///< absent only in whole_image()
};

struct BlockMap {
  std::uint64_t image_size = 0;     ///< bytes, not 0
  std::uint64_t block_size = 0;     ///< bytes, a power of two, at least 512
  std::vector<MappedRange> ranges;  ///< ascending, not adjacent, inside the image
  std::string file_checksum;        ///< BmapFileChecksum as written

  std::uint64_t mapped_bytes() const;
};

/// Parses bmap-tools' XML format 2.x with SHA-256 (described in the comment at the start of every such file; written by
/// bmap-tools' BmapCreate). `name` is for messages. Does not verify the file's own checksum. Error{Fetch} "NAME:LINE:
/// ..." when the map is invalid, a range has no SHA-256, or ranges overlap, are not ascending, exceed the image or do
/// not match the counts in the map.
BlockMap parse_block_map(std::string_view text, const std::string& name);

/// Verifies BmapFileChecksum: the SHA-256 of the file with zeros in place of this checksum. Error{Fetch} on a mismatch.
void check_own_checksum(std::string_view text, const BlockMap& map, const std::string& name);

/// Reads, parses and verifies a block map.
BlockMap read_block_map(const std::filesystem::path& file);

/// A map for an image without one: one range, without a digest.
BlockMap whole_image(std::uint64_t size);

}  // namespace k8simg
