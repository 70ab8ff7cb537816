// Whether a guest still does something, as the host sees it: what its console prints, and the processor time of its
// emulator.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "util/clock.hpp"

namespace k8simg {

/// A process of the host and the processor time that it has taken, all of its threads together.
struct HostProcess {
  int pid = 0;
  std::string name;
  double seconds = 0;
};
/// `pid` and all that descend from it; empty when it is gone. `proc`: the folder /proc.
std::vector<HostProcess> process_tree(int pid, const std::filesystem::path& proc = "/proc");
/// Each thread of each of them, with its state and the kernel's function that it waits in (proc_pid_wchan(5)), a line
/// each.
std::string describe_threads(const std::vector<HostProcess>& processes, const std::filesystem::path& proc = "/proc");

/// What is looked at. A guest that only idles takes some processor time all the same, for its timers: about 8 ms a
/// second when it is a PC's firmware.
struct SignsOfLife {
  std::uint64_t console_bytes = 0;
  double processor_seconds = 0;
};

class StallDetector {
 public:
  explicit StallDetector(double patience_seconds) : patience_(patience_seconds) {}
  /// Whether for `patience_seconds` the console has said nothing and less than half a second of processor time was
  /// taken. To be called every few seconds. `now`: seconds. A long pause between two calls (a computer that was asleep)
  /// counts as ten seconds, a clock that is set back as none.
  bool take(const SignsOfLife& signs, std::int64_t now);
  double idle_seconds() const { return idle_; }

 private:
  double patience_, idle_ = 0;
  bool first_ = true;
  std::int64_t last_ = 0;
  SignsOfLife mark_;
};

/// How long a guest may do nothing. Zero seconds: it is not watched.
struct StallLimits {
  double seconds = 180;
  std::chrono::milliseconds look_every{5000};
  Clock* clock = &Clock::system();
  double monitor_seconds = 10;  ///< what QEMU's monitor is given to answer
};

/// Looks at one emulator from a thread of its own.
class StallWatch {
 public:
  /// `monitor`: the socket of QEMU's monitor, see run/monitor.hpp. `end`: called once, when the guest has stalled and
  /// description() is there.
  StallWatch(StallLimits limits, std::filesystem::path console, std::filesystem::path monitor,
             std::function<void()> end);
  ~StallWatch();
  StallWatch(const StallWatch&) = delete;
  StallWatch& operator=(const StallWatch&) = delete;

  /// The emulator, or the sandbox that it runs in, has been started.
  void begin(int pid);
  /// "" unless the guest has stalled; else how long it did nothing, what QEMU's monitor says and what its threads wait
  /// for: several lines.
  std::string description() const;

 private:
  void look(const std::stop_token& stop, int pid);

  StallLimits limits_;
  std::filesystem::path console_, monitor_;
  std::function<void()> end_;
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  std::string description_;
  std::jthread thread_;  ///< last: it uses all of the above
};

}  // namespace k8simg
