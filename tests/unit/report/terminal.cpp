// Tests the live terminal on a pseudo-terminal, with a small emulation of its cursor commands.
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <thread>

#include "report/reporter.hpp"
#include "support/catch.hpp"
#include "util/file.hpp"

using namespace k8simg;
using namespace std::chrono_literals;
using Kind = Event::Kind;

namespace {

class PseudoTerminal {
 public:
  PseudoTerminal(unsigned short columns, unsigned short rows) : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    REQUIRE(master_.valid());
    REQUIRE(::grantpt(master_.get()) == 0);
    REQUIRE(::unlockpt(master_.get()) == 0);
    slave_ = Fd::open(::ptsname(master_.get()), O_RDWR | O_NOCTTY);
    winsize size{};
    size.ws_col = columns;
    size.ws_row = rows;
    REQUIRE(::ioctl(slave_.get(), TIOCSWINSZ, &size) == 0);
  }

  int fd() const { return slave_.get(); }

  /// The output so far; waits until there is no new output for a moment.
  const std::string& read() {
    pollfd readable{master_.get(), POLLIN, 0};
    char buffer[4096];
    while (::poll(&readable, 1, 50) > 0 && (readable.revents & POLLIN) != 0) {
      const ssize_t count = ::read(master_.get(), buffer, sizeof buffer);
      if (count <= 0) break;
      written_.append(buffer, static_cast<std::size_t>(count));
    }
    return written_;
  }

 private:
  Fd master_, slave_;
  std::string written_;
};

/// The contents of an unlimited screen after `written`: CR, LF, cursor up, erase line and below; colours are ignored.
std::vector<std::string> screen(const std::string& written) {
  std::vector<std::string> lines(1);
  std::size_t row = 0, column = 0;
  for (std::size_t i = 0; i < written.size(); ++i) {
    const char c = written[i];
    if (c == '\r') {
      column = 0;
    } else if (c == '\n') {
      if (++row == lines.size()) lines.emplace_back();
    } else if (c == '\x1b') {
      REQUIRE(written.at(i + 1) == '[');
      std::size_t end = i + 2;
      while (::isalpha(static_cast<unsigned char>(written.at(end))) == 0) ++end;
      const std::string number = written.substr(i + 2, end - i - 2);
      switch (written[end]) {
        case 'A':
          REQUIRE(row >= std::stoul(number));
          row -= std::stoul(number);
          break;
        case 'K':
          lines[row].resize(std::min(lines[row].size(), column));
          break;
        case 'J':
          lines[row].resize(std::min(lines[row].size(), column));
          lines.resize(row + 1);
          break;
        case 'm':
          break;
        default:
          FAIL("unknown command " << written.substr(i + 1, end - i));
      }
      i = end;
    } else {
      if (lines[row].size() <= column) lines[row].resize(column + 1, ' ');
      lines[row][column++] = c;
    }
  }
  if (lines.back().empty()) lines.pop_back();
  return lines;
}

