// Launches, uses and ends the appliance.
#include "appliance/session.hpp"

#include <fmt/format.h>
#include <guestfs.h>
#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <fstream>

#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace fs = std::filesystem;

namespace {

void keep_message(guestfs_h*, void* messages, std::uint64_t, int, int, const char* text, std::size_t size,
                  const std::uint64_t*, std::size_t) {
  static_cast<std::string*>(messages)->append(text, size);
}

std::string last_lines(const std::string& text, std::size_t count) {
  std::vector<std::string> lines = split(std::string(trim(text)), '\n');
  if (lines.size() > count) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
  return join(lines, "\n");
}

}  // namespace

/// Kills the QEMU processes that are children of this process, so that a call waiting for the appliance fails at once.
/// libguestfs cannot cancel a call, and does not report the pid while it launches.
void ApplianceSession::Killer::operator()() const {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc() || pid <= 0) continue;
    // "PID (COMMAND) STATE PARENT": proc(5).
    std::ifstream file(entry.path() / "stat");
    std::string stat;
    std::getline(file, stat);
    const auto open = stat.find('('), close = stat.rfind(')');
    if (open == std::string::npos || close == std::string::npos || !stat.substr(open + 1).starts_with("qemu")) continue;
    const auto fields = split_words(std::string_view(stat).substr(close + 1));
    if (fields.size() > 1 && fields[1] == std::to_string(getpid())) ::kill(pid, SIGKILL);
  }
}

void ApplianceSession::Close::operator()(guestfs_h* handle) const { guestfs_close(handle); }

ApplianceSession::ApplianceSession(const fs::path& image, std::uint64_t sector_size, const Appliance& appliance,
                                   const fs::path& scratch, const std::stop_token& stop)
    : stop_(stop) {
  on_stop_.emplace(stop, Killer{});
  if (launch(image, sector_size, appliance, scratch, nullptr)) return;
  if (appliance.rebuild && !stop_.stop_requested()) appliance.rebuild();
  std::string messages;
  if (!stop_.stop_requested() && launch(image, sector_size, appliance, scratch, &messages)) {
    // `messages` goes out of scope here.
    guestfs_set_verbose(handle(), 0);
    guestfs_delete_event_callback(handle(), 0);
    return;
  }
  std::string why = last_error();
  if (!messages.empty()) why += "\n" + last_lines(messages, 20);
  handle_.reset();
  if (stop_.stop_requested()) throw Error(ErrorKind::Interrupted, "interrupted");
  throw Error(ErrorKind::Step, "libguestfs does not start: " + why);
}

ApplianceSession::~ApplianceSession() = default;

bool ApplianceSession::launch(const fs::path& image, std::uint64_t sector_size, const Appliance& appliance,
                              const fs::path& scratch, std::string* messages) {
  // Do not use the caller's environment.
  handle_.reset(guestfs_create_flags(GUESTFS_CREATE_NO_ENVIRONMENT));
  guestfs_h* const g = handle();
  if (!g) throw Error(ErrorKind::Internal, "libguestfs cannot make a handle");
  guestfs_set_error_handler(g, nullptr, nullptr);
  if (messages) {
    guestfs_set_verbose(g, 1);
    guestfs_set_event_callback(g, keep_message, GUESTFS_EVENT_APPLIANCE | GUESTFS_EVENT_LIBRARY | GUESTFS_EVENT_WARNING,
                               0, messages);
  }
  // Format "raw" disables detection by the first bytes. Read-only uses an overlay, so the file is not written.
  return guestfs_set_path(g, appliance.folder.c_str()) == 0 && guestfs_set_backend(g, "direct") == 0 &&
         (appliance.kvm || guestfs_set_backend_setting(g, "force_tcg", "1") == 0) && guestfs_set_memsize(g, 768) == 0 &&
         guestfs_set_cachedir(g, appliance.folder.parent_path().c_str()) == 0 &&
         guestfs_set_tmpdir(g, scratch.c_str()) == 0 &&
         guestfs_add_drive_opts(g, image.c_str(), GUESTFS_ADD_DRIVE_OPTS_READONLY, 1, GUESTFS_ADD_DRIVE_OPTS_FORMAT,
                                "raw", GUESTFS_ADD_DRIVE_OPTS_LABEL, "image", GUESTFS_ADD_DRIVE_OPTS_BLOCKSIZE,
                                static_cast<int>(sector_size), -1) == 0 &&
         guestfs_launch(g) == 0 && guestfs_get_pid(g) > 0;
}

std::string ApplianceSession::last_error() const {
  const char* text = guestfs_last_error(handle());
  return text ? text : "no message";
}

void ApplianceSession::fail(const std::string& what) const {
  if (stop_.stop_requested()) throw Error(ErrorKind::Interrupted, "interrupted");
  throw Error(ErrorKind::Step, fmt::format("libguestfs: {}: {}", what, last_error()));
}

void ApplianceSession::check_alive() const {
  if (stop_.stop_requested()) throw Error(ErrorKind::Interrupted, "interrupted");
  if (!guestfs_is_ready(handle())) fail("the appliance ended");
}

ApplianceSession::Ran ApplianceSession::run(const std::string& program_and_arguments) {
  // Only "debug sh" returns the exit code of a program with arbitrary options. The command consists of constants and
  // device names.
  const std::string line = program_and_arguments + " 2>&1; echo \" $?\"";
  std::string word = "sh", text = line;
  char* const arguments[] = {text.data(), nullptr};
  const std::unique_ptr<char, decltype(&std::free)> output(guestfs_debug(handle(), word.c_str(), arguments),
                                                           &std::free);
  if (!output) fail(program_and_arguments);
  Ran ran{.exit_code = -1, .output = std::string(trim(output.get()))};
  const auto blank = ran.output.rfind(' ');
  const std::string digits = ran.output.substr(blank == std::string::npos ? 0 : blank + 1);
  std::from_chars(digits.data(), digits.data() + digits.size(), ran.exit_code);
  ran.output.resize(ran.output.size() - digits.size());
  ran.output = std::string(trim(ran.output));
  return ran;
}

std::string ApplianceSession::device(int number) {
  return "/dev/disk/guestfs/image" + (number ? std::to_string(number) : "");
}

}  // namespace k8simg
