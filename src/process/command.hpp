// Running an external program: argument vector, cleaned environment, own process group, log file; and the seam for
// tests.
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
  double timeout_seconds = 0;            ///< 0: none; past it the whole group is killed
  std::function<void(int pid)> started;  ///< called once the program runs, from the thread of run()
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
  /// Returns when the program ended; what it left running in its process group is killed. The program gets umask 022,
  /// default signal handling and no open descriptor but 0 to 2. Past the timeout or after a stop request, TERM and
  /// 2 s later KILL go to the whole group. A stop request throws Error{Interrupted}. Throws Error{Internal} when
  /// the program cannot be started at all (says "not found" and the name).
  virtual CommandResult run(const Command& command, std::stop_token stop = {}) = 0;
};

/// The real one: posix fork/exec, own process group, PR_SET_PDEATHSIG so that nothing outlives a killed k8simg.
CommandRunner& system_runner();

/// Runs and throws Error{Step} when the exit code is not 0: names `what`, the exact argv, the log's path and its last
/// 40 lines.
CommandResult run_checked(CommandRunner& runner, const Command& command, const std::string& what,
                          std::stop_token stop = {});

/// argv as a person could paste it into a shell.
std::string quote_argv(const std::vector<std::string>& argv);

/// Last `lines` lines of a file, 32 KiB at most, for error messages.
std::string tail_of(const std::filesystem::path& file, int lines = 40);

}  // namespace k8simg
