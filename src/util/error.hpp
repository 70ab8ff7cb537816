// The only exception type: what failed, in which context, and what to do about it.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <vector>

namespace k8simg {

/// The values are the exit codes of the program.
enum class ErrorKind : int {
  Internal = 1,
  Usage = 2,         ///< command line or configuration
  Resolve = 3,       ///< packages cannot be resolved, or a maintainer script has no judgement
  Fetch = 4,         ///< download, size, hash or signature
  Step = 5,          ///< a build step failed
  Flash = 6,         ///< refused to write a device
  Interrupted = 130  ///< the user pressed Ctrl-C
};

class Error : public std::exception {
 public:
  /// `message`: one sentence that names the file, line, key or package. `hint`: what to do (may be empty). Passwords
  /// and queries of URLs are removed from all texts, since errors are logged and shared.
  Error(ErrorKind kind, std::string message, std::string hint = {});

  ErrorKind kind() const { return kind_; }
  const std::string& message() const { return message_; }
  const std::string& hint() const { return hint_; }
  /// Innermost first. Each caller adds a line that says what it was doing.
  const std::vector<std::string>& context() const { return context_; }

  Error& add_context(std::string line);
  /// Names the configuration entry that caused the error: `entry` of the list of tables `table` ("rootfs.mode"), or
  /// the key `table` ("system.locale") without an entry. The caller that has the configuration adds file and line.
  Error& about_setting(std::string table, std::string entry = {});
  struct SettingName {
    std::string table, entry;
  };
  const std::optional<SettingName>& setting() const { return setting_; }
  /// Several lines: message, context lines, hint.
  std::string describe() const;
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  ErrorKind kind_;
  std::string message_;
  std::string hint_;
  std::vector<std::string> context_;
  std::optional<SettingName> setting_;
};

/// Runs `body` and adds `line` ("while unpacking pool/...") to the context of an Error.
template <class Body>
auto with_context(const std::string& line, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (Error& error) {
    error.add_context(line);
    throw;
  }
}

/// What to do about a failed call on `path`; "" when there is no advice. If another user owns the path, for example
/// after an earlier `sudo`, it names the topmost folder concerned.
std::string errno_hint(const std::string& path, int errno_value);

/// Throws Error{Internal} with the text "`what` `path`: strerror(errno_value)".
[[noreturn]] void throw_errno(const std::string& what, const std::string& path, int errno_value);

}  // namespace k8simg
