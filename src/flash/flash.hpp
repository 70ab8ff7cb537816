// Writes an image to a disk with its block map, and reads it back.
#pragma once

#include <cstdint>
#include <stop_token>

#include "flash/block_device.hpp"
#include "flash/block_map.hpp"
#include "flash/image_source.hpp"
#include "report/reporter.hpp"

namespace k8simg {

struct FlashReport {
  std::uint64_t written = 0, read_back = 0;    ///< bytes
  double write_seconds = 0, read_seconds = 0;  ///< including flushes
  int partitions_error = 0;                    ///< errno of re-reading the partition table, or 0
};

/// Writes each range of `map` from `image` and compares its SHA-256 with the map's. The first MiB, with the partition
/// table, is zeroed first and written last, after everything else was flushed and read back, so that a partly written
/// disk does not look bootable. A thread reads ahead, so decoding and writing overlap. Progress events have the speed
/// as text.
///
/// Error{Fetch}: the image is damaged, truncated or does not match the map, or the disk returns other bytes than were
/// written. Error{Step}: the disk was removed, has a bad block or is full; names the byte. Error{Interrupted}. After
/// the first write, errors say what is on the disk. Error{Flash}, before any write: the image is larger than the disk.
FlashReport flash_image(ImageSource& image, const BlockMap& map, BlockDevice& device, bool verify, Reporter& reporter,
                        std::stop_token stop);

/// Verifies that the map belongs to the image: compares the size, if known, and every range's SHA-256. Error{Fetch}
/// naming the range.
void check_image(ImageSource& image, const BlockMap& map, const std::string& map_name, Reporter& reporter,
                 std::stop_token stop);

}  // namespace k8simg
