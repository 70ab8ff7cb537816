// Checks exit codes, quotes argument vectors and reads the end of logs.
#include "process/command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <unistd.h>

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

std::string quote(const std::string& argument) {
  static constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@%+=:,./_-";
  if (!argument.empty() && argument.find_first_not_of(plain) == std::string::npos) return argument;
  return shell_word(argument);
}

std::string outcome(const CommandResult& result, const Command& command) {
  if (result.timed_out) return fmt::format("did not end within {}", format_duration(command.timeout_seconds));
  if (result.exit_code > 128 && result.exit_code <= 128 + 64) {
    const int signal = result.exit_code - 128;
    const char* name = ::sigdescr_np(signal);
    // A shell and bwrap exit with the same number when their program was killed.
    return fmt::format("failed: killed by signal {} ({})", signal, name != nullptr ? name : "unknown");
  }
  return fmt::format("failed with exit code {}", result.exit_code);
}

}  // namespace

std::string quote_argv(const std::vector<std::string>& argv) {
  std::string text;
  for (const std::string& argument : argv) {
    if (!text.empty()) text += ' ';
    text += quote(argument);
  }
  return text;
}

std::string tail_of(const std::filesystem::path& file, int lines) {
  const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  const off_t size = fd.valid() ? ::lseek(fd.get(), 0, SEEK_END) : -1;
  if (size <= 0 || lines <= 0) return {};
  // Logs may have hundreds of megabytes and very long lines, so only the last bytes are read.
  constexpr off_t most = 32 * 1024;
  const off_t start = size > most ? size - most : 0;
  std::string text(static_cast<std::size_t>(size - start), '\0');
  std::size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t count =
        ::pread(fd.get(), text.data() + filled, text.size() - filled, start + static_cast<off_t>(filled));
    if (count <= 0) break;
    filled += static_cast<std::size_t>(count);
  }
  text.resize(filled);
  if (start > 0)
    text.erase(0, text.size() - last_bytes(text, static_cast<std::size_t>(most) - 3)
                                    .size());  // as read, it may begin inside of a character
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::size_t from = text.size();
  for (int line = 0; line < lines; ++line) {
    from = from == 0 ? std::string::npos : text.rfind('\n', from - 1);
    if (from == std::string::npos) return text;
  }
  return text.substr(from + 1);
}

CommandResult run_checked(CommandRunner& runner, const Command& command, const std::string& what,
                          std::stop_token stop) {
  CommandResult result = runner.run(command, std::move(stop));
  if (result.exit_code == 0 && !result.timed_out) return result;
  Error error(ErrorKind::Step, what + " " + outcome(result, command));
  error.add_context("command: " + quote_argv(command.argv));
  if (!command.log.empty()) {
    error.add_context("log: " + command.log.string());
    const std::string tail = tail_of(command.log);
    error.add_context(tail.empty() ? "the log is empty" : "last lines of the log:\n" + tail);
  }
  throw error;
}

}  // namespace k8simg
