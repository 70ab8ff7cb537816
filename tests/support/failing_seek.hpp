// Overrides the C library's lseek() in a test program, to simulate filesystems and failing disks. To be included by one
// source of a program.
#pragma once

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <utility>

namespace k8simg::test {

inline off_t kernel_seek(int fd, off_t offset, int whence) {
  return static_cast<off_t>(::syscall(SYS_lseek, fd, offset, whence));
}

/// Handles SEEK_DATA and SEEK_HOLE while a FakeSeek exists.
inline std::function<off_t(int fd, off_t offset, int whence)> seek_answer;

class FakeSeek {
 public:
  explicit FakeSeek(std::function<off_t(int, off_t, int)> answer) { seek_answer = std::move(answer); }
  ~FakeSeek() { seek_answer = nullptr; }
  FakeSeek(const FakeSeek&) = delete;
  FakeSeek& operator=(const FakeSeek&) = delete;
};

/// Fails with `error` for `failing`, SEEK_DATA or SEEK_HOLE.
inline auto seek_fails(int failing, int error) {
  return [=](int fd, off_t offset, int whence) -> off_t {
    if (whence != failing) return kernel_seek(fd, offset, whence);
    errno = error;
    return -1;
  };
}

}  // namespace k8simg::test

extern "C" off_t lseek(int fd, off_t offset, int whence) noexcept {
  using namespace k8simg::test;
  return seek_answer && (whence == SEEK_DATA || whence == SEEK_HOLE) ? seek_answer(fd, offset, whence)
                                                                     : kernel_seek(fd, offset, whence);
}
