// Writes texts unbuffered and one at a time, so that they neither mix nor change their order.
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

/// Returns errno, or 0 when all was written. Another program may have made the terminal non-blocking, so this waits up
/// to `patience` ms until it is writable (-1: no limit).
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
