// The terminal reporter: permanent lines scroll above a status area that shows the running steps.
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "report/styles.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr auto repaint_every = std::chrono::milliseconds(100);
constexpr auto elapsed_every = std::chrono::seconds(1);  ///< interval for updating the elapsed times
constexpr double lasting_seconds = 1;                    ///< a shorter step gets no permanent line
constexpr std::size_t most_rows = 12;

struct Running {
  std::string step;
  SteadyClock::time_point start;
  std::uint64_t done = 0, total = 0;
  std::string text{};
};

struct Size {
  std::size_t columns = 80, rows = 24;
};

Size terminal_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

/// The first `width` characters; the last three are dots if the text was cut.
std::string fit(std::string_view text, std::size_t width) {
  if (width_of(text) <= width) return std::string(text);
  if (width <= 3) return std::string(width, '.');
  std::size_t at = 0;
  for (std::size_t left = width - 3 + 1; at < text.size(); ++at)
    if ((static_cast<unsigned char>(text[at]) & 0xc0) != 0x80 && --left == 0) break;
  return std::string(text.substr(0, at)) + "...";
}

std::string elapsed_text(SteadyClock::duration elapsed) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(elapsed).count();
  return seconds < 60 ? fmt::format("{} s", seconds) : format_duration(static_cast<double>(seconds));
}

class TerminalReporter final : public Reporter {
 public:
  explicit TerminalReporter(int fd) : fd_(fd), colour_(wants_colour()) {
    painter_ = std::jthread([this](std::stop_token stop) { keep_painting(stop); });
  }

  ~TerminalReporter() override {
    painter_.request_stop();
    painter_.join();
    const std::scoped_lock lock(mutex_);
    running_.clear();
    progress_ = {};
    paint();
  }

  void report(const Event& event) override {
    const std::scoped_lock lock(mutex_);
    progress_.take(event);
    take(event);
    dirty_ = true;
    // Otherwise the painter thread paints within 100 ms. Without a status area nothing can flicker, so paint at once.
    const bool quiet = running_.empty() && shown_ == 0;
    if (quiet || event.kind == Event::Kind::Finished || SteadyClock::now() - painted_ >= repaint_every) paint();
    if (dirty_ || !running_.empty()) wake_.notify_one();
  }

 private:
  static bool wants_colour() {
    const char* no_color = ::getenv("NO_COLOR");
    return no_color == nullptr || *no_color == '\0';  // no-color.org: a non-empty value
  }

  std::string coloured(const char* code, const std::string& text) const {
    return colour_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
  }

  void take(const Event& event) {
    const std::string step = printable_line(event.step);
    switch (event.kind) {
      case Event::Kind::Message:
        add_line(printable(event.text));
        break;
      case Event::Kind::Warning:
        add_line(coloured("33", "warning:") + " " + indented(event.text));
        break;
      case Event::Kind::PlanReady:
        start_ = SteadyClock::now();
        break;
      case Event::Kind::StepStarted:
        running_.push_back({.step = event.step, .start = SteadyClock::now()});
        break;
      case Event::Kind::StepProgress:
        for (Running& running : running_)
          if (running.step == event.step) {
            running.done = event.done;
            running.total = event.total;
            running.text = printable_line(event.text);
          }
        break;
      case Event::Kind::StepFinished:
        forget(event.step);
        if (event.seconds >= lasting_seconds)
          add_line(fmt::format("{} {} ({})", coloured("32", "done"), step, format_duration(event.seconds)));
        break;
      case Event::Kind::StepCached:
        forget(event.step);
        break;
      case Event::Kind::StepFailed:
        forget(event.step);
        add_line(coloured("1;31", "FAILED") + " " + step + "\n  " + indented(event.text));
        break;
      case Event::Kind::Finished:
        running_.clear();
        progress_ = {};
        add_line(fmt::format("{} ({})", printable(event.text), format_duration(event.seconds)));
        break;
    }
  }

  void forget(const std::string& step) {
    std::erase_if(running_, [&](const Running& running) { return running.step == step; });
  }

  void add_line(std::string line) { lines_.push_back(std::move(line)); }

  /// The lines of the status area. Called with the lock held, like the functions below.
  std::vector<std::string> area() const {
    if (running_.empty()) return {};
    const Size size = terminal_size(fd_);
    const std::size_t width = size.columns - 1;  // a full last column would wrap
    const SteadyClock::time_point now = SteadyClock::now();
    std::vector<std::string> lines;
    std::string head = fmt::format("{} {} running", progress_.counter(), running_.size());
    if (progress_.cached > 0) head += fmt::format(", {} cached", progress_.cached);
    if (start_) head += ", " + elapsed_text(now - *start_);
    lines.push_back(coloured("1", fit(trim(head), width)));
    const std::size_t room = std::min(most_rows, size.rows > 4 ? size.rows - 3 : 1);
    for (std::size_t i = 0; i < running_.size(); ++i) {
      if (i + 1 == room && running_.size() > room) {
        lines.push_back(fit(fmt::format("  ... and {} more", running_.size() - i), width));
        break;
      }
      const Running& running = running_[i];
      std::string right = elapsed_text(now - running.start);
      if (!running.text.empty()) right = running.text + "  " + right;
      if (const std::string bytes = bytes_text(running.done, running.total); !bytes.empty())
        right = bytes + "  " + right;
      const std::size_t taken = 2 + 2 + width_of(right);
      if (taken + 8 > width) {  // too narrow for the name and the details
        lines.push_back(fit("  " + printable_line(running.step), width));
        continue;
      }
      const std::string name = fit(printable_line(running.step), width - taken);
      lines.push_back("  " + name + std::string(width - taken - width_of(name) + 2, ' ') + right);
    }
    return lines;
  }

  /// Moves to the first line of the area, then writes the new permanent lines and the new area, and erases the rest.
  /// One write.
  void paint() {
    const std::vector<std::string> next = area();
    if (lines_.empty() && next.empty() && shown_ == 0) return;
    std::string out;
    if (shown_ > 0) out += fmt::format("\r\x1b[{}A", shown_);
    for (const std::string& line : lines_) {
      // Each line of the text overwrites a line of the old area, so erase its rest.
      out += shown_ > 0 ? replace_all(line, "\n", "\x1b[K\n") + "\x1b[K\n" : line + "\n";
    }
    for (const std::string& line : next) out += line + "\x1b[K\n";
    if (shown_ > 0) out += "\x1b[J";
    lines_.clear();
    shown_ = next.size();
    dirty_ = false;
    painted_ = SteadyClock::now();
    write_or_drop(fd_, out);
  }

  void keep_painting(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      wake_.wait(lock, stop, [&] { return dirty_ || !running_.empty(); });
      wake_.wait_for(lock, stop, repaint_every, [] { return false; });
      const auto since = SteadyClock::now() - painted_;
      if (!stop.stop_requested() && since >= repaint_every && (dirty_ || since >= elapsed_every)) paint();
    }
  }

  const int fd_;
  const bool colour_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  Progress progress_;
  std::optional<SteadyClock::time_point> start_;
  std::vector<Running> running_;    ///< oldest first
  std::vector<std::string> lines_;  ///< permanent lines that are not yet written
  std::size_t shown_ = 0;           ///< lines of the area on the screen, above the cursor
  bool dirty_ = false;
  SteadyClock::time_point painted_{};
  std::jthread painter_;  ///< declared last: it uses the members above
};

}  // namespace

std::unique_ptr<Reporter> make_terminal_reporter(int fd) { return std::make_unique<TerminalReporter>(fd); }

}  // namespace k8simg
