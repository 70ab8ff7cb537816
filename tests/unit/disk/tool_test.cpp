// Tests standard input of programs that a thread writes: all of it, cut off by the program, and failing.
#include "disk/tool.hpp"

#include <unistd.h>

#include "support/catch.hpp"
#include "support/step_context.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

/// Reads up to `most` bytes of its standard input, like a program that runs beside the writer.
class ReadingProgram : public CommandRunner {
 public:
  CommandResult run(const Command& command, std::stop_token) override {
    std::string buffer(65536, '\0');
    while (input.size() < most) {
      const ssize_t count =
          ::read(command.input_fd.value(), buffer.data(), std::min(buffer.size(), most - input.size()));
      REQUIRE(count >= 0);
      if (count == 0) break;
      input.append(buffer, 0, static_cast<std::size_t>(count));
    }
    if (stopped) throw Error(ErrorKind::Interrupted, "interrupted");
    return {.exit_code = exit_code};
  }
  std::size_t most = std::string::npos;
  int exit_code = 0;
  bool stopped = false;
  std::string input;
};

struct InputFixture : TestContext {
  CommandRunner& runner() override { return program; }
  CommandResult run(const std::function<void(int)>& write) {
    return try_tool_with_input({*this, "/nonexistent"}, {"/usr/bin/reader"}, {}, 0, write);
  }
  ReadingProgram program;
  const std::string text = std::string(5 << 20, 'x') + "end";  // more than a pipe holds
};

}  // namespace

TEST_CASE("a program gets all that is written to its standard input, and its end") {
  InputFixture f;
  CHECK(f.run([&](int fd) { write_all(fd, f.text, "the pipe"); }).exit_code == 0);
  CHECK(f.program.input == f.text);
}

TEST_CASE("a program that ends before it has read its input decides itself what that means") {
  InputFixture f;
  f.program.most = 100, f.program.exit_code = 3;
  CHECK(f.run([&](int fd) { write_all(fd, f.text, "the pipe"); }).exit_code == 3);
}

TEST_CASE("an error of the writer is thrown, although the program fails on the truncated input") {
  InputFixture f;
  f.program.exit_code = 3;
  const auto write = [&](int fd) {
    write_all(fd, "half", "the pipe");
    throw Error(ErrorKind::Internal, "blob is damaged");
  };
  CHECK(failure([&] { f.run(write); }) == "blob is damaged");
}

TEST_CASE("an interrupted program ends the writer too") {
  InputFixture f;
  f.program.most = 10, f.program.stopped = true;
  CHECK(failure([&] { f.run([&](int fd) { write_all(fd, f.text, "the pipe"); }); }) == "interrupted");
}
