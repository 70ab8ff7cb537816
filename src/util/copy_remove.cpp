// Copies sparse files, and removes folders even where modes forbid it.
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "util/error.hpp"
#include "util/extents.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

/// Empties the folder `name` of `parent` and removes it. Skips what cannot be removed.
void remove_folder(int parent, const char* name) noexcept {
  // O_NOFOLLOW and names relative to descriptors: a symlink never leads out of the folder.
  int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == EACCES && ::fchmodat(parent, name, 0700, 0) == 0)
    fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0) {
    struct stat status {};
    if (::fstat(fd, &status) == 0 && (status.st_mode & 0700) != 0700) ::fchmod(fd, 0700);
    DIR* folder = ::fdopendir(fd);
    if (folder == nullptr) {
      ::close(fd);
    } else {
      while (const dirent* entry = ::readdir(folder)) {
        const std::string_view entry_name = entry->d_name;
        if (entry_name == "." || entry_name == "..") continue;
        if (entry->d_type != DT_DIR && ::unlinkat(fd, entry->d_name, 0) == 0) continue;
        struct stat entry_status {};
        if (::fstatat(fd, entry->d_name, &entry_status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(entry_status.st_mode))
          remove_folder(fd, entry->d_name);
      }
      ::closedir(folder);
    }
  }
  ::unlinkat(parent, name, AT_REMOVEDIR);
}

void copy_range(int from, int to, off_t start, off_t end, const fs::path& source, const fs::path& target,
                std::vector<char>& buffer) {
  while (start < end) {
    off_t in = start, out = start;
    const ssize_t count = ::copy_file_range(from, &in, to, &out, static_cast<std::size_t>(end - start), 0);
    if (count > 0) {
      start += count;
      continue;
    }
    if (count < 0 && (errno == ENOSPC || errno == EDQUOT)) throw_errno("cannot write", target.string(), errno);
    if (count < 0 && errno == EIO) throw_errno("cannot copy to " + target.string(), source.string(), errno);
    // copy_file_range is not supported here, or returned 0, as it does on some filesystems: read and write instead.
    if (buffer.empty()) buffer.resize(std::size_t{1} << 20);
    read_range(from, {start, end}, source, buffer,
               [&](std::string_view bytes, off_t at) { write_all_at(to, bytes, at, target); });
    return;
  }
}

}  // namespace

void remove_all_forced(const fs::path& path) noexcept {
  if (path.empty()) return;
  if (::unlink(path.c_str()) == 0) return;  // a file or a symlink
  remove_folder(AT_FDCWD, path.c_str());
}

void copy_sparse(const fs::path& from, const fs::path& to, unsigned mode) {
  const Fd source = Fd::open(from, O_RDONLY);
  struct stat status {};
  if (::fstat(source.get(), &status) != 0) throw_errno("cannot read", from.string(), errno);
  if (!S_ISREG(status.st_mode))
    throw Error(ErrorKind::Internal, "cannot copy " + from.string() + ": it is not a regular file");
  AtomicFile target(to, mode);
  if (::ioctl(target.fd(), FICLONE, source.get()) == 0) {
    target.commit();
    return;
  }
  if (::ftruncate(target.fd(), status.st_size) != 0) throw_errno("cannot write", to.string(), errno);
  std::vector<char> buffer;
  off_t at = 0;
  while (const auto data = next_data(source.get(), at, status.st_size, from)) {
    copy_range(source.get(), target.fd(), data->start, data->end, from, to, buffer);
    at = data->end;
  }
  target.commit();
}

}  // namespace k8simg