class NoColor {
 public:
  NoColor() { ::setenv("NO_COLOR", "1", 1); }
  ~NoColor() { ::unsetenv("NO_COLOR"); }
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("running steps are shown with bytes and time, and the area goes when all is done") {
  PseudoTerminal terminal(60, 24);
  {
    const auto reporter = make_reporter(ProgressStyle::Terminal, terminal.fd());
    reporter->message("building pc");
    reporter->report({.kind = Kind::PlanReady, .done = 3, .total = 10});
    reporter->report({.kind = Kind::StepStarted, .step = "kernel"});
    reporter->report({.kind = Kind::StepStarted, .step = "fetch/linux"});
    reporter->report({.kind = Kind::StepProgress, .step = "fetch/linux", .done = 1 << 20, .total = 4 << 20});
    std::this_thread::sleep_for(250ms);
    CHECK(screen(terminal.read()) == Lines{"building pc", "[ 0/10] 2 running, 3 cached, 0 s",
                                           "  kernel                                                0 s",
                                           "  fetch/linux                       1.0 MiB of 4.0 MiB  0 s"});
    reporter->warning("careful");
    reporter->report({.kind = Kind::StepFinished, .step = "fetch/linux", .seconds = 0.2});
    std::this_thread::sleep_for(250ms);
    CHECK(screen(terminal.read()) == Lines{"building pc", "warning: careful", "[ 1/10] 1 running, 3 cached, 0 s",
                                           "  kernel                                                0 s"});
    reporter->report({.kind = Kind::StepFinished, .step = "kernel", .seconds = 61});
    reporter->report({.kind = Kind::Finished, .text = "output/pc is ready", .seconds = 62});
    CHECK(screen(terminal.read()) ==
          Lines{"building pc", "warning: careful", "done kernel (1 min 1 s)", "output/pc is ready (1 min 2 s)"});
  }
  CHECK(screen(terminal.read()).size() == 4);
}

TEST_CASE("elapsed time moves on without events") {
  PseudoTerminal terminal(60, 24);
  const auto reporter = make_reporter(ProgressStyle::Terminal, terminal.fd());
  reporter->report({.kind = Kind::StepStarted, .step = "kernel"});
  std::this_thread::sleep_for(2300ms);
  const Lines lines = screen(terminal.read());
  REQUIRE(lines.size() == 2);
  CHECK((lines[1].ends_with(" 1 s") || lines[1].ends_with(" 2 s")));
}

TEST_CASE("a reporter that goes in the middle clears its area and keeps the lines") {
  PseudoTerminal terminal(60, 24);
  {
    const auto reporter = make_reporter(ProgressStyle::Terminal, terminal.fd());
    reporter->report({.kind = Kind::StepStarted, .step = "kernel"});
    reporter->report({.kind = Kind::StepFailed, .step = "kernel", .text = "make failed\nlog: x"});
    reporter->report({.kind = Kind::StepStarted, .step = "other"});
  }
  CHECK(screen(terminal.read()) == Lines{"FAILED kernel", "  make failed", "  log: x"});
}

TEST_CASE("names are cut to the terminal's width, and rows to its height") {
  PseudoTerminal terminal(40, 8);
  const auto reporter = make_reporter(ProgressStyle::Terminal, terminal.fd());
  reporter->report({.kind = Kind::StepStarted, .step = "component/kubernetes/compile-for-amd64-with-everything"});
  reporter->report(
      {.kind = Kind::StepStarted, .step = "fahrvergn\xc3\xbcgen-fahrvergn\xc3\xbcgen-fahrvergn\xc3\xbcgen"});
  for (int i = 0; i < 20; ++i) reporter->report({.kind = Kind::StepStarted, .step = "step" + std::to_string(i)});
  std::this_thread::sleep_for(300ms);
  const Lines lines = screen(terminal.read());
  REQUIRE(lines.size() == 6);  // 8 rows: the head, 5 more, and one for the cursor
  CHECK(lines[1] == "  component/kubernetes/compile-...  0 s");
  CHECK(lines[2] == "  fahrvergn\xc3\xbcgen-fahrvergn\xc3\xbcgen-f...  0 s");
  CHECK(lines[5] == "  ... and 18 more");
}

TEST_CASE("a terminal of a few columns is survived") {
  for (const unsigned short columns : {1, 2, 5, 12, 20}) {
    PseudoTerminal terminal(columns, 2);
    const auto reporter = make_reporter(ProgressStyle::Terminal, terminal.fd());
    reporter->report({.kind = Kind::PlanReady, .total = 3});
    reporter->report({.kind = Kind::StepStarted, .step = "kernel"});
    reporter->report({.kind = Kind::StepStarted, .step = "fetch"});
    std::this_thread::sleep_for(250ms);
    for (const std::string& line : screen(terminal.read())) CHECK(line.size() < columns);
  }
}

TEST_CASE("the area is painted at most ten times a second") {
  PseudoTerminal terminal(60, 24);
  const auto reporter = make_reporter(ProgressStyle::Terminal, terminal.fd());
  reporter->report({.kind = Kind::PlanReady, .total = 100'000});
  const auto end = std::chrono::steady_clock::now() + 1s;
  for (int i = 0; std::chrono::steady_clock::now() < end; ++i) {
    const std::string step = "step" + std::to_string(i);
    reporter->report({.kind = Kind::StepStarted, .step = step});
    reporter->report({.kind = Kind::StepProgress, .step = step, .done = 1, .total = 2});
    reporter->report({.kind = Kind::StepFinished, .step = step, .seconds = 0.001});
    std::this_thread::sleep_for(1ms);
    if (i % 100 == 0) terminal.read();
  }
  const std::string written = terminal.read();
  std::size_t paints = 0;
  for (std::size_t at = written.find("\x1b[J"); at != std::string::npos; at = written.find("\x1b[J", at + 1)) ++paints;
  CHECK(paints <= 11);
}

TEST_CASE("NO_COLOR switches colours off; else warnings have one") {
  const auto warned = [] {
    PseudoTerminal terminal(60, 24);
    make_reporter(ProgressStyle::Terminal, terminal.fd())->warning("w");
    return terminal.read();
  };
  ::unsetenv("NO_COLOR");
  CHECK(warned() == "\x1b[33mwarning:\x1b[0m w\r\n");
  const NoColor no_color;
  CHECK(warned() == "warning: w\r\n");
}

TEST_CASE("Auto looks at the descriptor and at TERM") {
  const auto area_shown = [](const char* term) {
    ::setenv("TERM", term, 1);
    PseudoTerminal terminal(60, 24);
    const auto reporter = make_reporter(ProgressStyle::Auto, terminal.fd());
    reporter->report({.kind = Kind::StepStarted, .step = "kernel"});
    std::this_thread::sleep_for(200ms);
    return terminal.read().find("1 running") != std::string::npos;
  };
  const char* before = ::getenv("TERM");
  const std::string term = before != nullptr ? before : "";
  CHECK(area_shown("xterm"));
  CHECK_FALSE(area_shown("dumb"));
  before != nullptr ? ::setenv("TERM", term.c_str(), 1) : ::unsetenv("TERM");
}
