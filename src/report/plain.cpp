// The plain reporter, for logs and dumb terminals: one line per event.
#include <fmt/format.h>

#include <chrono>
#include <map>
#include <mutex>

#include "report/styles.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

using SteadyClock = std::chrono::steady_clock;

/// The interval of progress lines for a long download.
constexpr auto progress_every = std::chrono::seconds(10);

class PlainReporter final : public Reporter {
 public:
  explicit PlainReporter(int fd) : fd_(fd) {}

  void report(const Event& event) override {
    const std::scoped_lock lock(mutex_);
    progress_.take(event);
    const std::string line = line_of(event);
    if (!line.empty()) write_or_drop(fd_, line + "\n");
  }

 private:
  std::string line_of(const Event& event) {
    const std::string step = printable_line(event.step);
    switch (event.kind) {
      case Event::Kind::Message:
        return printable(event.text);
      case Event::Kind::Warning:
        return "warning: " + indented(event.text);
      case Event::Kind::PlanReady:
        return fmt::format("{} steps to run, {} cached", event.total, event.done);
      case Event::Kind::StepStarted:
        told_[event.step] = SteadyClock::now();
        return numbered(event.text.empty() ? step : step + ": " + indented(event.text));
      case Event::Kind::StepProgress: {
        const auto now = SteadyClock::now();
        SteadyClock::time_point& told = told_.try_emplace(event.step, now).first->second;
        const std::string bytes = bytes_text(event.done, event.total);
        if (bytes.empty() || now - told < progress_every) return {};
        told = now;
        return numbered(step + ": " + bytes + (event.text.empty() ? "" : ", " + printable_line(event.text)));
      }
      case Event::Kind::StepFinished:
        told_.erase(event.step);
        return numbered(fmt::format("{}: done in {}", step, format_duration(event.seconds)));
      case Event::Kind::StepCached:
        told_.erase(event.step);
        return numbered(step + ": cached, its inputs came out the same");
      case Event::Kind::StepFailed:
        told_.erase(event.step);
        return numbered(step + ": FAILED\n  " + indented(event.text));
      case Event::Kind::Finished:
        return fmt::format("{} ({})", printable(event.text), format_duration(event.seconds));
    }
    return {};
  }

  std::string numbered(const std::string& text) const {
    const std::string counter = progress_.counter();
    return counter.empty() ? text : counter + " " + text;
  }

  int fd_;
  std::mutex mutex_;
  Progress progress_;
  std::map<std::string, SteadyClock::time_point> told_;  ///< running step → time of its last line
};

}  // namespace

std::unique_ptr<Reporter> make_plain_reporter(int fd) { return std::make_unique<PlainReporter>(fd); }

}  // namespace k8simg
