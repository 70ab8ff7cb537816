// A QMP client. Answers may be missing, late, endless or invalid.
#include "guest/monitor.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

using SteadyClock = std::chrono::steady_clock;
using nlohmann::json;

constexpr std::size_t longest_answer = 1 << 20;
constexpr std::size_t most_shown = 2000;  ///< bytes of one answer

class Connection {
 public:
  Connection(const fs::path& socket, double seconds)
      : deadline_(SteadyClock::now() +
                  std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds))) {
    // A socket's path has at most 107 bytes, and the store's path may be longer, so the folder is opened first.
    const Fd folder = Fd::open(socket.parent_path(), O_PATH | O_DIRECTORY);
    const std::string path = fmt::format("/proc/self/fd/{}/{}", folder.get(), socket.filename().string());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) throw_errno("cannot connect to", socket.string(), ENAMETOOLONG);
    std::copy(path.begin(), path.end(), address.sun_path);
    fd_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd_.valid() || ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw_errno("cannot connect to", socket.string(), errno);
  }

  /// The next object that is not an event; nullopt after the deadline.
  std::optional<json> receive() {
    for (;;) {
      while (received_.find('\n') == std::string::npos) {
        char buffer[4096];
        if (received_.size() > longest_answer || !wait(POLLIN)) return std::nullopt;
        const ssize_t count = ::recv(fd_.get(), buffer, sizeof buffer, 0);
        if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (count <= 0) return std::nullopt;
        received_.append(buffer, static_cast<std::size_t>(count));
      }
      const auto end = received_.find('\n');
      json object =
          json::parse(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
      received_.erase(0, end + 1);
      if (object.is_object() && !object.contains("event")) return object;
    }
  }

  bool send(const json& command) {
    std::string text = command.dump() + "\n";
    while (!text.empty()) {
      const ssize_t count = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (count > 0)
        text.erase(0, static_cast<std::size_t>(count));
      else if (errno == EAGAIN ? !wait(POLLOUT) : errno != EINTR)
        return false;
    }
    return true;
  }

 private:
  bool wait(short events) const {
    for (;;) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - SteadyClock::now()).count();
      if (left <= 0) return false;
      pollfd watched{fd_.get(), events, 0};
      const int ready = ::poll(&watched, 1, static_cast<int>(std::min<long long>(left, 3600'000)));
      if (ready > 0) return true;
      if (ready == 0 || errno != EINTR) return false;
    }
  }

  SteadyClock::time_point deadline_;
  Fd fd_;
  std::string received_;
};

/// The registers that show where each processor is and whether it is halted.
std::string places(const std::string& registers) {
  constexpr std::array telling{"CPU#", "EIP=", "RIP=", "R15=", "PSR=", " PC=", "HLT="};
  std::string text;
  for (const std::string& line : split(registers, '\n')) {
    const bool tells = std::any_of(telling.begin(), telling.end(),
                                   [&](const char* word) { return line.find(word) != std::string::npos; });
    if (tells) text += line + "\n";
  }
  return text;
}

}  // namespace

std::string ask_monitor(const std::filesystem::path& socket, double seconds) {
  constexpr const char* silent = "QEMU's monitor does not answer: its main loop is blocked";
  try {
    Connection monitor(socket, seconds);
    // QEMU sends a greeting, and expects qmp_capabilities before other commands.
    if (!monitor.receive() || !monitor.send({{"execute", "qmp_capabilities"}}) || !monitor.receive()) return silent;
    std::string text;
    for (const char* question : {"info status", "info registers -a", "info network", "info block"}) {
      std::optional<json> answer;
      if (monitor.send({{"execute", "human-monitor-command"}, {"arguments", {{"command-line", question}}}}))
        answer = monitor.receive();
      if (!answer) return text + silent;
      const auto said = answer->find("return");
      std::string words = said != answer->end() && said->is_string()
                              ? replace_all(said->get<std::string>(), "\r\n", "\n")
                              : answer->dump(-1, ' ', false, json::error_handler_t::replace);
      if (std::string_view(question).starts_with("info registers")) words = places(words);
      words = words.substr(0, most_shown);
      text += fmt::format("{}: {}\n", question, trim(words));
    }
    return "QEMU's monitor says:\n" + std::string(trim(text));
  } catch (const std::exception& error) {
    return fmt::format("QEMU's monitor cannot be asked: {}", error.what());
  }
}

}  // namespace k8simg
