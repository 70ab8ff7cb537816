// The image as a stream of bytes: plain files, and xz and zstd streams decoded on the way.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

namespace k8simg {

/// Read once, from the front to the back. Errors are Error{Fetch} and name the file and, for damage, how many bytes
/// came out before it.
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  virtual std::string name() const = 0;
  virtual std::optional<std::uint64_t> size() const = 0;  ///< bytes, where it is known without decoding
  virtual std::uint64_t position() const = 0;             ///< bytes read or skipped so far
  virtual std::size_t read(std::span<char> into) = 0;     ///< as many as fit; fewer only at the end
  virtual void skip(std::uint64_t bytes) = 0;             ///< stops at the end
};

/// What the first bytes say decides, not the name: xz and zstd are decoded (libarchive), gzip, bzip2 and zip are
/// refused with Error{Usage}, anything else is taken as it is. A name that promises .xz or .zst must hold it:
/// Error{Fetch}.
std::unique_ptr<ImageSource> open_image_source(const std::filesystem::path& file);

/// Decodes to the end to learn the size: a stream does not say it before.
std::uint64_t measure(const std::filesystem::path& file, std::stop_token stop);

/// The block map beside an image: "a/sdcard.img.xz" → "a/sdcard.img.bmap", whether it exists or not.
std::filesystem::path block_map_beside(const std::filesystem::path& image);

}  // namespace k8simg
