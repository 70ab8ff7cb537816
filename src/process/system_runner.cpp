// CommandRunner with fork and exec: each program has its own process group and is watched through a pidfd.
#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>

#include "process/command.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr auto grace = std::chrono::seconds(2);  ///< between TERM and KILL

/// The stage at which the child failed before exec. It is sent through a pipe that exec closes.
struct StartFailure {
  enum Stage : int { Streams, Folder, Exec } stage;
  int error;
};

/// Everything the child needs, prepared before the fork. Another thread may hold the allocator's lock at the fork, so
/// the child may only make system calls.
struct Launch {
  std::string program;
  std::vector<char*> argv, environment;
  std::vector<std::string> environment_text;
  const char* folder = nullptr;
  int input = -1, output = -1, error = -1;  ///< -1: inherited
  int failure_pipe = -1;
  bool foreground = false;
  pid_t parent = 0;
};

/// Moves a descriptor above 2. If k8simg was started with closed standard streams, a new descriptor may be 0 to 2 and
/// collide with dup2.
Fd above_standard(Fd fd) {
  if (fd.get() > 2) return fd;
  const int copy = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3);
  if (copy < 0) throw_errno("cannot duplicate a descriptor of", "this process", errno);
  return Fd(copy);
}

std::pair<Fd, Fd> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("cannot make", "a pipe", errno);
  Fd reader(ends[0]), writer(ends[1]);
  return {above_standard(std::move(reader)), above_standard(std::move(writer))};
}

/// A memory file instead of a pipe: no thread has to write to it while the program runs, and there is no SIGPIPE.
Fd memory_file(const std::string& bytes) {
  Fd fd(::memfd_create("input", MFD_CLOEXEC));
  if (!fd.valid()) throw_errno("cannot make", "a file in memory", errno);
  write_all(fd.get(), bytes, "a file in memory");
  if (::lseek(fd.get(), 0, SEEK_SET) < 0) throw_errno("cannot rewind", "a file in memory", errno);
  return above_standard(std::move(fd));
}

std::string find_program(const Command& command) {
  const std::string& name = command.argv.front();
  if (name.find('/') != std::string::npos) return name;
  const auto path = command.environment.find("PATH");
  const std::string folders = path == command.environment.end() ? "" : path->second;
  for (const std::string& folder : split(folders, ':')) {
    if (folder.empty()) continue;  // POSIX: the current folder, which is not searched here
    const std::string candidate = folder + "/" + name;
    struct stat status {};
    if (::stat(candidate.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(candidate.c_str(), X_OK) == 0)
      return candidate;
  }
  throw Error(ErrorKind::Internal, fmt::format("cannot run {}: not found in PATH ({})", name, folders),
              fmt::format("Install the package that has the program {}.", name));
}

/// Runs in the child between fork and exec: system calls only, no allocation, no lock, no exception.
[[noreturn]] void become_program(const Launch& launch) {
  const auto fail = [&](StartFailure::Stage stage) {
    const StartFailure failure{stage, errno};
    [[maybe_unused]] const ssize_t written = ::write(launch.failure_pipe, &failure, sizeof failure);
    ::_exit(127);
  };
  ::setpgid(0, 0);
  // The signal is sent when the *thread* that forked ends, not only when the process ends. run() does not return before
  // the program has ended, so the thread lives long enough.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != launch.parent) ::_exit(127);     // it ended before prctl()
  if (launch.foreground) ::tcsetpgrp(0, ::getpid());  // signals are still blocked: no SIGTTOU
  if (launch.input >= 0 && ::dup2(launch.input, 0) < 0) fail(StartFailure::Streams);
  if (launch.output >= 0 && ::dup2(launch.output, 1) < 0) fail(StartFailure::Streams);
  if (launch.error >= 0 && ::dup2(launch.error, 2) < 0) fail(StartFailure::Streams);
  // Libraries open files without O_CLOEXEC. A lock or pipe end inherited by the program would block other processes.
  ::close_range(3, UINT_MAX, CLOSE_RANGE_CLOEXEC);
  ::umask(022);
  if (launch.folder != nullptr && ::chdir(launch.folder) != 0) fail(StartFailure::Folder);
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &action, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(launch.program.c_str(), launch.argv.data(), launch.environment.data());
  fail(StartFailure::Exec);
  ::_exit(127);
}

class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_{};
};

