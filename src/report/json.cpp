// The JSON reporter: one object per event and line.
#include <chrono>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "report/styles.hpp"

namespace k8simg {

namespace {

using SteadyClock = std::chrono::steady_clock;

const char* name_of(Event::Kind kind) {
  switch (kind) {
    case Event::Kind::Message:
      return "message";
    case Event::Kind::Warning:
      return "warning";
    case Event::Kind::PlanReady:
      return "plan-ready";
    case Event::Kind::StepStarted:
      return "step-started";
    case Event::Kind::StepProgress:
      return "step-progress";
    case Event::Kind::StepFinished:
      return "step-finished";
    case Event::Kind::StepCached:
      return "step-cached";
    case Event::Kind::StepFailed:
      return "step-failed";
    case Event::Kind::Finished:
      return "finished";
  }
  return "message";
}

class JsonReporter final : public Reporter {
 public:
  explicit JsonReporter(int fd) : fd_(fd) {}

  void report(const Event& event) override {
    const std::scoped_lock lock(mutex_);
    const SteadyClock::time_point now = SteadyClock::now();
    if (event.kind == Event::Kind::StepProgress) {
      // At most ten events per second and step. The last event of a known total is always written.
      const auto [told, first] = told_.try_emplace(event.step, now);
      if (!first && now - told->second < std::chrono::milliseconds(100) &&
          (event.total == 0 || event.done < event.total))
        return;
      told->second = now;
    } else if (event.kind != Event::Kind::StepStarted) {
      told_.erase(event.step);
    }
    nlohmann::ordered_json object;
    object["event"] = name_of(event.kind);
    object["at"] = std::chrono::duration<double>(now - start_).count();
    if (!event.step.empty()) object["step"] = event.step;
    if (!event.text.empty()) object["text"] = event.text;
    if (event.kind == Event::Kind::PlanReady) {
      object["to_run"] = event.total;
      object["cached"] = event.done;
    }
    if (event.kind == Event::Kind::StepProgress) {
      object["done"] = event.done;
      if (event.total > 0) object["total"] = event.total;
    }
    if (event.kind == Event::Kind::StepFinished || event.kind == Event::Kind::Finished)
      object["seconds"] = event.seconds;
    // Text from a log may be cut within a character or not be UTF-8.
    write_or_drop(fd_, object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  }

 private:
  int fd_;
  std::mutex mutex_;
  const SteadyClock::time_point start_ = SteadyClock::now();
  std::map<std::string, SteadyClock::time_point> told_;
};

}  // namespace

std::unique_ptr<Reporter> make_json_reporter(int fd) { return std::make_unique<JsonReporter>(fd); }

}  // namespace k8simg
