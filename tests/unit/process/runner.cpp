// Tests the real runner: exit codes, signals, limits, streams and the environment of programs.
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "process/command.hpp"
#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

using namespace k8simg;
using namespace std::chrono_literals;

namespace {

const std::string path = "/usr/local/bin:/usr/bin:/bin";

Command shell(const std::string& script) {
  Command command;
  command.argv = {"sh", "-c", script};
  command.environment = {{"PATH", path}};
  command.capture_stdout = true;
  return command;
}

std::string error_of(const Command& command) {
  try {
    system_runner().run(command);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Internal);
    return error.describe();
  }
  return "no error";
}

bool alive(pid_t pid) {
  // A zombie that its new parent has not reaped yet counts as ended.
  try {
    const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
    return stat.substr(stat.rfind(')') + 2, 1) != "Z";
  } catch (const Error&) {
    return false;
  }
}

bool dies_soon(pid_t pid) {
  for (int i = 0; i < 100 && alive(pid); ++i) std::this_thread::sleep_for(20ms);
  return !alive(pid);
}

pid_t pid_in(const fs::path& file) {
  for (int i = 0; i < 200; ++i) {
    if (fs::exists(file)) {
      const std::string text = read_file(file);
      if (text.ends_with('\n')) return std::stoi(text);
    }
    std::this_thread::sleep_for(10ms);
  }
  return -1;
}

}  // namespace

TEST_CASE("exit codes come back, and signals as 128 plus their number") {
  CHECK(system_runner().run(shell("exit 0")).exit_code == 0);
  CHECK(system_runner().run(shell("exit 7")).exit_code == 7);
  CHECK(system_runner().run(shell("kill -SEGV $$")).exit_code == 128 + SIGSEGV);
  CHECK(system_runner().run(shell("kill -KILL $$")).exit_code == 128 + SIGKILL);
}

TEST_CASE("a program that cannot be started is named") {
  Command command;
  command.environment = {{"PATH", path}};
  command.argv = {"no-such-program"};
  CHECK(error_of(command).find("cannot run no-such-program: not found in PATH (" + path + ")") == 0);
  command.argv = {"/nowhere/program"};
  CHECK(error_of(command) == "cannot run /nowhere/program: not found");
  command.argv = {"true"};
  command.working_folder = "/nowhere";
  CHECK(error_of(command).find("in the folder /nowhere: No such file or directory") != std::string::npos);
  command.working_folder.clear();
  command.input_fd = 987;
  CHECK(error_of(command).find("cannot redirect the streams of /usr/bin/true") == 0);
  command.argv.clear();
  CHECK(error_of(command).find("without a program") != std::string::npos);

  const TempDir folder(fs::temp_directory_path());
  write_file_atomically(folder.path() / "script", "#!/nowhere/interpreter\n", 0755);
  command.argv = {(folder.path() / "script").string()};
  command.input_fd.reset();
  CHECK(error_of(command).find("its interpreter was not found") != std::string::npos);
  const std::string text = (folder.path() / "text").string();
  write_file_atomically(text, "no program\n");
  command.argv = {text};
  CHECK(error_of(command) == "cannot run " + text + ": Permission denied");
}

TEST_CASE("the program is found in the PATH of its own environment only") {
  const TempDir folder(fs::temp_directory_path());
  write_file_atomically(folder.path() / "ls", "#!/bin/sh\necho mine\n", 0755);
  Command command;
  command.argv = {"ls"};
  command.environment = {{"PATH", "/nowhere:" + folder.path().string() + ":/bin"}};
  command.capture_stdout = true;
  CHECK(system_runner().run(command).output == "mine\n");
  command.environment.clear();
  CHECK_THROWS_AS(system_runner().run(command), Error);
}

TEST_CASE("the environment is exactly what was given") {
  ::setenv("K8SIMG_TEST_LEAK", "1", 1);
  Command command;
  command.argv = {"/usr/bin/env"};
  command.environment = {{"A", "1"}, {"B", "two words"}};
  command.capture_stdout = true;
  CHECK(system_runner().run(command).output == "A=1\nB=two words\n");
  ::unsetenv("K8SIMG_TEST_LEAK");
}

