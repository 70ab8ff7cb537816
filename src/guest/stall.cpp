// Reads /proc, and detects guests that are idle for too long.
#include "guest/stall.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <optional>

#include "guest/monitor.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace fs = std::filesystem;

namespace {

constexpr double some_processor_time = 0.5;  ///< seconds; less counts as idle
constexpr double longest_pause = 10;

std::optional<int> number_of(const fs::path& entry) {
  const std::string name = entry.filename().string();
  int number = 0;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) return std::nullopt;
  return number;
}

/// "" when it cannot be read: the process may have ended.
std::string first_line(const fs::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

struct Stat {
  std::string name;
  char state = '?';
  int parent = 0;
  double seconds = 0;
};

/// "PID (NAME) STATE PARENT ... UTIME STIME ...", where the name may hold anything: proc_pid_stat(5).
std::optional<Stat> read_stat(const fs::path& file) {
  const std::string line = first_line(file);
  const auto open = line.find('('), close = line.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  const auto fields = split_words(std::string_view(line).substr(close + 1));
  if (fields.size() < 13) return std::nullopt;
  const auto number = [&](std::size_t index) {
    std::uint64_t value = 0;
    std::from_chars(fields[index].data(), fields[index].data() + fields[index].size(), value);
    return value;
  };
  static const double ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  return Stat{line.substr(open + 1, close - open - 1), fields[0][0], static_cast<int>(number(1)),
              static_cast<double>(number(11) + number(12)) / ticks};
}

}  // namespace

std::vector<HostProcess> process_tree(int pid, const fs::path& proc) {
  std::map<int, Stat> all;
  std::error_code error;
  for (fs::directory_iterator entry(proc, error), end; !error && entry != end; entry.increment(error)) {
    const auto number = number_of(entry->path());
    if (!number) continue;
    if (auto stat = read_stat(entry->path() / "stat")) all.emplace(*number, std::move(*stat));
  }
  const auto belongs = [&](int each) {
    // A pid may be reused while /proc is read, so the chain of parents may have a cycle.
    for (int steps = 0; steps < 100; ++steps) {
      if (each == pid) return true;
      const auto found = all.find(each);
      if (found == all.end()) return false;
      each = found->second.parent;
    }
    return false;
  };
  std::vector<HostProcess> tree;
  for (const auto& [number, stat] : all) {
    if (belongs(number)) tree.push_back({number, stat.name, stat.seconds});
  }
  return tree;
}

std::string describe_threads(const std::vector<HostProcess>& processes, const fs::path& proc) {
  std::string text;
  for (const auto& process : processes) {
    std::error_code error;
    for (fs::directory_iterator entry(proc / std::to_string(process.pid) / "task", error), end; !error && entry != end;
         entry.increment(error)) {
      const auto stat = read_stat(entry->path() / "stat");
      if (!stat) continue;
      const std::string place = first_line(entry->path() / "wchan");
      text += fmt::format("{}{} {}: {}{}", text.empty() ? "" : "\n", stat->name, entry->path().filename().string(),
                          stat->state, place.empty() || place == "0" ? "" : ", in " + place);
    }
  }
  return text;
}

bool StallDetector::take(const SignsOfLife& signs, std::int64_t now) {
  const bool alive = first_ || signs.console_bytes != mark_.console_bytes ||
                     signs.processor_seconds < mark_.processor_seconds ||
                     signs.processor_seconds >= mark_.processor_seconds + some_processor_time;
  if (alive) {
    mark_ = signs;
    idle_ = 0;
  } else {
    idle_ += std::clamp(static_cast<double>(now - last_), 0.0, longest_pause);
  }
  first_ = false;
  last_ = now;
  return idle_ >= patience_;
}

StallWatch::StallWatch(StallLimits limits, fs::path console, fs::path monitor, std::function<void()> end)
    : limits_(limits), console_(std::move(console)), monitor_(std::move(monitor)), end_(std::move(end)) {}

StallWatch::~StallWatch() = default;

void StallWatch::begin(int pid) {
  if (limits_.seconds > 0) thread_ = std::jthread([this, pid](std::stop_token stop) { look(stop, pid); });
}

std::string StallWatch::description() const {
  const std::scoped_lock lock(mutex_);
  return description_;
}

void StallWatch::look(const std::stop_token& stop, int pid) {
  StallDetector detector(limits_.seconds);
  for (;;) {
    const auto processes = process_tree(pid);
    SignsOfLife signs;
    std::error_code missing;
    const auto size = fs::file_size(console_, missing);
    if (!missing) signs.console_bytes = size;
    for (const auto& process : processes) signs.processor_seconds += process.seconds;
    if (detector.take(signs, limits_.clock->now())) {
      std::string text = fmt::format("no output on the console and no processor time for {}",
                                     format_duration(detector.idle_seconds()));
      text += "\n" + ask_monitor(monitor_, limits_.monitor_seconds);
      if (const std::string threads = describe_threads(processes); !threads.empty())
        text += "\nthreads of the emulator, each with its state and what it waits in:\n" + threads;
      {
        const std::scoped_lock lock(mutex_);
        description_ = std::move(text);
      }
      end_();
      return;
    }
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, stop, limits_.look_every, [&] { return stop.stop_requested(); }) || stop.stop_requested())
      return;
  }
}

}  // namespace k8simg
