// Writes whole texts, one after the other, without a buffer of our own: so no two of them mix, and none overtakes
// another.
#include "report/output.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>

#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

std::mutex& one_at_a_time() {
  static std::mutex mutex;
  return mutex;
}

/// errno, or 0 when all was written. A program that shares the terminal may have made it non-blocking: `patience` ms
/// for it to take more (-1: without end).
int write_text(int fd, std::string_view text, int patience) {
  const std::scoped_lock lock(one_at_a_time());
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      pollfd writable{fd, POLLOUT, 0};
      if (::poll(&writable, 1, patience) == 0) return EAGAIN;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

void print_out(std::string_view text) {
  if (const int error = write_text(STDOUT_FILENO, printable(text), -1); error != 0)
    throw_errno("cannot write to", "standard output", error);
}

void print_error(std::string_view text) { write_or_drop(STDERR_FILENO, printable(text)); }

void write_or_drop(int fd, std::string_view text) { write_text(fd, text, 1000); }

}  // namespace k8simg