TEST_CASE("the program sees no descriptor, mask or signal setting of ours") {
  const Fd leaking(::open("/dev/null", O_RDONLY));  // without O_CLOEXEC, as a library might
  ::signal(SIGUSR1, SIG_IGN);
  const mode_t before = ::umask(077);
  Command command = shell("ls /proc/self/fd | wc -l; umask; grep -E 'Sig(Blk|Ign)' /proc/self/status");
  const std::string output = system_runner().run(command).output;
  ::umask(before);
  ::signal(SIGUSR1, SIG_DFL);
  // 0, 1, 2 and the descriptor with which ls reads the folder.
  CHECK(output == "4\n0022\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_CASE("standard input: nothing, given bytes, or a descriptor") {
  Command command = shell("cat");
  CHECK(system_runner().run(command).output.empty());
  command.input = std::string(1'000'000, 'i');  // more than the capacity of a pipe
  CHECK(system_runner().run(command).output == command.input);
  command.argv = {"true"};  // does not read its input: no SIGPIPE, no hang
  CHECK(system_runner().run(command).exit_code == 0);
  const TempDir folder(fs::temp_directory_path());
  write_file_atomically(folder.path() / "in", "from a file");
  const Fd fd = Fd::open(folder.path() / "in", O_RDONLY);
  command.argv = {"cat"};
  command.input_fd = fd.get();
  CHECK(system_runner().run(command).output == "from a file");
}

TEST_CASE("captured output may be large; the log is appended to") {
  const TempDir folder(fs::temp_directory_path());
  Command command = shell("echo error >&2; head -c 3000000 /dev/zero");
  command.log = folder.path() / "log";
  CHECK(system_runner().run(command).output == std::string(3'000'000, '\0'));
  command = shell("echo out; echo err >&2");
  command.log = folder.path() / "log";
  command.capture_stdout = false;
  CHECK(system_runner().run(command).output.empty());
  CHECK(read_file(folder.path() / "log") == "error\nout\nerr\n");
}

TEST_CASE("the working folder is the given one") {
  Command command = shell("pwd");
  command.working_folder = "/usr";
  CHECK(system_runner().run(command).output == "/usr\n");
}

TEST_CASE("a timeout ends the program and what it started, also when TERM is ignored") {
  const TempDir folder(fs::temp_directory_path());
  const std::string file = (folder.path() / "pid").string();
  Command command = shell("trap '' TERM; (trap '' TERM; exec sleep 1000) & echo $! > " + file + "; wait; sleep 1000");
  command.timeout_seconds = 0.3;
  const CommandResult result = system_runner().run(command);
  CHECK(result.timed_out);
  CHECK(result.exit_code == 128 + SIGKILL);
  CHECK(result.seconds > 2.2);  // TERM at 0.3 s, KILL 2 s later
  CHECK(result.seconds < 10);
  CHECK(dies_soon(pid_in(file)));
}

TEST_CASE("a program that obeys TERM ends at once on a timeout") {
  Command command = shell("exec sleep 1000");
  command.timeout_seconds = 0.2;
  const CommandResult result = system_runner().run(command);
  CHECK(result.timed_out);
  CHECK(result.exit_code == 128 + SIGTERM);
  CHECK(result.seconds < 2);
}

TEST_CASE("a stop request ends the program with its grandchildren and throws Interrupted") {
  const TempDir folder(fs::temp_directory_path());
  const std::string file = (folder.path() / "pid").string();
  const Command command = shell("sleep 1000 & echo $! > " + file + "; wait");
  std::stop_source source;
  std::jthread stopper([&] {
    pid_in(file);
    source.request_stop();
  });
  const auto start = std::chrono::steady_clock::now();
  try {
    system_runner().run(command, source.get_token());
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Interrupted);
  }
  CHECK(std::chrono::steady_clock::now() - start < 10s);
  CHECK(dies_soon(pid_in(file)));
}

TEST_CASE("nothing is started after a stop request") {
  const TempDir folder(fs::temp_directory_path());
  std::stop_source source;
  source.request_stop();
  CHECK_THROWS_AS(system_runner().run(shell("touch " + (folder.path() / "f").string()), source.get_token()), Error);
  CHECK_FALSE(fs::exists(folder.path() / "f"));
}

TEST_CASE("what a program leaves running in the background ends with it, and does not hold up its output") {
  const TempDir folder(fs::temp_directory_path());
  const std::string file = (folder.path() / "pid").string();
  const CommandResult result = system_runner().run(shell("sleep 1000 & echo $! > " + file + "; echo done"));
  CHECK(result.output == "done\n");
  CHECK(result.seconds < 10);
  CHECK(dies_soon(pid_in(file)));
}

TEST_CASE("the program dies when we are killed") {
  const TempDir folder(fs::temp_directory_path());
  const std::string file = (folder.path() / "pid").string();
  const pid_t us = ::fork();
  if (us == 0) {
    try {
      system_runner().run(shell("echo $$ > " + file + "; exec sleep 1000"));
    } catch (...) {
    }
    ::_exit(0);
  }
  const pid_t program = pid_in(file);
  REQUIRE(program > 0);
  CHECK(alive(program));
  ::kill(us, SIGKILL);
  CHECK(dies_soon(program));
}

TEST_CASE("an interactive program has the terminal, cannot stay stopped, and leaves the terminal as it was") {
  const Fd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  REQUIRE(master.valid());
  REQUIRE(::grantpt(master.get()) == 0);
  REQUIRE(::unlockpt(master.get()) == 0);
  const std::string name = ::ptsname(master.get());
  const pid_t us = ::fork();
  if (us == 0) {
    ::setsid();
    const int slave = ::open(name.c_str(), O_RDWR);  // becomes the controlling terminal
    for (int fd = 0; fd < 3; ++fd) ::dup2(slave, fd);
    Command command = shell("read line; echo got $line; kill -TSTP $$; stty raw -echo; exit 5");
    command.interactive = true;
    command.capture_stdout = false;
    int code = 0;
    try {
      const CommandResult result = system_runner().run(command);
      termios attributes{};
      if (result.exit_code != 5) code = 1;
      if (::tcgetpgrp(0) != ::getpgrp()) code = 2;
      if (::tcgetattr(0, &attributes) != 0 || (attributes.c_lflag & ICANON) == 0) code = 3;
    } catch (...) {
      code = 4;
    }
    ::_exit(code);
  }
  REQUIRE(::write(master.get(), "hello\n", 6) == 6);
  std::string output;
  char buffer[256];
  for (ssize_t count = 0; (count = ::read(master.get(), buffer, sizeof buffer)) > 0;)
    output.append(buffer, static_cast<std::size_t>(count));
  int status = 0;
  ::waitpid(us, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(output.find("got hello") != std::string::npos);
}

TEST_CASE("many programs run at once from several threads") {
  std::vector<std::jthread> threads;
  std::atomic<int> right{0};
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&right, i] {
      for (int j = 0; j < 20; ++j) {
        const std::string text = std::to_string(i * 100 + j);
        if (system_runner().run(shell("echo " + text)).output == text + "\n") ++right;
      }
    });
  threads.clear();
  CHECK(right == 160);
}
