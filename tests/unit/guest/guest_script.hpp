// Runs the script of the guest, or parts of it, with bash on this machine.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "guest/checks.hpp"
#include "process/command.hpp"
#include "support/catch.hpp"
#include "util/text.hpp"

namespace k8simg::test {

inline Expectations sample() {
  return {.kernel = "6.12.1",
          .firmware = "uefi",
          .earliest_time = 1763195591,
          .root_bytes = 123456789,
          .versions = {{"/usr/bin/kubelet", "--version", "v1.37.1"}, {"crun", "1.21"}},
          .script_drive = "vdb",
          .container_drive = "vdc",
          .container_image = "localhost/check:1",
          .container_says = "hello"};
}

inline std::string script_of(const Expectations& expectations) { return check_script(expectations); }

inline CommandResult bash(std::vector<std::string> arguments, const std::string& input) {
  arguments.insert(arguments.begin(), "/bin/bash");
  return system_runner().run({.argv = arguments,
                              .environment = {{"PATH", "/usr/bin:/bin"}, {"LC_ALL", "C.UTF-8"}},
                              .capture_stdout = true,
                              .input = input});
}

/// Runs the script without `main`, with standard output as console and a new work folder, and then `body`.
inline GuestReport run_functions(const Expectations& expectations, const std::string& body) {
  const std::string functions = replace_all(std::string(check_functions()), ">/dev/console", ">&3");
  const CommandResult result = bash({"-c", "exec 3>&1; " + check_values(expectations) + functions + "\n" + body}, "");
  INFO(result.output);
  CHECK(result.exit_code == 0);
  return read_report(result.output);
}

/// The calls of `main` in order: "check NAME COMMAND...", "tell_workers", "processes_by_name". They are not executed.
inline std::vector<std::string> plan_of(const Expectations& expectations) {
  const std::string functions = replace_all(std::string(check_functions()), ">/dev/console", ">/dev/null");
  const std::string fakes = R"(
check() { echo "check $*"; count=$((count + 1)); }
say() { echo "say $1"; }
tell_workers() { echo tell_workers; }
processes_by_name() { echo processes_by_name; }
memory() { :; }
mkdir() { :; }
sleep() { :; }
journalctl() { :; }
systemctl() { echo "systemctl $*" >&2; }
main
)";
  const CommandResult result = bash({"-c", check_values(expectations) + functions + fakes}, "");
  CHECK(result.exit_code == 0);
  return split(result.output, '\n');
}

inline bool runs(const std::vector<std::string>& plan, std::string_view step) {
  return std::any_of(plan.begin(), plan.end(), [&](const std::string& line) { return line.starts_with(step); });
}

/// Checks that `steps` are in the plan, in this order.
inline void check_order(const std::vector<std::string>& plan, const std::vector<std::string>& steps) {
  auto at = plan.begin();
  for (const auto& step : steps) {
    INFO(step);
    at = std::find_if(at, plan.end(), [&](const std::string& line) { return line.starts_with(step); });
    REQUIRE(at != plan.end());
  }
}

}  // namespace k8simg::test
