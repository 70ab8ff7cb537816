// Files: descriptors, whole-file reads and atomic writes, private folders, locks.
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
/// Writes all bytes, retrying on EINTR; a full disk throws Error{Internal} that says so.
void write_all(int fd, std::string_view bytes, const fs::path& name_for_errors);

/// A file that appears under its name only on commit(); dropped otherwise.
class AtomicFile {
 public:
  /// The temporary lies in the same folder. `sync`: fsync before the rename.
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

/// Removes temporaries of AtomicFile that processes which have ended left in this folder: after a kill or a power cut
/// they may be as large as what was to be written. Those of other machines that share the folder are told by nothing,
/// so a live process's number is believed.
void remove_stale_temporaries(const fs::path& folder);

void write_file_atomically(const fs::path& file, std::string_view bytes, unsigned mode = 0644);

/// A private folder below `parent`, removed with everything in it (read-only folders too).
class TempDir {
 public:
  explicit TempDir(const fs::path& parent, const std::string& prefix = "tmp");
  ~TempDir();
  TempDir(TempDir&& other) noexcept;
  TempDir& operator=(TempDir&&) = delete;
  const fs::path& path() const { return path_; }
  fs::path release();  ///< keep the folder

 private:
  fs::path path_;
};

/// Removes a folder and all in it, also where folders inside lack write permission.
void remove_all_forced(const fs::path& path) noexcept;

/// flock(2) on a file that is created when missing. Released by the destructor and by death.
class FileLock {
 public:
  enum class Mode { Shared, Exclusive };
  static FileLock wait(const fs::path& file, Mode mode);
  static std::optional<FileLock> try_lock(const fs::path& file, Mode mode);

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

/// Copies keeping holes (SEEK_HOLE) and cloning where the filesystem can (FICLONE); atomic under the target's name.
void copy_sparse(const fs::path& from, const fs::path& to, unsigned mode = 0644);

}  // namespace k8simg