/// Takes the terminal back after the program and restores its attributes.
class TerminalGuard {
 public:
  explicit TerminalGuard(bool interactive) : active_(interactive && ::tcgetpgrp(0) == ::getpgrp()) {
    if (active_) saved_ = ::tcgetattr(0, &attributes_) == 0;
  }
  ~TerminalGuard() {
    if (!active_) return;
    const BlockedSignals blocked;  // prevents SIGTTOU: k8simg is in the background until tcsetpgrp() succeeds
    ::tcsetpgrp(0, ::getpgrp());
    if (saved_) ::tcsetattr(0, TCSADRAIN, &attributes_);
  }
  TerminalGuard(const TerminalGuard&) = delete;
  TerminalGuard& operator=(const TerminalGuard&) = delete;
  bool active() const { return active_; }

 private:
  bool active_, saved_ = false;
  termios attributes_{};
};

/// A started program. The destructor kills the process group and reaps the program.
class Child {
 public:
  // syscall() because Debian 12's <sys/pidfd.h> declares pidfd_open with C++ linkage. The descriptor is O_CLOEXEC.
  explicit Child(pid_t pid) : pid_(pid), watch_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
  ~Child() {
    if (pid_ > 0) reap();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void watch_or_throw() const {
    if (!watch_.valid()) throw_errno("cannot watch", "a started program", errno);
  }
  int watch() const { return watch_.get(); }
  /// The pid is not reused before reap(), so this signals no other process group.
  void signal_group(int signal) const {
    if (::kill(-pid_, signal) != 0) ::kill(pid_, signal);
  }
  /// Continues an interactive program that stopped itself (Ctrl-Z): there is no shell that could continue it.
  void continue_if_stopped() const {
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WNOHANG) == 0 && info.si_pid == pid_)
      signal_group(SIGCONT);
  }
  int reap() {
    // Processes left in the group could continue to write into the step's folder.
    signal_group(SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_;
  Fd watch_;
};

void read_available(int fd, std::string& output, bool& open) {
  char buffer[16384];
  for (;;) {
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count > 0) {
      output.append(buffer, static_cast<std::size_t>(count));
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else {
      if (count == 0 || errno != EAGAIN) open = false;
      return;
    }
  }
}

class SystemRunner final : public CommandRunner {
 public:
  CommandResult run(const Command& command, std::stop_token stop) override;
};

void throw_interrupted(const Command& command) {
  throw Error(ErrorKind::Interrupted, fmt::format("interrupted while running {}", command.argv.front()));
}

/// Throws if the child reported that it could not start the program.
void check_started(const Fd& failure_pipe, const Command& command, const std::string& program) {
  StartFailure failure{};
  ssize_t count = 0;
  do count = ::read(failure_pipe.get(), &failure, sizeof failure);
  while (count < 0 && errno == EINTR);
  if (count != static_cast<ssize_t>(sizeof failure)) return;
  if (failure.stage == StartFailure::Streams) throw_errno("cannot redirect the streams of", program, failure.error);
  if (failure.stage == StartFailure::Folder)
    throw_errno(fmt::format("cannot run {} in the folder", program), command.working_folder.string(), failure.error);
  if (failure.error == ENOENT && ::access(program.c_str(), F_OK) == 0)
    throw Error(ErrorKind::Internal, fmt::format("cannot run {}: its interpreter was not found", program));
  if (failure.error == ENOENT) throw Error(ErrorKind::Internal, fmt::format("cannot run {}: not found", program));
  throw_errno("cannot run", program, failure.error);
}

CommandResult SystemRunner::run(const Command& command, std::stop_token stop) {
  if (command.argv.empty()) throw Error(ErrorKind::Internal, "cannot run a command without a program");
  if (stop.stop_requested()) throw_interrupted(command);

  Launch launch;
  launch.program = find_program(command);
  for (const std::string& argument : command.argv) launch.argv.push_back(const_cast<char*>(argument.c_str()));
  launch.argv.push_back(nullptr);
  for (const auto& [name, value] : command.environment) launch.environment_text.push_back(name + "=" + value);
  for (std::string& entry : launch.environment_text) launch.environment.push_back(entry.data());
  launch.environment.push_back(nullptr);
  if (!command.working_folder.empty()) launch.folder = command.working_folder.c_str();

  const TerminalGuard terminal(command.interactive);
  launch.foreground = terminal.active();
  Fd input, log, capture_reader, capture_writer;
  if (command.input_fd) {
    launch.input = *command.input_fd;
    if (launch.input <= 2 && launch.input != 0) {
      input = above_standard(Fd(::fcntl(launch.input, F_DUPFD_CLOEXEC, 3)));
      launch.input = input.get();
    }
  } else if (!command.interactive || !command.input.empty()) {
    input = command.input.empty() ? above_standard(Fd::open("/dev/null", O_RDONLY)) : memory_file(command.input);
    launch.input = input.get();
  }
  if (!command.interactive) {
    log = above_standard(command.log.empty() ? Fd::open("/dev/null", O_WRONLY)
                                             : Fd::open(command.log, O_WRONLY | O_CREAT | O_APPEND));
    launch.output = launch.error = log.get();
  } else if (!command.log.empty()) {
    log = above_standard(Fd::open(command.log, O_WRONLY | O_CREAT | O_APPEND));
    launch.error = log.get();
  }
  if (command.capture_stdout) {
    std::tie(capture_reader, capture_writer) = make_pipe();
    if (::fcntl(capture_reader.get(), F_SETFL, O_NONBLOCK) != 0) throw_errno("cannot set up", "a pipe", errno);
    launch.output = capture_writer.get();
  }
  auto [failure_reader, failure_writer] = make_pipe();
  launch.failure_pipe = failure_writer.get();
  const Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) throw_errno("cannot make", "an event descriptor", errno);
  const std::stop_callback on_stop(stop, [fd = wake.get()] { ::eventfd_write(fd, 1); });

  const SteadyClock::time_point start = SteadyClock::now();
  launch.parent = ::getpid();
  pid_t pid = -1;
  int fork_error = 0;
  {
    // Signals are blocked so that the child does not run our handlers, which may write to a pipe shared with the
    // parent.
    const BlockedSignals blocked;
    pid = ::fork();
    if (pid == 0) become_program(launch);
    fork_error = errno;
    if (pid > 0) ::setpgid(pid, pid);  // in both processes: the order is not known
  }
  if (pid < 0) throw_errno("cannot start", launch.program, fork_error);
  Child child(pid);
  child.watch_or_throw();
  failure_writer.reset();
  capture_writer.reset();
  check_started(failure_reader, command, launch.program);
  if (command.started) command.started(pid);

  CommandResult result;
  bool capturing = command.capture_stdout, interrupted = false;
  std::optional<SteadyClock::time_point> kill_at;  // set when TERM has been sent
  for (;;) {
    const SteadyClock::time_point now = SteadyClock::now();
    std::optional<SteadyClock::time_point> wake_at = kill_at;
    if (kill_at && now >= *kill_at) {
      child.signal_group(SIGKILL);
      wake_at.reset();
    } else if (!kill_at && stop.stop_requested()) {
      interrupted = true;
    } else if (!kill_at && command.timeout_seconds > 0) {
      wake_at = start + std::chrono::duration_cast<SteadyClock::duration>(
                            std::chrono::duration<double>(command.timeout_seconds));
      result.timed_out = now >= *wake_at;
    }
    if (!kill_at && (interrupted || result.timed_out)) {
      child.signal_group(SIGTERM);
      child.signal_group(SIGCONT);  // a stopped program does not handle TERM
      wake_at = kill_at = now + grace;
    }
    int wait_ms = -1;
    if (wake_at) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*wake_at - now).count();
      wait_ms = static_cast<int>(std::clamp<long long>(left, 0, 3600'000));
    }
    if (command.interactive) {
      child.continue_if_stopped();
      wait_ms = wait_ms < 0 ? 200 : std::min(wait_ms, 200);  // a pidfd does not report stops
    }
    pollfd watched[] = {{child.watch(), POLLIN, 0},
                        {kill_at ? -1 : wake.get(), POLLIN, 0},
                        {capturing ? capture_reader.get() : -1, POLLIN, 0}};
    if (::poll(watched, 3, wait_ms) < 0 && errno != EINTR) throw_errno("cannot wait for", launch.program, errno);
    if (watched[2].revents != 0) read_available(capture_reader.get(), result.output, capturing);
    if (watched[0].revents != 0) break;
  }
  const int status = child.reap();
  // All output of the program is in the pipe now. Do not wait for the end of file: a process outside of the group may
  // hold the pipe open.
  if (capturing) read_available(capture_reader.get(), result.output, capturing);
  if (interrupted) throw_interrupted(command);
  result.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  result.seconds = std::chrono::duration<double>(SteadyClock::now() - start).count();
  return result;
}

}  // namespace

CommandRunner& system_runner() {
  static SystemRunner runner;
  return runner;
}

}  // namespace k8simg
