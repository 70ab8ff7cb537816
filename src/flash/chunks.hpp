// Reads and hashes an image in chunks, in a thread that reads ahead.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "flash/block_map.hpp"
#include "flash/image_source.hpp"

namespace k8simg {

inline constexpr std::uint64_t start_size = std::uint64_t{1} << 20;  ///< bytes of a disk's start that are written last
inline constexpr std::size_t chunk_size = std::size_t{4} << 20;      ///< bytes; a multiple of most cards' erase blocks

/// Page-aligned memory of chunk_size bytes, for O_DIRECT.
class ChunkMemory {
 public:
  ChunkMemory();
  char* data() const { return memory_.get(); }

 private:
  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };
  std::unique_ptr<char, Free> memory_;
};

struct Chunk {
  ChunkMemory memory;
  std::uint64_t offset = 0;  ///< bytes, in the image and on the disk
  std::size_t size = 0;
  Digest digest;  ///< of these bytes
  std::string_view bytes() const { return {memory.data(), size}; }
};

/// Returns the chunks of all ranges in order; none crosses a multiple of chunk_size or start_size. next() throws
/// Error{Fetch} when a range does not match its digest, or the image is too short, after all earlier chunks were
/// returned.
class ChunkReader {
 public:
  ChunkReader(ImageSource& image, const BlockMap& map);

  std::optional<Chunk> next();         ///< nullopt at the end
  void give_back(ChunkMemory memory);  ///< returns the memory for reuse

 private:
  void read_all(std::stop_token stop);
  void read_range(const MappedRange& range, std::stop_token stop);

  ImageSource& image_;
  const BlockMap& map_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<ChunkMemory> free_;
  std::deque<Chunk> full_;
  std::exception_ptr failure_;
  bool ended_ = false;
  std::jthread thread_;  ///< declared last: it uses the members above
};

}  // namespace k8simg
