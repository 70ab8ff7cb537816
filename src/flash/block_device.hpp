// What is written to: the seam between the writing and the kernel's block devices, and the real ones.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace k8simg {

/// How far one read or write came.
struct Transfer {
  std::size_t bytes = 0;  ///< may be fewer than asked for
  int error = 0;          ///< errno, or 0
};

/// Offsets and sizes in bytes. Failures come back as errno: only the caller knows what they mean for the disk.
class BlockDevice {
 public:
  virtual ~BlockDevice() = default;
  virtual std::string name() const = 0;  ///< "/dev/sdb"
  virtual std::uint64_t size() const = 0;
  virtual bool present() const = 0;  ///< false once it was unplugged
  virtual Transfer read_at(std::uint64_t offset, std::span<char> into) = 0;
  virtual Transfer write_at(std::uint64_t offset, std::string_view bytes) = 0;
  virtual int sync() = 0;               ///< all that was written is on the medium; errno or 0
  virtual int drop_caches() = 0;        ///< later reads come from the medium; errno or 0
  virtual int reread_partitions() = 0;  ///< errno or 0; 0 too where there are none to read
};

struct OpenTarget {
  std::filesystem::path path;
  std::optional<dev_t> number;  ///< the disk that was checked; absent: a regular file is wanted
};
/// Opens for writing past the page cache (O_DIRECT) where that is possible, a disk for us alone (O_EXCL: nobody can
/// mount it or its partitions until it is closed). Error{Flash} when it is in use after all, has no medium, is
/// read-only, may not be written by this user, or is not `number` any more.
std::unique_ptr<BlockDevice> open_device(const OpenTarget& target);

/// O_DIRECT wants memory that begins on a page; write_at() and read_at() take any, but slower.
inline constexpr std::size_t transfer_alignment = 4096;

}  // namespace k8simg
