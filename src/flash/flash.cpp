// Writes an image to a disk and reads it back.
#include "flash/flash.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <vector>

#include "flash/chunks.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

using SteadyClock = std::chrono::steady_clock;

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

/// A step for the reporter, with the speed over about the last second.
class ReportedStep {
 public:
  ReportedStep(Reporter& reporter, std::string name, std::uint64_t total)
      : reporter_(reporter), name_(std::move(name)), total_(total) {
    reporter_.report({.kind = Event::Kind::StepStarted, .step = name_});
  }

  void advance(std::uint64_t bytes) {
    done_ += bytes;
    if (const double seconds = seconds_since(window_start_); seconds >= 1) {
      speed_ = format_size(static_cast<std::uint64_t>(static_cast<double>(done_ - window_done_) / seconds)) + "/s";
      window_start_ = SteadyClock::now();
      window_done_ = done_;
    }
    reporter_.report(
        {.kind = Event::Kind::StepProgress, .step = name_, .text = speed_, .done = done_, .total = total_});
  }

  double finish() {
    const double seconds = seconds_since(started_);
    reporter_.report({.kind = Event::Kind::StepFinished, .step = name_, .seconds = seconds});
    return seconds;
  }

 private:
  Reporter& reporter_;
  std::string name_, speed_;
  std::uint64_t total_, done_ = 0, window_done_ = 0;
  const SteadyClock::time_point started_ = SteadyClock::now();
  SteadyClock::time_point window_start_ = started_;
};

struct Written {
  std::uint64_t offset = 0;
  std::size_t size = 0;
  Digest digest;
};

std::uint64_t total_size(const std::vector<Written>& pieces) {
  std::uint64_t sum = 0;
  for (const Written& piece : pieces) sum += piece.size;
  return sum;
}

class Flashing {
 public:
  Flashing(ImageSource& image, const BlockMap& map, BlockDevice& device, bool verify, Reporter& reporter,
           std::stop_token stop)
      : image_(image), map_(map), device_(device), verify_(verify), reporter_(reporter), stop_(std::move(stop)) {}

  FlashReport run() {
    if (map_.image_size > device_.size()) {
      throw Error(ErrorKind::Flash,
                  fmt::format("{} is too small: it has {} bytes, the image {}", device_.name(), device_.size(),
                              map_.image_size),
                  "take a larger one");
    }
    reporter_.report({.kind = Event::Kind::PlanReady, .total = verify_ ? 3u : 2u});
    try {
      write_body();
      if (verify_) {
        ReportedStep step(reporter_, fmt::format("read {} back", device_.name()), total_size(body_));
        read_back(body_, &step);
        report_.read_seconds = step.finish();
      }
      write_start();
    } catch (Error& error) {
      if (state_ == State::Emptied)
        error.add_context(fmt::format(
            "{} is incomplete: its start, with the partition table, was left empty, so that nothing boots from it",
            device_.name()));
      if (state_ == State::Complete)
        error.add_context(fmt::format("do not boot from {}: its content is wrong", device_.name()));
      throw;
    }
    report_.written = total_size(body_) + total_size(start_);
    if (verify_) report_.read_back = report_.written;
    report_.partitions_error = device_.reread_partitions();
    return report_;
  }

 private:
  enum class State { Untouched, Emptied, Complete };

  void write_body() {
    ReportedStep step(reporter_, fmt::format("write {} to {}", image_.name(), device_.name()), map_.mapped_bytes());
    ChunkReader reader(image_, map_);
    while (auto chunk = reader.next()) {
      check_stop();
      empty_start();  // only after the first chunk could be read
      if (chunk->offset < start_size) {
        start_.push_back({chunk->offset, chunk->size, chunk->digest});
        start_chunks_.push_back(std::move(*chunk));
        step.advance(start_.back().size);
        reader.give_back(ChunkMemory());  // replaces the chunk that is kept
        continue;
      }
      write(chunk->offset, chunk->bytes());
      body_.push_back({chunk->offset, chunk->size, chunk->digest});
      step.advance(chunk->size);
      reader.give_back(std::move(chunk->memory));
    }
    sync();
    report_.write_seconds = step.finish();
  }

  /// An old partition table must not refer to partly written partitions.
  void empty_start() {
    if (state_ != State::Untouched) return;
    state_ = State::Emptied;
    const ChunkMemory zeros;
    const std::size_t size = static_cast<std::size_t>(std::min(start_size, map_.image_size));
    std::fill_n(zeros.data(), size, '\0');
    write(0, {zeros.data(), size});
    sync();
  }

  void write_start() {
    ReportedStep step(reporter_, fmt::format("write the start of {}", device_.name()), 0);
    check_stop();
    state_ = State::Complete;
    for (const Chunk& chunk : start_chunks_) write(chunk.offset, chunk.bytes());
    sync();
    if (verify_) read_back(start_, nullptr);
    report_.write_seconds += step.finish();
  }

