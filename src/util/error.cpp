// Error::describe(), and errno values as Errors with hints.
#include "util/error.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "util/text.hpp"

namespace k8simg {

namespace {

/// Names the owner of the path that cannot be accessed, and the chown command that fixes it. Only for folders below one
/// of the caller's own: the owner of other parts of the machine must not be changed.
std::string owner_hint(const std::string& path) {
  namespace fs = std::filesystem;
  const uid_t me = ::geteuid();
  struct stat status {};
  std::error_code error;
  fs::path place = fs::absolute(path, error).lexically_normal();
  while (::lstat(place.c_str(), &status) != 0 && place.has_relative_path()) place = place.parent_path();
  if (me == 0 || status.st_uid == me) return {};
  const uid_t owner = status.st_uid;
  while (place.has_relative_path() && ::lstat(place.parent_path().c_str(), &status) == 0 && status.st_uid == owner)
    place = place.parent_path();
  if (!place.has_relative_path() || status.st_uid != me) return {};
  const std::string whose = owner == 0 ? "root, perhaps since an earlier `sudo`" : "user " + std::to_string(owner);
  return place.string() + " belongs to " + whose + ": `sudo chown -R " + std::to_string(me) + ":" +
         std::to_string(::getegid()) + " '" + place.string() + "'` gives it to you.";
}

}  // namespace

Error::Error(ErrorKind kind, std::string message, std::string hint)
    : kind_(kind), message_(without_secrets(message)), hint_(without_secrets(hint)) {}

Error& Error::add_context(std::string line) {
  context_.push_back(without_secrets(line));
  return *this;
}

Error& Error::about_setting(std::string table, std::string entry) {
  setting_ = SettingName{std::move(table), std::move(entry)};
  return *this;
}

std::string Error::describe() const {
  std::string text = message_;
  for (const std::string& line : context_) {
    text += "\n  ";
    for (char c : line) {
      text += c;
      if (c == '\n') text += "  ";  // a context may have several lines, such as the end of a log
    }
  }
  if (!hint_.empty()) text += "\n" + hint_;
  return text;
}

std::string errno_hint(const std::string& path, int errno_value) {
  if (errno_value == ENOSPC) return "The disk is full: free some space on the filesystem that holds " + path + ".";
  if (errno_value == EDQUOT) return "Your disk quota is used up: free some space below " + path + ".";
  if (errno_value == EMFILE) return "Too many open files: raise the limit, as with `ulimit -n 4096`.";
  if (errno_value == EACCES || errno_value == EPERM) return owner_hint(path);
  return {};
}

void throw_errno(const std::string& what, const std::string& path, int errno_value) {
  // Not strerror: it may share one buffer between threads.
  throw Error(ErrorKind::Internal, what + " " + path + ": " + std::system_category().message(errno_value),
              errno_hint(path, errno_value));
}

}  // namespace k8simg
