// Writing an image to a disk through its block map, and reading it back.
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
  double write_seconds = 0, read_seconds = 0;  ///< with the waits for the medium
  int partitions_error = 0;                    ///< errno of re-reading the partition table, 0 when it was read
};

/// Each range of `map` is written from `image`; its SHA-256 is computed on the way and compared with the map's. The
/// first MiB, with the partition table, is emptied first and written last, when all else is on the medium and was read
/// back: a disk that was not finished does not look bootable. Reads ahead in a thread of its own, so that decoding and
/// writing overlap. Speed is the text of the progress events.
///
/// Error{Fetch}: the image is damaged, ends early or is not the map's, or the disk gives back other bytes than were
/// written. Error{Step}: the disk was unplugged, has a bad block, is full; names the byte. Error{Interrupted}. Those
/// after the first write say what is on the disk now. Error{Flash} before it: the image is larger than the disk.
FlashReport flash_image(ImageSource& image, const BlockMap& map, BlockDevice& device, bool verify, Reporter& reporter,
                        std::stop_token stop);

/// The map is of this image: compares the size, where it is known, and every range's SHA-256. Error{Fetch} naming the
/// range.
void check_image(ImageSource& image, const BlockMap& map, const std::string& map_name, Reporter& reporter,
                 std::stop_token stop);

}  // namespace k8simg
