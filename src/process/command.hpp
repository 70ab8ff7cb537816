// Runs external programs with an argument vector, a clean environment, a process group and a log file. CommandRunner is
// replaceable in tests.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace k8simg {

struct Command {
  std::vector<std::string> argv;                   ///< argv[0] is looked up in PATH of `environment`, or absolute
  std::map<std::string, std::string> environment;  ///< the whole environment; nothing is inherited
  std::filesystem::path working_folder;            ///< empty: the caller's
  std::filesystem::path log;                       ///< stdout and stderr are appended; empty: discarded unless captured
  bool capture_stdout = false;                     ///< stdout goes to CommandResult::output instead of the log
  std::string input;                               ///< given on standard input (else /dev/null)
  std::optional<int> input_fd;                     ///< instead of `input`: this descriptor becomes standard input
  bool interactive =
      false;  ///< inherit the terminal: stdin, stdout, foreground group, and stderr unless there is a `log`
  double timeout_seconds = 0;            ///< 0: no timeout; after it the process group is killed
  std::function<void(int pid)> started;  ///< called after exec, from the thread of run()
};

struct CommandResult {
  int exit_code = 0;  ///< 128+signal when killed by a signal
  bool timed_out = false;
  std::string output;  ///< captured stdout
  double seconds = 0;
};

class CommandRunner {
 public:
  virtual ~CommandRunner() = default;
  /// Returns when the program has ended; processes left in its process group are killed. The program gets umask 022,
  /// default signal handling and no open descriptors except 0 to 2. After a timeout or a stop request, the process
  /// group gets TERM, and KILL 2 s later. A stop request throws Error{Interrupted}. Throws Error{Internal} when the
  /// program cannot be started (says "not found" and the name).
  virtual CommandResult run(const Command& command, std::stop_token stop = {}) = 0;
};

/// Uses fork and exec. PR_SET_PDEATHSIG ends the program if k8simg is killed.
CommandRunner& system_runner();

/// Runs the command and throws Error{Step} when the exit code is not 0. The error has `what`, the argument vector, the
/// log's path and its last 40 lines.
CommandResult run_checked(CommandRunner& runner, const Command& command, const std::string& what,
                          std::stop_token stop = {});

/// argv quoted for a shell.
std::string quote_argv(const std::vector<std::string>& argv);

/// The last `lines` lines of a file, at most 32 KiB.
std::string tail_of(const std::filesystem::path& file, int lines = 40);

}  // namespace k8simg
