// The one exception type: what went wrong, where it was met on the way up, and what to do about it.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <vector>

namespace k8simg {

/// Kinds are exit codes of the program.
enum class ErrorKind : int {
  Internal = 1,
  Usage = 2,         ///< command line or configuration
  Resolve = 3,       ///< packages cannot be chosen, scripts nobody judged
  Fetch = 4,         ///< download, size, hash or signature
  Step = 5,          ///< a build step failed
  Flash = 6,         ///< refused to write a device
  Interrupted = 130  ///< the user pressed Ctrl-C
};

class Error : public std::exception {
 public:
  /// URLs lose their passwords and queries: errors go into logs and to other people.
  /// `message`: one sentence naming the file, line, key or package. `hint`: what to do (may be empty).
  Error(ErrorKind kind, std::string message, std::string hint = {});

  ErrorKind kind() const { return kind_; }
  const std::string& message() const { return message_; }
  const std::string& hint() const { return hint_; }
  /// Innermost first: each layer adds the line that says what it was doing.
  const std::vector<std::string>& context() const { return context_; }

  Error& add_context(std::string line);
  /// Names the entry of the configuration that is at fault: `entry` of the list of tables `table` ("rootfs.mode"). Who
  /// has the configuration adds the file and line.
  Error& about_setting(std::string table, std::string entry);
  struct SettingName {
    std::string table, entry;
  };
  const std::optional<SettingName>& setting() const { return setting_; }
  /// Several lines for people: message, "while ..." lines, hint.
  std::string describe() const;
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  ErrorKind kind_;
  std::string message_;
  std::string hint_;
  std::vector<std::string> context_;
  std::optional<SettingName> setting_;
};

/// Runs `body`; an Error that passes through gains `line` ("while unpacking pool/...").
template <class Body>
auto with_context(const std::string& line, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (Error& error) {
    error.add_context(line);
    throw;
  }
}

/// What to do about a failed call on `path`; "" when there is nothing to say. Of a path that may not be used because
/// somebody else owns it, as after an earlier `sudo`, it names the topmost folder that is concerned.
std::string errno_hint(const std::string& path, int errno_value);

/// Throws Error{Internal} with `what: strerror(errno_value)` and the path.
[[noreturn]] void throw_errno(const std::string& what, const std::string& path, int errno_value);

}  // namespace k8simg
