// Chooses the reporter for a descriptor; text functions of the reporters.
#include "report/reporter.hpp"

#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include "report/styles.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

class SilentReporter final : public Reporter {
 public:
  void report(const Event&) override {}
};

bool is_live_terminal(int fd) {
  const char* term = ::getenv("TERM");
  return ::isatty(fd) == 1 && term != nullptr && *term != '\0' && std::string_view(term) != "dumb";
}

}  // namespace

std::unique_ptr<Reporter> make_reporter(ProgressStyle style, int fd) {
  if (style == ProgressStyle::Auto) style = is_live_terminal(fd) ? ProgressStyle::Terminal : ProgressStyle::Plain;
  switch (style) {
    case ProgressStyle::Terminal:
      return make_terminal_reporter(fd);
    case ProgressStyle::Json:
      return make_json_reporter(fd);
    case ProgressStyle::None:
      return std::make_unique<SilentReporter>();
    case ProgressStyle::Auto:
    case ProgressStyle::Plain:
      break;
  }
  return make_plain_reporter(fd);
}

std::string indented(std::string_view text) { return replace_all(printable(text), "\n", "\n  "); }

std::string bytes_text(std::uint64_t done, std::uint64_t total) {
  if (total > 0) return fmt::format("{} of {}", format_size(done), format_size(total));
  return done > 0 ? format_size(done) : std::string();
}

void Progress::take(const Event& event) {
  switch (event.kind) {
    case Event::Kind::PlanReady:
      to_run = event.total;
      cached = event.done;
      ended = 0;
      break;
    case Event::Kind::StepFinished:
    case Event::Kind::StepCached:
    case Event::Kind::StepFailed:
      ++ended;
      break;
    default:
      break;
  }
}

std::string Progress::counter() const {
  if (to_run == 0) return {};
  const std::string total = std::to_string(to_run);
  return fmt::format("[{:>{}}/{}]", ended, total.size(), total);
}

}  // namespace k8simg
