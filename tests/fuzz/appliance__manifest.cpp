// Any bytes are either a manifest whose areas are the whole disk, or refused with an Error that says where.
#include <cstdint>
#include <cstdlib>

#include "appliance/expected.hpp"
#include "util/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace k8simg;
  try {
    const Manifest manifest = parse_manifest({reinterpret_cast<const char*>(data), size}, "input");
    std::uint64_t end = 0;
    for (const Manifest::Area& area : manifest.areas) {
      if (area.start != end || area.size == 0 || area.size > manifest.image.size - end || area.bytes.size() > area.size)
        std::abort();
      if (area.sha256 && !area.bytes.empty()) std::abort();
      end += area.size;
    }
    if (!manifest.areas.empty() && end != manifest.image.size) std::abort();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Usage || error.message().empty()) std::abort();
  }
  return 0;
}