  void read_back(const std::vector<Written>& pieces, ReportedStep* step) {
    if (const int error = device_.drop_caches()) fail_flush(error);
    const ChunkMemory memory;
    for (const Written& piece : pieces) {
      check_stop();
      const Transfer got = device_.read_at(piece.offset, {memory.data(), piece.size});
      if (got.error != 0 || got.bytes < piece.size) fail("read back", piece.offset, piece.size, got);
      if (const Digest found = sha256({memory.data(), piece.size}); found != piece.digest) {
        throw Error(
            ErrorKind::Fetch,
            fmt::format("{} returned other data than was written: bytes {} to {} have the SHA-256 {}, not {}",
                        device_.name(), piece.offset, piece.offset + piece.size - 1, found.hex(), piece.digest.hex()),
            "the card is worn out, or smaller than it says: try another reader or port, then another card");
      }
      if (step) step->advance(piece.size);
    }
  }

  void write(std::uint64_t offset, std::string_view bytes) {
    const Transfer put = device_.write_at(offset, bytes);
    if (put.error != 0 || put.bytes < bytes.size()) fail("written", offset, bytes.size(), put);
  }

  void sync() {
    if (const int error = device_.sync()) fail_flush(error);
  }

  void check_stop() const {
    if (stop_.stop_requested())
      throw Error(ErrorKind::Interrupted,
                  state_ == State::Untouched ? "interrupted: nothing was written" : "interrupted");
  }

  [[noreturn]] void fail(const std::string& verb, std::uint64_t offset, std::size_t size,
                         const Transfer& transfer) const {
    // If all bytes were transferred, the flush failed, and the bad byte is before the end.
    const std::string where =
        fmt::format("{} byte {}", transfer.bytes < size ? "at" : "before", offset + transfer.bytes);
    const std::string name = device_.name();
    const int error = transfer.error;
    if (!device_.present() || error == ENODEV || error == ENXIO || error == ENOMEDIUM) {
      throw Error(ErrorKind::Step,
                  fmt::format("{} was removed, or lost its connection, while it was {} {}", name, verb, where),
                  "plug it in again, into another port if this repeats, and flash it from the beginning");
    }
    if (error == ENOSPC || error == EFBIG || error == EDQUOT || error == 0) {
      throw Error(ErrorKind::Step, fmt::format("{} ends {}, although it reports {} bytes", name, where, device_.size()),
                  "a disk: it is smaller than it says, take another; a file: free some space on its filesystem");
    }
    throw Error(ErrorKind::Step,
                fmt::format("{} cannot be {} {}: {}", name, verb, where, std::system_category().message(error)),
                "a bad block or a bad contact: try another reader or port; if it fails at the same byte again, the "
                "card is worn out");
  }

  [[noreturn]] void fail_flush(int error) const {
    if (!device_.present() || error == ENODEV || error == ENXIO || error == ENOMEDIUM) {
      throw Error(ErrorKind::Step,
                  fmt::format("{} was removed, or lost its connection, before all was stored", device_.name()),
                  "plug it in again, into another port if this repeats, and flash it from the beginning");
    }
    throw Error(ErrorKind::Step,
                fmt::format("{} could not store all that was written: {}", device_.name(),
                            std::system_category().message(error)),
                "a bad block or a bad contact: try another reader or port, then another card");
  }

  ImageSource& image_;
  const BlockMap& map_;
  BlockDevice& device_;
  const bool verify_;
  Reporter& reporter_;
  const std::stop_token stop_;
  State state_ = State::Untouched;
  std::vector<Written> body_, start_;
  std::vector<Chunk> start_chunks_;  ///< the disk's start, which is written last
  FlashReport report_;
};

}  // namespace

FlashReport flash_image(ImageSource& image, const BlockMap& map, BlockDevice& device, bool verify, Reporter& reporter,
                        std::stop_token stop) {
  return Flashing(image, map, device, verify, reporter, std::move(stop)).run();
}

void check_image(ImageSource& image, const BlockMap& map, const std::string& map_name, Reporter& reporter,
                 std::stop_token stop) {
  if (const auto size = image.size(); size && *size != map.image_size) {
    throw Error(ErrorKind::Fetch,
                fmt::format("{} has {} bytes, but {} belongs to an image of {} bytes", image.name(), *size, map_name,
                            map.image_size),
                "give the block map that was made with the image, or none with --no-bmap");
  }
  ReportedStep step(reporter, fmt::format("check {}", image.name()), map.mapped_bytes());
  ChunkReader reader(image, map);
  while (auto chunk = reader.next()) {
    if (stop.stop_requested()) throw Error(ErrorKind::Interrupted, "interrupted: nothing was written");
    step.advance(chunk->size);
    reader.give_back(std::move(chunk->memory));
  }
  step.finish();
}

}  // namespace k8simg
