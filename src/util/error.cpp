// The text of errors: what describe() prints, and errno as an Error.
#include "util/error.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

namespace k8simg {

Error::Error(ErrorKind kind, std::string message, std::string hint)
    : kind_(kind), message_(std::move(message)), hint_(std::move(hint)) {}

Error& Error::add_context(std::string line) {
  context_.push_back(std::move(line));
  return *this;
}

std::string Error::describe() const {
  std::string text = message_;
  for (const std::string& line : context_) {
    text += "\n  ";
    for (char c : line) {
      text += c;
      if (c == '\n') text += "  ";  // the end of a log, for one, has several lines
    }
  }
  if (!hint_.empty()) text += "\n" + hint_;
  return text;
}

void throw_errno(const std::string& what, const std::string& path, int errno_value) {
  // std::system_category instead of strerror: the latter may share one buffer between threads.
  std::string message = what + " " + path + ": " + std::system_category().message(errno_value);
  std::string hint;
  if (errno_value == ENOSPC) hint = "The disk is full: free some space on the filesystem that holds " + path + ".";
  if (errno_value == EDQUOT) hint = "Your disk quota is used up: free some space below " + path + ".";
  if (errno_value == EMFILE) hint = "Too many open files: raise the limit, as with `ulimit -n 4096`.";
  throw Error(ErrorKind::Internal, std::move(message), std::move(hint));
}

}  // namespace k8simg
