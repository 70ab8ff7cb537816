// Tests stalled guests: how they are detected, the state from QEMU's monitor, and that they are always ended.
#include "guest/stall.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include <atomic>
#include <ctime>

#include "guest/monitor.hpp"
#include "guest/qemu.hpp"
#include "support/catch.hpp"
#include "support/step_context.hpp"
#include "util/text.hpp"

using namespace k8simg;
using namespace k8simg::test;
using namespace std::chrono_literals;

namespace {

/// Advances by ten seconds at each call.
class FastClock final : public Clock {
 public:
  std::int64_t now() const override { return now_ += 10; }

 private:
  mutable std::atomic<std::int64_t> now_{1000};
};

/// Runs a script instead of QEMU. Commands before it (qemu-img) succeed.
class FakeQemu final : public CommandRunner {
 public:
  explicit FakeQemu(std::string script) : script_(std::move(script)) {}
  CommandResult run(const Command& command, std::stop_token stop) override {
    if (!command.started) return {};
    Command replaced = command;
    replaced.argv = {"/bin/sh", "-c", script_};
    replaced.environment = {{"PATH", "/usr/bin:/bin"}};
    return system_runner().run(replaced, std::move(stop));
  }

 private:
  std::string script_;
};

struct Guest {
  TempDir folder{fs::temp_directory_path(), "stall"};
  FastClock clock;
  Machine machine{
      .binary = "qemu-system-x86_64", .model = "q35", .cpu = "max", .arguments = {}, .uefi_code = {}, .uefi_vars = {}};
  Boot boot;

  Guest() {
    boot.tools = folder.path(), boot.image = folder.path() / "disk.img", boot.scratch = folder.path();
    boot.timeout_seconds = 60;
    boot.stall = {.seconds = 180, .look_every = 5ms, .clock = &clock, .monitor_seconds = 0.2};
  }
  MachineResult run(const std::string& script, std::stop_token stop = {}) {
    FakeQemu qemu("cd " + shell_word(folder.path().string()) + "; " + script);
    return run_machine(qemu, machine, boot, stop);
  }
};

/// A scripted monitor: sends a greeting, then a line of `answers` for each command.
class FakeMonitor {
 public:
  FakeMonitor(const fs::path& file, std::vector<std::string> answers, bool greets = true) {
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const Fd parent = Fd::open(file.parent_path(), O_PATH | O_DIRECTORY);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = "/proc/self/fd/" + std::to_string(parent.get()) + "/" + file.filename().string();
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_.get(), 1) == 0);
    thread_ = std::thread([this, answers = std::move(answers), greets] { talk(answers, greets); });
  }
  ~FakeMonitor() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::string asked;

 private:
  void talk(const std::vector<std::string>& answers, bool greets) {
    const Fd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer.valid()) return;
    const auto say = [&](std::string_view text) {
      while (!text.empty()) {
        const ssize_t count = ::send(peer.get(), text.data(), text.size(), MSG_NOSIGNAL);
        if (count <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(count));
      }
    };
    if (greets) say("{\"QMP\": {\"version\": {}}}\r\n");
    char buffer[4096];
    std::size_t next = 0;
    for (ssize_t count; (count = ::recv(peer.get(), buffer, sizeof buffer, 0)) > 0;) {
      asked.append(buffer, static_cast<std::size_t>(count));
      for (ssize_t i = 0; i < count; ++i)
        if (buffer[i] == '\n' && next < answers.size()) say(answers[next++]);
    }
  }
  Fd listener_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("a guest has stalled when neither its console nor its processors did anything for the whole time") {
  StallDetector detector(180);
  std::int64_t now = 0;
  SignsOfLife signs;
  const auto look = [&](int times) {
    bool stalled = false;
    for (int i = 0; i < times; ++i) stalled = detector.take(signs, now += 5);
    return stalled;
  };
  CHECK_FALSE(look(36));
  CHECK(look(1));
  signs.console_bytes = 1;  // new output
  CHECK_FALSE(look(36));
  signs.processor_seconds = 0.5;
  CHECK_FALSE(look(36));
  signs.processor_seconds = 0.9;  // too little
  CHECK(look(1));
  signs.console_bytes = 0;  // a shorter console counts as a change
  CHECK_FALSE(look(1));
  // An idle guest always uses some processor time.
  for (int i = 0; i < 1000; ++i) {
    signs.processor_seconds += 0.04;
    CHECK_FALSE(detector.take(signs, now += 5));
  }
}

TEST_CASE("a computer that slept, and a clock that was set, are no stall") {
  StallDetector detector(180);
  detector.take({}, 1000);
  CHECK_FALSE(detector.take({}, 1000 + 86400));
  CHECK_FALSE(detector.take({}, 0));
  CHECK_FALSE(detector.take({}, 5));
  CHECK(detector.idle_seconds() == 15);
}

