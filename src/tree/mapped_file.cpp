// Maps files read-only.
#include "tree/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <cerrno>

#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

MappedFile::MappedFile(const std::filesystem::path& file) {
  const auto fd = Fd::open(file, O_RDONLY);
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) throw_errno("cannot read", file.string(), errno);
  if (!S_ISREG(status.st_mode)) throw_errno("cannot read", file.string(), S_ISDIR(status.st_mode) ? EISDIR : EINVAL);
  if (status.st_size == 0) return;  // mmap() fails with length 0
  const auto size = static_cast<std::size_t>(status.st_size);
  void* address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (address == MAP_FAILED) throw_errno("cannot map", file.string(), errno);
  madvise(address, size, MADV_SEQUENTIAL);
  bytes_ = {static_cast<const char*>(address), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<char*>(bytes_.data()), bytes_.size());
}

}  // namespace k8simg
