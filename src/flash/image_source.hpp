// Images as byte streams: plain files, and xz and zstd files decoded while reading.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

namespace k8simg {

/// Can be read once, sequentially. Errors are Error{Fetch} with the file's name and, if it is damaged, the number of
/// bytes decoded before.
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  virtual std::string name() const = 0;
  virtual std::optional<std::uint64_t> size() const = 0;  ///< bytes; nullopt if unknown without decoding
  virtual std::uint64_t position() const = 0;             ///< bytes read or skipped so far
  virtual std::size_t read(std::span<char> into) = 0;     ///< fills `into`; returns fewer bytes only at the end
  virtual void skip(std::uint64_t bytes) = 0;             ///< stops at the end
};

/// Detects the format by the first bytes: xz and zstd are decoded (libarchive), gzip, bzip2 and zip are refused with
/// Error{Usage}, anything else is a plain image. A file named .xz or .zst must have that format: Error{Fetch}.
std::unique_ptr<ImageSource> open_image_source(const std::filesystem::path& file);

/// Bytes of the sectors in which the image's partition table counts, by the place of its GPT; 512 for another table.
/// Reads the start of the image.
std::uint64_t read_sector_size(ImageSource& image);

/// The size of the image; a compressed image is decoded for this.
std::uint64_t measure(const std::filesystem::path& file, std::stop_token stop);

/// The path of an image's block map: "a/sdcard.img.xz" → "a/sdcard.img.bmap", whether it exists or not.
std::filesystem::path block_map_beside(const std::filesystem::path& image);

}  // namespace k8simg