TEST_CASE("a process's time is that of all that descend from it") {
  const TempDir proc(fs::temp_directory_path(), "proc");
  const auto process = [&](int pid, const std::string& name, int parent, int user, int system) {
    fs::create_directories(proc.path() / std::to_string(pid) / "task" / std::to_string(pid));
    const std::string stat =
        fmt::format("{} ({}) S {} 1 1 0 -1 4194560 1 2 3 4 {} {} 0 0 20 0 1 0 100\n", pid, name, parent, user, system);
    write_file_atomically(proc.path() / std::to_string(pid) / "stat", stat);
    write_file_atomically(proc.path() / std::to_string(pid) / "task" / std::to_string(pid) / "stat", stat);
  };
  const int hz = static_cast<int>(::sysconf(_SC_CLK_TCK));
  process(10, "bwrap", 1, 0, 0);
  process(11, "bwrap) S 1 (", 10, hz, 0);
  process(12, "qemu-system-arm", 11, 2 * hz, hz);
  process(13, "other", 1, 100 * hz, 0);
  process(14, "loop", 15, 0, 0);
  process(15, "loop", 14, 0, 0);
  fs::create_directory(proc.path() / "self");
  write_file_atomically(proc.path() / "12/task/12/wchan", "sock_alloc_send_pskb");
  double seconds = 0;
  const auto tree = process_tree(10, proc.path());
  for (const auto& each : tree) seconds += each.seconds;
  CHECK(tree.size() == 3);
  CHECK(seconds == 4);
  CHECK(contains(describe_threads(tree, proc.path()), "qemu-system-arm 12: S, in sock_alloc_send_pskb"));
  CHECK(process_tree(99, proc.path()).empty());
  const auto own_time = [] { return process_tree(::getpid()).at(0).seconds; };
  const double before = own_time();
  for (const auto until = std::clock() + CLOCKS_PER_SEC / 4; std::clock() < until;) {
  }
  CHECK(own_time() > before + 0.1);
}

TEST_CASE("the monitor is asked whether the guest runs, where its processors are, its network and its disks") {
  const TempDir folder(fs::temp_directory_path(), "monitor");
  // The path is too long for a socket address.
  const fs::path deep = folder.path() / std::string(120, 'd');
  fs::create_directory(deep);
  std::string text;
  FakeMonitor monitor(
      deep / "monitor",
      {"{\"return\": {}}\r\n", "{\"event\": \"RESUME\"}\r\n{\"return\": \"VM status: running\\r\\n\"}\r\n",
       "{\"return\": \"\\r\\nCPU#0\\r\\nEAX=00000000\\r\\nEIP=0000fff0 HLT=1\\r\\nXMM00=0\\r\\n\"}\r\n",
       "{\"return\": \"hub 0\\r\\n\"}\r\n", "{\"error\": {\"desc\": \"no such command\"}}\r\n"});
  text = ask_monitor(deep / "monitor", 20);
  CHECK(contains(text, "info status: VM status: running\n"));
  CHECK(contains(text, "CPU#0\nEIP=0000fff0 HLT=1\n"));
  CHECK_FALSE(contains(text, "XMM00"));
  CHECK(contains(text, "info network: hub 0\n"));
  CHECK(contains(text, "no such command"));
}

TEST_CASE(
    "a monitor that is silent, talks nonsense or for ever, or is not there, is waited for no longer than was said") {
  const TempDir folder(fs::temp_directory_path(), "monitor");
  const auto asked = [&](const std::string& name) {
    const auto started = std::chrono::steady_clock::now();
    const std::string text = ask_monitor(folder.path() / name, 0.3);
    CHECK(std::chrono::steady_clock::now() - started < 5s);
    return text;
  };
  const FakeMonitor silent(folder.path() / "silent", {}, false),
      half(folder.path() / "half", {"{\"return\": {}}\n", "{\"return\": \"VM status: paused\"}\n"});
  const FakeMonitor nonsense(folder.path() / "nonsense", {"\x1b[2J\xff\n[]\n{\n"}),
      endless(folder.path() / "endless", {std::string(3 << 20, 'x')});
  for (const char* name : {"silent", "nonsense", "endless"})
    CHECK(contains(asked(name), "QEMU's monitor does not answer: its main loop is blocked"));
  const std::string text = asked("half");
  CHECK(contains(text, "info status: VM status: paused\n"));
  CHECK(contains(text, "does not answer"));
  CHECK(contains(asked("missing"), "QEMU's monitor cannot be asked: cannot connect to"));
}

TEST_CASE("an emulator that prints once and sleeps is given up, with what there is to say of it") {
  Guest guest;
  const MachineResult result = guest.run("echo 'Linux version 6.12' >console.log; echo 'warning: odd' >&2; sleep 100");
  CHECK(contains(result.stalled, "no output on the console and no processor time for 3 min"));
  CHECK(contains(result.stalled, "QEMU's monitor cannot be asked"));
  CHECK(contains(result.stalled, "sleep "));
  CHECK(result.message == "warning: odd");
  CHECK_FALSE(result.timed_out);
  CHECK(result.seconds < 30);
}

TEST_CASE("an emulator that does not want to end is ended") {
  Guest guest;
  CHECK_FALSE(guest.run("trap '' TERM; while :; do sleep 100; done").stalled.empty());
}

TEST_CASE("an emulator that prints now and then is left alone") {
  Guest guest;
  guest.boot.stall.look_every = 20ms;
  guest.boot.stall.seconds = 400;  // of the fast clock: at least 0.8 s of real time
  const MachineResult result = guest.run("for i in $(seq 40); do echo x >>console.log; sleep 0.05; done");
  INFO(result.stalled);
  CHECK(result.stalled.empty());
  CHECK(result.seconds > 1);
}

TEST_CASE("a guest that is not to be watched sleeps as long as it likes, and an interruption stays one") {
  Guest guest;
  guest.boot.stall.seconds = 0;
  CHECK(guest.run("sleep 0.5; exit 3").exit_code == 3);
  guest.boot.stall.seconds = 1e9;
  std::stop_source stop;
  const std::jthread stopper([&] { std::this_thread::sleep_for(200ms), stop.request_stop(); });
  CHECK_THROWS_AS(guest.run("sleep 100", stop.get_token()), Error);
}
