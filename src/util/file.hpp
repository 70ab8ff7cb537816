// File descriptors, whole-file reads, atomic writes, temporary folders and file locks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace k8simg {

namespace fs = std::filesystem;

/// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { reset(); }
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept;

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() {
    int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset(int fd = -1);

  /// open(2) with O_CLOEXEC; throws Error{Internal} naming the path.
  static Fd open(const fs::path& path, int flags, unsigned mode = 0644);

 private:
  int fd_ = -1;
};

std::string read_file(const fs::path& file);  ///< throws Error{Internal} naming the file
/// Writes all bytes and retries on EINTR; throws Error{Internal}.
void write_all(int fd, std::string_view bytes, const fs::path& name_for_errors);

/// A file that gets its name on commit(), by rename; without commit() it is removed.
class AtomicFile {
 public:
  /// The temporary file is in the same folder. `sync`: fsync before the rename.
  explicit AtomicFile(fs::path target, unsigned mode = 0644, bool sync = false);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  int fd() const { return fd_.get(); }
  void write(std::string_view bytes);
  void commit();

 private:
  fs::path target_, temporary_;
  Fd fd_;
  bool sync_, committed_ = false;
};

/// Removes temporary files that AtomicFile left in this folder when a process was killed or the power failed. A file is
/// kept if a process with the pid in its name exists; this cannot be checked for processes on other machines that share
/// the folder.
void remove_stale_temporaries(const fs::path& folder);

void write_file_atomically(const fs::path& file, std::string_view bytes, unsigned mode = 0644);

/// A temporary folder below `parent`. The destructor removes it and everything in it, read-only folders too.
class TempDir {
 public:
  explicit TempDir(const fs::path& parent, const std::string& prefix = "tmp");
  ~TempDir();
  TempDir(TempDir&& other) noexcept;
  TempDir& operator=(TempDir&&) = delete;
  const fs::path& path() const { return path_; }
  fs::path release();  ///< the folder is no longer removed

 private:
  fs::path path_;
};

/// Removes a file or a folder with its contents, even if folders in it lack write permission.
void remove_all_forced(const fs::path& path) noexcept;

/// flock(2) on a file that is created if it is missing. The lock is released by the destructor or when the process
/// ends.
class FileLock {
 public:
  enum class Mode { Shared, Exclusive };
  static FileLock wait(const fs::path& file, Mode mode);
  static std::optional<FileLock> try_lock(const fs::path& file, Mode mode);

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

/// Copies a file, keeping its holes, or clones it if the filesystem supports that (FICLONE). The target is replaced
/// atomically.
void copy_sparse(const fs::path& from, const fs::path& to, unsigned mode = 0644);

}  // namespace k8simg
