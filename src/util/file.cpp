// Descriptors, whole-file reads, atomic writes, private folders and file locks.
#include "util/file.hpp"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <utility>

#include "util/error.hpp"

namespace k8simg {

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) reset(other.release());
  return *this;
}

void Fd::reset(int fd) {
  // No retry on EINTR: Linux has closed the descriptor by then, and another thread may already own its number.
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

Fd Fd::open(const fs::path& path, int flags, unsigned mode) {
  for (;;) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd >= 0) return Fd(fd);
    if (errno != EINTR) throw_errno("cannot open", path.string(), errno);
  }
}

std::string read_file(const fs::path& file) {
  const Fd fd = Fd::open(file, O_RDONLY);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw_errno("cannot read", file.string(), errno);
  if (S_ISDIR(status.st_mode)) throw_errno("cannot read", file.string(), EISDIR);
  // Files of /proc report size 0, so the size is only the initial buffer size.
  std::string bytes(status.st_size > 0 ? static_cast<std::size_t>(status.st_size) + 1 : 4096, '\0');
  std::size_t size = 0;
  for (;;) {
    if (size == bytes.size()) bytes.resize(size * 2);
    const ssize_t count = ::read(fd.get(), bytes.data() + size, bytes.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno("cannot read", file.string(), errno);
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  bytes.resize(size);
  return bytes;
}

void write_all(int fd, std::string_view bytes, const fs::path& name_for_errors) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno("cannot write", name_for_errors.string(), errno);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

AtomicFile::AtomicFile(fs::path target, unsigned mode, bool sync) : target_(std::move(target)), sync_(sync) {
  static std::atomic<unsigned> counter{0};
  for (;;) {
    // The temporary name does not contain the target's name, which may already have the maximum length.
    temporary_ =
        target_.parent_path() / (".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(counter.fetch_add(1)));
    const int fd = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd >= 0) {
      fd_.reset(fd);
      return;
    }
    // EEXIST: a killed process with the same pid left the file behind.
    if (errno != EINTR && errno != EEXIST) throw_errno("cannot create", target_.string(), errno);
  }
}

AtomicFile::~AtomicFile() {
  if (!committed_) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::string_view bytes) { write_all(fd_.get(), bytes, target_); }

void AtomicFile::commit() {
  if (sync_ && ::fsync(fd_.get()) != 0) throw_errno("cannot write", target_.string(), errno);
  // Some filesystems report a full disk only here.
  if (::close(fd_.release()) != 0 && errno != EINTR) throw_errno("cannot write", target_.string(), errno);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) throw_errno("cannot rename to", target_.string(), errno);
  committed_ = true;
  if (sync_) {
    const fs::path folder = target_.has_parent_path() ? target_.parent_path() : fs::path(".");
    const Fd fd = Fd::open(folder, O_RDONLY | O_DIRECTORY);
    ::fsync(fd.get());  // errors are ignored: some filesystems cannot sync folders
  }
}

void remove_stale_temporaries(const fs::path& folder) {
  constexpr std::string_view prefix = ".tmp-";
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || !entry.is_regular_file(ignored)) continue;
    pid_t owner = 0;
    const auto [end, error] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), owner);
    if (error != std::errc{} || end == name.data() + name.size() || *end != '-' || owner <= 0) continue;
    if (owner == ::getpid() || ::kill(owner, 0) == 0 || errno != ESRCH) continue;
    ::unlink(entry.path().c_str());
  }
}

void write_file_atomically(const fs::path& file, std::string_view bytes, unsigned mode) {
  AtomicFile target(file, mode);
  target.write(bytes);
  target.commit();
}

TempDir::TempDir(const fs::path& parent, const std::string& prefix) {
  std::string name = (parent / (prefix + "-XXXXXX")).string();
  if (::mkdtemp(name.data()) == nullptr) throw_errno("cannot create a temporary folder in", parent.string(), errno);
  path_ = name;
}

TempDir::~TempDir() {
  if (!path_.empty()) remove_all_forced(path_);
}

TempDir::TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, fs::path())) {}

fs::path TempDir::release() { return std::exchange(path_, fs::path()); }

namespace {

// Opens for writing, because an exclusive lock on NFS requires it (flock(2)). Falls back to read-only for files that
// the user cannot write; this suffices on local filesystems.
Fd open_lock(const fs::path& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd >= 0) return Fd(fd);
  if (errno != EACCES && errno != EPERM && errno != EROFS && errno != EINTR)
    throw_errno("cannot open", file.string(), errno);
  return Fd::open(file, errno == EINTR ? O_RDWR | O_CREAT : O_RDONLY);
}

}  // namespace

FileLock FileLock::wait(const fs::path& file, Mode mode) {
  Fd fd = open_lock(file);
  while (::flock(fd.get(), mode == Mode::Shared ? LOCK_SH : LOCK_EX) != 0)
    if (errno != EINTR) throw_errno("cannot lock", file.string(), errno);
  return FileLock(std::move(fd));
}

std::optional<FileLock> FileLock::try_lock(const fs::path& file, Mode mode) {
  Fd fd = open_lock(file);
  while (::flock(fd.get(), (mode == Mode::Shared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return std::nullopt;
    if (errno != EINTR) throw_errno("cannot lock", file.string(), errno);
  }
  return FileLock(std::move(fd));
}

}  // namespace k8simg
