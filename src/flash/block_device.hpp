// The interface for block devices, replaceable in tests, and its implementation.
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

/// The result of a read or write.
struct Transfer {
  std::size_t bytes = 0;  ///< may be fewer than requested
  int error = 0;          ///< errno, or 0
};

/// Offsets and sizes are in bytes. Failures are returned as errno, since their meaning depends on the caller.
class BlockDevice {
 public:
  virtual ~BlockDevice() = default;
  virtual std::string name() const = 0;  ///< "/dev/sdb"
  virtual std::uint64_t size() const = 0;
  virtual bool present() const = 0;  ///< false once it was unplugged
  virtual Transfer read_at(std::uint64_t offset, std::span<char> into) = 0;
  virtual Transfer write_at(std::uint64_t offset, std::string_view bytes) = 0;
  virtual int sync() = 0;               ///< flushes all writes to the medium; errno or 0
  virtual int drop_caches() = 0;        ///< later reads come from the medium; errno or 0
  virtual int reread_partitions() = 0;  ///< errno or 0; 0 also if the device has no partitions
};

struct OpenTarget {
  std::filesystem::path path;
  std::optional<dev_t> number;  ///< number of the checked disk; absent: a regular file
};
/// Opens for writing, with O_DIRECT if possible, and a disk with O_EXCL: it and its partitions cannot be mounted until
/// it is closed. Error{Flash} when it is in use, has no medium, is read-only, is not writable for this user, or no
/// longer has the device number `number`.
std::unique_ptr<BlockDevice> open_device(const OpenTarget& target);

/// O_DIRECT needs page-aligned memory; write_at() and read_at() also accept other memory, but are slower.
inline constexpr std::size_t transfer_alignment = 4096;

}  // namespace k8simg
