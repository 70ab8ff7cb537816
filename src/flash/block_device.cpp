// BlockDevice for the kernel's block devices and regular files.
#include "flash/block_device.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

/// Without O_DIRECT, at most this many bytes stay in the page cache. Otherwise a slow card would fill the memory, and
/// the reported progress would be wrong.
constexpr std::uint64_t most_unwritten = std::uint64_t{16} << 20;

Error open_error(const fs::path& path, int error) {
  const std::string name = path.string();
  switch (error) {
    case EBUSY:
      return Error(ErrorKind::Flash, fmt::format("{} is in use", name),
                   "a filesystem, swap, RAID, LVM or another program holds it: see `lsblk`, unmount or stop it there, "
                   "then try again");
    case EACCES:
    case EPERM:
      return Error(ErrorKind::Flash, fmt::format("{} is not writable for you", name),
                   "run `k8simg flash` with sudo, or become a member of the group that owns the device");
    case EROFS:
      return Error(ErrorKind::Flash, fmt::format("{} is read-only", name),
                   "push the card's lock switch, or take another card");
    case ENOMEDIUM:
      return Error(ErrorKind::Flash, fmt::format("there is no card in {}", name), "put one in");
    case ENOENT:
    case ENXIO:
    case ENODEV:
      return Error(ErrorKind::Flash, fmt::format("{} no longer exists", name), "plug it in again");
    case ETXTBSY:
      return Error(ErrorKind::Flash, fmt::format("{} is in use as a program or swap file", name));
    default:
      return Error(ErrorKind::Flash, fmt::format("cannot open {}: {}", name, std::system_category().message(error)));
  }
}

class KernelDevice final : public BlockDevice {
 public:
  explicit KernelDevice(const OpenTarget& target) : path_(target.path), disk_(target.number.has_value()) {
    // O_EXCL without O_CREAT is only defined for block devices.
    const int flags = O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (disk_ ? O_EXCL : 0);
    int fd = ::open(path_.c_str(), flags | O_DIRECT);
    direct_ = is_direct_ = fd >= 0;
    if (fd < 0 && errno == EINVAL) fd = ::open(path_.c_str(), flags);  // a filesystem without O_DIRECT
    if (fd < 0) throw open_error(path_, errno);
    fd_.reset(fd);
    struct stat status {};
    if (::fstat(fd, &status) != 0) throw_errno("cannot look at", path_.string(), errno);
    const bool same = disk_ ? S_ISBLK(status.st_mode) && status.st_rdev == *target.number : S_ISREG(status.st_mode);
    if (!same)
      throw Error(ErrorKind::Flash, fmt::format("{} was replaced while it was checked", path_.string()), "try again");
    int read_only = 0;
    if (disk_ && ::ioctl(fd, BLKROGET, &read_only) == 0 && read_only) throw open_error(path_, EROFS);
    size_ = disk_ ? device_size() : static_cast<std::uint64_t>(status.st_size);
    // udev probes a disk when it is closed after writing; this lock delays the probe. The lock is optional.
    (void)::flock(fd, LOCK_EX | LOCK_NB);
  }

  std::string name() const override { return path_.string(); }
  std::uint64_t size() const override { return size_; }
  // The kernel reports size 0 for a disk that was unplugged and for a reader without a card.
  bool present() const override { return !disk_ || device_size() > 0; }

  Transfer read_at(std::uint64_t offset, std::span<char> into) override {
    set_direct(aligned(offset, into.size(), into.data()));
    Transfer done;
    while (done.bytes < into.size()) {
      const ssize_t got = ::pread(fd_.get(), into.data() + done.bytes, into.size() - done.bytes,
                                  static_cast<off_t>(offset + done.bytes));
      if (!take(done, got)) break;
    }
    return done;
  }

  Transfer write_at(std::uint64_t offset, std::string_view bytes) override {
    set_direct(aligned(offset, bytes.size(), bytes.data()));
    Transfer done;
    while (done.bytes < bytes.size()) {
      const ssize_t put = ::pwrite(fd_.get(), bytes.data() + done.bytes, bytes.size() - done.bytes,
                                   static_cast<off_t>(offset + done.bytes));
      if (!take(done, put)) break;
    }
    if (!is_direct_) unwritten_ += done.bytes;
    if (done.error == 0 && unwritten_ >= most_unwritten) {
      done.error = sync();
      (void)::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED);
    }
    return done;
  }

  int sync() override {
    unwritten_ = 0;
    return ::fsync(fd_.get()) == 0 ? 0 : errno;
  }

  int drop_caches() override {
    if (const int error = sync()) return error;
    // BLKFLSBUF needs CAP_SYS_ADMIN; posix_fadvise does not.
    if (disk_ && ::ioctl(fd_.get(), BLKFLSBUF, 0) != 0 && errno != EACCES && errno != EPERM) return errno;
    return ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED);
  }

  int reread_partitions() override {
    if (!disk_ || ::ioctl(fd_.get(), BLKRRPART) == 0) return 0;
    return errno == EINVAL ? 0 : errno;  // EINVAL: a disk without partitions, such as a plain loop device
  }

 private:
  static bool aligned(std::uint64_t offset, std::size_t size, const char* memory) {
    return offset % transfer_alignment == 0 && size % transfer_alignment == 0 &&
           reinterpret_cast<std::uintptr_t>(memory) % transfer_alignment == 0;
  }

  /// The last write may be smaller than a block of the disk; O_DIRECT does not support that.
  void set_direct(bool wish) {
    wish = wish && direct_;
    if (wish == is_direct_) return;
    const int flags = ::fcntl(fd_.get(), F_GETFL);
    if (flags >= 0 && ::fcntl(fd_.get(), F_SETFL, wish ? flags | O_DIRECT : flags & ~O_DIRECT) == 0) is_direct_ = wish;
  }

  bool take(Transfer& done, ssize_t count) const {
    if (count < 0 && errno == EINTR) return true;
    if (count < 0) done.error = errno;
    if (count <= 0) return false;
    done.bytes += static_cast<std::size_t>(count);
    return true;
  }

  std::uint64_t device_size() const {
    std::uint64_t size = 0;
    return ::ioctl(fd_.get(), BLKGETSIZE64, &size) == 0 ? size : 0;
  }

  fs::path path_;
  bool disk_;
  Fd fd_;
  bool direct_ = false;     ///< O_DIRECT is supported
  bool is_direct_ = false;  ///< O_DIRECT is set
  std::uint64_t size_ = 0, unwritten_ = 0;
};

}  // namespace

std::unique_ptr<BlockDevice> open_device(const OpenTarget& target) { return std::make_unique<KernelDevice>(target); }

}  // namespace k8simg
