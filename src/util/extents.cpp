// Finds holes and data with SEEK_HOLE and SEEK_DATA.
#include "util/extents.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "util/error.hpp"

namespace k8simg {

namespace fs = std::filesystem;

void throw_shorter(const fs::path& file) {
  throw Error(ErrorKind::Internal, "cannot read " + file.string() + ": it became shorter while it was read",
              "Do not change the file while it is used, and try again.");
}

namespace {

/// ENXIO means that no data follows up to the end of the file. The file may have become shorter.
void check_size(int fd, off_t size, const fs::path& file) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw_errno("cannot read", file.string(), errno);
  if (status.st_size < size) throw_shorter(file);
}

/// Filesystems and FUSE servers without support for holes return EINVAL, EOPNOTSUPP or ENOSYS.
bool knows_no_holes(int error) { return error == EINVAL || error == EOPNOTSUPP || error == ENOSYS; }

}  // namespace

std::optional<DataRange> next_data(int fd, off_t at, off_t size, const fs::path& file) {
  if (at >= size) return std::nullopt;
  const off_t start = ::lseek(fd, at, SEEK_DATA);
  if (start < 0) {
    if (knows_no_holes(errno)) return DataRange{at, size};
    if (errno != ENXIO) throw_errno("cannot read", file.string(), errno);
    check_size(fd, size, file);
    return std::nullopt;
  }
  if (start >= size) return std::nullopt;
  if (start < at) return DataRange{at, size};
  const off_t end = ::lseek(fd, start, SEEK_HOLE);
  if (end < 0) {
    if (knows_no_holes(errno)) return DataRange{start, size};
    if (errno != ENXIO) throw_errno("cannot read", file.string(), errno);
    throw_shorter(file);  // `start` lies beyond its end
  }
  return DataRange{start, end > start ? std::min(end, size) : size};
}

void read_range(int fd, DataRange range, const fs::path& file, std::span<char> buffer,
                const std::function<void(std::string_view, off_t)>& take) {
  for (off_t at = range.start; at < range.end;) {
    const auto wanted = static_cast<std::size_t>(std::min<off_t>(range.end - at, static_cast<off_t>(buffer.size())));
    const ssize_t count = ::pread(fd, buffer.data(), wanted, at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno("cannot read", file.string(), errno);
    if (count == 0) throw_shorter(file);
    take({buffer.data(), static_cast<std::size_t>(count)}, at);
    at += count;
  }
}

std::string read_all_at(int fd, off_t offset, std::size_t size, const std::filesystem::path& file) {
  std::string buffer(size, '\0'), bytes;
  read_range(fd, {offset, offset + static_cast<off_t>(size)}, file, buffer,
             [&](std::string_view piece, off_t) { bytes += piece; });
  return bytes;
}

void write_all_at(int fd, std::string_view bytes, off_t offset, const fs::path& file) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno("cannot write", file.string(), errno);
    if (count == 0) throw_errno("cannot write", file.string(), ENOSPC);
    bytes.remove_prefix(static_cast<std::size_t>(count));
    offset += count;
  }
}

}  // namespace k8simg
