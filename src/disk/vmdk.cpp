// The random identifier of a VMDK. Format: VMware's "Virtual Disk Format 5.0", "Hosted Sparse Extents" and "The
// Descriptor File".
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "disk/identify.hpp"
#include "util/bytes.hpp"
#include "util/error.hpp"
#include "util/extents.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

constexpr std::uint64_t vmdk_sector = 512, largest_descriptor = mebibyte;
constexpr std::uint32_t first_reserved_cid = 0xfffffffe;  // these stand for "unknown" and "no parent"

std::uint32_t content_id(const Digest& content) {
  std::uint32_t id = 0;
  for (int i = 0; i < 4; ++i) id = id << 8 | content.bytes[i];
  return id < first_reserved_cid ? id : id - 2;
}

}  // namespace

void identify_vmdk(const std::filesystem::path& file, const DiskIdentity& identity) {
  const auto fail = [&](const char* what) {
    return Error(ErrorKind::Step, fmt::format("{} {}", file.filename().string(), what),
                 "another version of qemu-utils may write another kind of VMDK");
  };
  const Fd fd = Fd::open(file, O_RDWR);
  const std::string header = read_all_at(fd.get(), 0, vmdk_sector, file);
  if (!header.starts_with("KDMV")) throw fail("has no header of a sparse VMDK");
  // Fields of the header: sector and number of sectors of the descriptor.
  const std::uint64_t start = *read_number(header, 28, 8) * vmdk_sector,
                      size = *read_number(header, 36, 8) * vmdk_sector;
  if (start == 0 || size == 0 || size > largest_descriptor) throw fail("has no embedded descriptor");
  std::string text = read_all_at(fd.get(), static_cast<off_t>(start), size, file);
  text.resize(std::min(text.find('\0'), text.size()));
  const auto key = text.find("\nCID="), end = text.find('\n', key + 1);
  if (key == std::string::npos || end == std::string::npos) throw fail("has no CID in its descriptor");
  text.replace(key, end - key, fmt::format("\nCID={:08x}", content_id(identity.content)));
  if (text.size() > size) throw fail("has no room in its descriptor");
  text.resize(size, '\0');
  write_all_at(fd.get(), text, static_cast<off_t>(start), file);
}

}  // namespace k8simg
