// Reads chunks of the image ahead in a thread.
#include "flash/chunks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "flash/block_device.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace {

constexpr std::size_t chunks_ahead = 4;

/// The latest end of a chunk that begins at `offset`.
std::uint64_t next_cut(std::uint64_t offset) {
  return offset < start_size ? start_size : (offset / chunk_size + 1) * chunk_size;
}

}  // namespace

ChunkMemory::ChunkMemory() : memory_(static_cast<char*>(std::aligned_alloc(transfer_alignment, chunk_size))) {
  if (!memory_) throw std::bad_alloc();
}

ChunkReader::ChunkReader(ImageSource& image, const BlockMap& map) : image_(image), map_(map) {
  for (std::size_t i = 0; i < chunks_ahead; ++i) free_.emplace_back();
  thread_ = std::jthread([this](std::stop_token stop) {
    std::exception_ptr failure;
    try {
      read_all(stop);
    } catch (...) {
      failure = std::current_exception();
    }
    const std::scoped_lock lock(mutex_);
    failure_ = failure;
    ended_ = true;
    changed_.notify_all();
  });
}

std::optional<Chunk> ChunkReader::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !full_.empty() || ended_; });
  if (full_.empty()) {
    if (failure_) std::rethrow_exception(failure_);
    return std::nullopt;
  }
  Chunk chunk = std::move(full_.front());
  full_.pop_front();
  return chunk;
}

void ChunkReader::give_back(ChunkMemory memory) {
  const std::scoped_lock lock(mutex_);
  free_.push_back(std::move(memory));
  changed_.notify_all();
}

void ChunkReader::read_all(std::stop_token stop) {
  for (const MappedRange& range : map_.ranges) {
    if (stop.stop_requested()) return;
    image_.skip(range.start - image_.position());
    read_range(range, stop);
  }
}

void ChunkReader::read_range(const MappedRange& range, std::stop_token stop) {
  Sha256 whole;
  const std::uint64_t end = range.start + range.size;
  for (std::uint64_t at = range.start; at < end;) {
    std::optional<ChunkMemory> memory;
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return !free_.empty(); })) return;
      memory = std::move(free_.back());
      free_.pop_back();
    }
    Chunk chunk{std::move(*memory), at, static_cast<std::size_t>(std::min(end, next_cut(at)) - at), {}};
    const std::size_t got = image_.position() == at ? image_.read({chunk.memory.data(), chunk.size}) : 0;
    if (got < chunk.size) {
      throw Error(ErrorKind::Fetch,
                  fmt::format("{} ends at byte {}, but should have {} bytes", image_.name(), image_.position(),
                              map_.image_size),
                  "the image is not complete, or the block map is of another one: get both again");
    }
    whole.update(chunk.bytes());
    chunk.digest = sha256(chunk.bytes());
    at += chunk.size;
    const std::scoped_lock lock(mutex_);
    full_.push_back(std::move(chunk));
    changed_.notify_all();
  }
  if (!range.digest) return;
  if (const Digest found = whole.finish(); found != *range.digest) {
    throw Error(
        ErrorKind::Fetch,
        fmt::format("{} does not match its block map: bytes {} to {} have the SHA-256 {}, not {}", image_.name(),
                    range.start, end - 1, found.hex(), range.digest->hex()),
        "the image is damaged, or the block map is of another one: get both again and compare them with SHA256SUMS");
  }
}

}  // namespace k8simg
