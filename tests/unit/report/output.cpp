// Tests standard output and standard error in one file: in the order of calls, complete, and without control
// characters.
#include "report/output.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <thread>
#include <vector>

#include "report/reporter.hpp"
#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

using namespace k8simg;

namespace {

/// Runs `body` in a process whose outputs are both `file`, and returns its exit code.
int with_outputs(const fs::path& file, const std::function<int()>& body) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT, 0644);
    ::dup2(fd, STDOUT_FILENO);
    ::dup2(fd, STDERR_FILENO);
    ::_exit(body());  // does not flush streams
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("what is written first comes first, whichever way it goes") {
  const TempDir folder(fs::temp_directory_path());
  const int code = with_outputs(folder.path() / "log", [] {
    const auto reporter = make_reporter(ProgressStyle::Plain, STDERR_FILENO);
    reporter->message("booting");
    print_out("bios ok    kernel\n");
    print_error("k8simg: careful\n");
    print_out("bios FAIL  network \x1b[31mred\xff\n");
    reporter->message("booting again");
    print_out("end\n");
    return 0;
  });
  CHECK(code == 0);
  CHECK(read_file(folder.path() / "log") ==
        "booting\nbios ok    kernel\nk8simg: careful\nbios FAIL  network \\x1b[31mred\\xff\nbooting again\nend\n");
}

TEST_CASE("long lines of several threads stay whole, through a pipe too") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < 4; ++i)
        threads.emplace_back([i] {
          const std::string line(20000, static_cast<char>('a' + i));
          for (int j = 0; j < 20; ++j) i % 2 == 0 ? print_out(line + "\n") : print_error(line + "\n");
        });
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string all;
  char buffer[4096];
  for (ssize_t count; (count = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    all.append(buffer, static_cast<std::size_t>(count));
  ::close(ends[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  const auto lines = split(all, '\n');
  REQUIRE(lines.size() == 81);
  for (std::size_t i = 0; i + 1 < lines.size(); ++i)
    CHECK((lines[i].size() == 20000 && lines[i].find_first_not_of(lines[i][0]) == std::string::npos));
}

TEST_CASE("standard output that cannot be written is an error, standard error that cannot be is not") {
  CHECK(with_outputs("/dev/full", [] {
          print_error("lost\n");
          try {
            print_out("lost\n");
          } catch (const Error& error) {
            return error.message().find("cannot write to standard output") == 0 ? 42 : 1;
          }
          return 0;
        }) == 42);
}
