// Common parts of the tests of flashing: images, maps as text, and a disk in memory that can fail.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "flash/block_device.hpp"
#include "flash/block_map.hpp"
#include "flash/image_source.hpp"
#include "report/reporter.hpp"
#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg::test {

inline constexpr std::uint64_t mib = std::uint64_t{1} << 20;

/// No byte is zero or 0xee, so that unwritten bytes are detected.
inline std::string random_bytes(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() % 200 + 1);
  return bytes;
}

struct Failure {
  ErrorKind kind = ErrorKind::Internal;
  std::string text;
};

template <class Body>
Failure failure_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return {error.kind(), error.describe()};
  }
  return {ErrorKind::Internal, "nothing failed"};
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// A map of `image` with these ranges of 4096-byte blocks, both ends included, with a valid checksum.
inline std::string map_text(const std::string& image,
                            const std::vector<std::pair<std::uint64_t, std::uint64_t>>& ranges) {
  std::string lines;
  std::uint64_t mapped = 0;
  for (const auto& [first, last] : ranges) {
    lines += fmt::format("    <Range chksum=\"{}\"> {} </Range>\n",
                         sha256(std::string_view(image).substr(first * 4096, (last - first + 1) * 4096)).hex(),
                         first == last ? std::to_string(first) : fmt::format("{}-{}", first, last));
    mapped += last - first + 1;
  }
  const std::string zeros(64, '0');
  const std::string text = fmt::format(
      "<?xml version=\"1.0\" ?>\n<!-- A map. -->\n<bmap version=\"2.0\">\n  <ImageSize> {} </ImageSize>\n  <BlockSize> "
      "4096 </BlockSize>\n  <BlocksCount> {} </BlocksCount>\n"
      "  <MappedBlocksCount> {} </MappedBlocksCount>\n  <ChecksumType> sha256 </ChecksumType>\n  <BmapFileChecksum> {} "
      "</BmapFileChecksum>\n  <BlockMap>\n{}  </BlockMap>\n</bmap>\n",
      image.size(), (image.size() + 4095) / 4096, mapped, zeros, lines);
  return replace_all(text, zeros, sha256(text).hex());
}

/// A disk in memory, filled with 0xee, with configurable failures.
class MemoryDevice : public BlockDevice {
 public:
  explicit MemoryDevice(std::size_t size) : bytes(size, '\xee') {}

  std::string name() const override { return "/dev/sdz"; }
  std::uint64_t size() const override { return stated_size ? stated_size : bytes.size(); }
  bool present() const override { return !gone; }

  Transfer read_at(std::uint64_t offset, std::span<char> into) override {
    if (!dropped_caches) read_from_cache = true;
    const Transfer done = reach(offset, into.size(), read_fails_at, read_error);
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), done.bytes, into.begin());
    return done;
  }
  Transfer write_at(std::uint64_t offset, std::string_view from) override {
    writes.emplace_back(offset, from.size());
    synced = dropped_caches = false;
    const Transfer done = reach(offset, from.size(), write_fails_at, write_error);
    std::copy_n(from.begin(), done.bytes, bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    // A faulty medium: the byte differs from the written one.
    if (forgets_at >= offset && forgets_at < offset + done.bytes)
      bytes[forgets_at] = static_cast<char>(~bytes[forgets_at]);
    return done;
  }
  int sync() override {
    synced = true;
    return sync_error;
  }
  int drop_caches() override {
    if (!synced) return EBUSY;
    dropped_caches = true;
    return 0;
  }
  int reread_partitions() override {
    ++rereads;
    return 0;
  }

  static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
  std::string bytes;
  std::uint64_t write_fails_at = never, read_fails_at = never, forgets_at = never, stated_size = 0;
  int write_error = EIO, read_error = EIO, sync_error = 0, rereads = 0;
  bool gone_after_failure = false, gone = false, synced = false, dropped_caches = false, read_from_cache = false;
  std::vector<std::pair<std::uint64_t, std::size_t>> writes;

 private:
  Transfer reach(std::uint64_t offset, std::size_t size, std::uint64_t fails_at, int error) {
    const std::uint64_t end = std::min<std::uint64_t>(offset + size, bytes.size());
    if (gone) return {0, EIO};
    if (fails_at >= offset && fails_at < offset + size) {
      gone = gone_after_failure;
      return {static_cast<std::size_t>(fails_at - offset), error};
    }
    return {static_cast<std::size_t>(end - std::min(end, offset)), 0};
  }
};

/// Records events.
class Listener : public Reporter {
 public:
  void report(const Event& event) override { events.push_back(event); }
  std::vector<Event> events;
};

}  // namespace k8simg::test
