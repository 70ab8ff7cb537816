// Detects stalled guests by their console output and the processor time of the emulator.
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

/// A process of the host and its processor time, including all threads.
struct HostProcess {
  int pid = 0;
  std::string name;
  double seconds = 0;
};
/// `pid` and its descendants; empty when it has ended. `proc`: the folder /proc.
std::vector<HostProcess> process_tree(int pid, const std::filesystem::path& proc = "/proc");
/// One line per thread, with its state and the kernel function in which it waits (proc_pid_wchan(5)).
std::string describe_threads(const std::vector<HostProcess>& processes, const std::filesystem::path& proc = "/proc");

/// The observed values. An idle guest uses some processor time for its timers: about 8 ms per second in a PC's
/// firmware.
struct SignsOfLife {
  std::uint64_t console_bytes = 0;
  double processor_seconds = 0;
};

class StallDetector {
 public:
  explicit StallDetector(double patience_seconds) : patience_(patience_seconds) {}
  /// Whether for `patience_seconds` there was no console output and less than half a second of processor time. Must be
  /// called every few seconds. `now`: seconds. A long time between two calls (a suspended computer) counts as ten
  /// seconds, a clock that was set back as none.
  bool take(const SignsOfLife& signs, std::int64_t now);
  double idle_seconds() const { return idle_; }

 private:
  double patience_, idle_ = 0;
  bool first_ = true;
  std::int64_t last_ = 0;
  SignsOfLife mark_;
};

/// The time after which an idle guest is given up; 0 s: never.
struct StallLimits {
  double seconds = 180;
  std::chrono::milliseconds look_every{5000};
  Clock* clock = &Clock::system();
  double monitor_seconds = 10;  ///< timeout for QEMU's monitor
};

/// Watches one emulator in a thread.
class StallWatch {
 public:
  /// `monitor`: the socket of QEMU's monitor (guest/monitor.hpp). `end`: called once when the guest has stalled, after
  /// description() is set.
  StallWatch(StallLimits limits, std::filesystem::path console, std::filesystem::path monitor,
             std::function<void()> end);
  ~StallWatch();
  StallWatch(const StallWatch&) = delete;
  StallWatch& operator=(const StallWatch&) = delete;

  /// Starts to watch the emulator, or the sandbox in which it runs.
  void begin(int pid);
  /// "" unless the guest has stalled. Otherwise the idle time, the answers of QEMU's monitor and what the threads wait
  /// for, in several lines.
  std::string description() const;

 private:
  void look(const std::stop_token& stop, int pid);

  StallLimits limits_;
  std::filesystem::path console_, monitor_;
  std::function<void()> end_;
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  std::string description_;
  std::jthread thread_;  ///< declared last: it uses the members above
};

}  // namespace k8simg
