// Tests messages about failed commands, quoting, and the last lines of logs.
#include "process/command.hpp"

#include <signal.h>

#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

using namespace k8simg;

namespace {

/// Writes configured output and returns a configured result.
class ScriptedRunner final : public CommandRunner {
 public:
  CommandResult result;
  std::string log_text;

  CommandResult run(const Command& command, std::stop_token) override {
    if (!log_text.empty()) write_file_atomically(command.log, log_text);
    return result;
  }
};

std::string numbered_lines(int from, int to) {
  std::string text;
  for (int i = from; i <= to; ++i) text += "line " + std::to_string(i) + "\n";
  return text;
}

std::string error_of(CommandRunner& runner, const Command& command) {
  try {
    run_checked(runner, command, "making the image");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Step);
    return error.describe();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a failed command shows what, argv, log and the log's last 40 lines") {
  const TempDir folder(fs::temp_directory_path());
  ScriptedRunner runner;
  runner.result.exit_code = 3;
  runner.log_text = numbered_lines(1, 100);
  Command command;
  command.argv = {"mke2fs", "-L", "my disk"};
  command.log = folder.path() / "step.log";
  const std::string text = error_of(runner, command);
  CHECK(text.find("making the image failed with exit code 3\n  command: mke2fs -L 'my disk'\n  log: " +
                  command.log.string() + "\n") == 0);
  CHECK(text.find("line 61\n") != std::string::npos);
  CHECK(text.find("line 60\n") == std::string::npos);
  CHECK(text.ends_with("line 100"));
}

TEST_CASE("signals, timeouts and an empty log are said") {
  const TempDir folder(fs::temp_directory_path());
  ScriptedRunner runner;
  Command command;
  command.argv = {"qemu"};
  command.log = folder.path() / "none.log";
  runner.result.exit_code = 128 + SIGKILL;
  CHECK(error_of(runner, command).find("making the image failed: killed by signal 9 (Killed)\n") == 0);
  CHECK(error_of(runner, command).find("the log is empty") != std::string::npos);
  command.timeout_seconds = 90;
  runner.result = {.exit_code = 128 + SIGTERM, .timed_out = true};
  CHECK(error_of(runner, command).find("making the image did not end within 1 min 30 s\n") == 0);
}

TEST_CASE("a command that succeeds hands its result on") {
  ScriptedRunner runner;
  runner.result.output = "text";
  CHECK(run_checked(runner, {.argv = {"x"}}, "x").output == "text");
}

TEST_CASE("argv is quoted as a shell reads it") {
  const std::vector<std::string> argv{"printf", "[%s]", "plain-1.0/a=b,c:d@e+f%", "two words", "it's", "", "$HOME", "*",
                                      "a\nb",   "~"};
  CHECK(quote_argv({"a", "b c", "", "it's"}) == "a 'b c' '' 'it'\\''s'");
  Command direct, by_shell;
  direct.argv = argv;
  by_shell.argv = {"sh", "-c", quote_argv(argv)};
  direct.environment = by_shell.environment = {{"PATH", "/usr/bin:/bin"}, {"HOME", "/wrong"}};
  direct.capture_stdout = by_shell.capture_stdout = true;
  CHECK(system_runner().run(direct).output == system_runner().run(by_shell).output);
}

TEST_CASE("the tail of a log") {
  const TempDir folder(fs::temp_directory_path());
  const fs::path log = folder.path() / "log";
  CHECK(tail_of(log).empty());
  write_file_atomically(log, "");
  CHECK(tail_of(log).empty());
  write_file_atomically(log, "one");
  CHECK(tail_of(log) == "one");
  write_file_atomically(log, "one\ntwo\nthree\n\n");
  CHECK(tail_of(log, 2) == "two\nthree");
  CHECK(tail_of(log, 3) == "one\ntwo\nthree");
  CHECK(tail_of(log, 0).empty());
  write_file_atomically(log, numbered_lines(1, 200'000));  // more than is read at once
  CHECK(tail_of(log, 2) == "line 199999\nline 200000");
  std::string endless;
  for (int i = 0; i < 20'000; ++i) endless += "\xe2\x97\x8f";
  for (const char* shift : {"", "x", "xx"}) {
    write_file_atomically(log, endless + shift);  // a line without an end, cut between characters
    const std::string tail = tail_of(log, 2);
    CHECK(tail.size() <= 32 * 1024);
    CHECK(tail.size() > 30 * 1024);
    CHECK(tail.starts_with("\xe2\x97\x8f"));
  }
}
