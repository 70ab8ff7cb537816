// Events of a run, and the reporters that show them (terminal, plain lines, JSON lines).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "util/text.hpp"

namespace k8simg {

struct Event {
  enum class Kind {
    Message,  ///< text for the user
    Warning,
    PlanReady,     ///< total = steps to run, done = steps cached
    StepStarted,   ///< step, text = why it runs
    StepProgress,  ///< step, done/total in bytes (total 0: unknown), text = details, such as a speed
    StepFinished,  ///< step, seconds
    StepCached,    ///< step: its inputs turned out unchanged, so the record in the store is used
    StepFailed,    ///< step, text = error
    Finished       ///< text = one line; seconds
  };
  Kind kind = Kind::Message;
  std::string step;
  std::string text;
  std::uint64_t done = 0, total = 0;
  double seconds = 0;
};

/// Thread-safe: report() may be called from any thread.
class Reporter {
 public:
  virtual ~Reporter() = default;
  virtual void report(const Event& event) = 0;

  void message(const std::string& text) { report({.kind = Event::Kind::Message, .text = without_secrets(text)}); }
  void warning(const std::string& text) { report({.kind = Event::Kind::Warning, .text = without_secrets(text)}); }
};

enum class ProgressStyle { Auto, Terminal, Plain, Json, None };
/// Auto: a live status area if `fd` is a terminal that can move its cursor, otherwise plain lines. Writes to `fd` (not
/// owned) and ignores write errors. None is silent. The environment variable NO_COLOR switches colours off. The live
/// area is repainted at most 10 times a second; steps under 1 s leave no line there. Json: one object per line,
/// {"event": "step-started", "at": seconds since the start, "step", "text", ...}; plan-ready has "to_run" and "cached",
/// step-progress "done" and "total" in bytes, step-finished and finished "seconds".
std::unique_ptr<Reporter> make_reporter(ProgressStyle style, int fd);

}  // namespace k8simg
