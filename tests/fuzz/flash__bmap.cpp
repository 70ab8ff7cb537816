// Any bytes are either a block map whose ranges ascend inside the image, or refused with an Error that says why.
#include <cstdint>
#include <cstdlib>

#include "flash/block_map.hpp"
#include "util/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace k8simg;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const BlockMap map = parse_block_map(text, "input");
    std::uint64_t next = 0;
    for (const MappedRange& range : map.ranges) {
      if (range.size == 0 || !range.digest || range.start < next || range.start % map.block_size != 0) std::abort();
      next = range.start + range.size;
      if (next > map.image_size) std::abort();
      if (next % map.block_size != 0 && next != map.image_size) std::abort();
    }
    if (map.ranges.empty() || map.mapped_bytes() > map.image_size) std::abort();
    check_own_checksum(text, map, "input");
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Fetch || error.message().empty()) std::abort();
  }
  return 0;
}
