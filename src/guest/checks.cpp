// Makes the script that runs in the guest, and parses its report.
#include "guest/checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "util/text.hpp"

namespace k8simg {

namespace {

// The prefix of report lines: the console has other lines too.
constexpr std::string_view mark = "@k8simg@";

// Kept short: all credentials must fit into a small board's kernel command line of 1023 characters. {0} is the drive,
// {1} the script's size.
constexpr const char* unit = R"unit([Unit]
Wants=dev-{0}.device
After=multi-user.target dev-{0}.device
[Service]
Type=exec
ExecStart=/bin/bash -c 'exec bash -c "$$(head -c {1} /dev/{0})"'
)unit";

constexpr const char* dropin = "[Unit]\nWants=k8simg-checks.service\n";

std::string ready_name(Expectations::Ready ready) {
  switch (ready) {
    case Expectations::Ready::No:
      return "";
    case Expectations::Ready::Cluster:
      return "cluster";
    case Expectations::Ready::Standalone:
      return "standalone";
    case Expectations::Ready::Worker:
      return "worker";
  }
  return "";
}

}  // namespace

bool GuestReport::ok() const {
  return finished && std::any_of(checks.begin(), checks.end(), [](const CheckResult& check) { return check.ok; }) &&
         std::all_of(checks.begin(), checks.end(), [](const CheckResult& check) { return check.ok || check.skipped; });
}
int GuestReport::skipped() const {
  return static_cast<int>(
      std::count_if(checks.begin(), checks.end(), [](const CheckResult& check) { return check.skipped; }));
}

std::string check_values(const Expectations& expectations) {
  std::string text;
  const auto set = [&](std::string_view name, const std::string& value) {
    text += fmt::format("{}={}\n", name, shell_word(value));
  };
  const auto set_flag = [&](std::string_view name, bool value) { set(name, value ? "1" : ""); };
  set("kernel", expectations.kernel);
  set("firmware", expectations.firmware);
  set("earliest_time", std::to_string(expectations.earliest_time));
  set("root_bytes", std::to_string(expectations.root_bytes));
  set("sector_size", std::to_string(expectations.sector_size));
  set_flag("protective_mbr_active", expectations.protective_mbr_active);
  set_flag("router", expectations.router);
  set("no_network", expectations.no_network);
  set("container_drive", expectations.container_drive);
  set("container_image", expectations.container_image);
  set("container_says", expectations.container_says);
  set("ready", ready_name(expectations.ready));
  set("ready_image", expectations.ready_image);
  set("workers", std::to_string(expectations.workers));
  set_flag("move_clock", expectations.move_clock);
  set("preflight", !expectations.preflight_verdicts                          ? ""
                   : expectations.preflight == Expectations::Preflight::Init ? "init"
                                                                             : "join");
  set("preflight_verdicts", join(expectations.preflight_verdicts.value_or(std::vector<std::string>{}), ","));
  set_flag("kubeadm_images", expectations.kubeadm_images);
  text += "version_checks() {\n  :\n";
  for (const auto& words : expectations.versions) {
    if (words.size() < 2) continue;
    const std::string name = "version-" + words.front().substr(words.front().rfind('/') + 1);
    text += fmt::format("  check {} has {}", shell_word(name), shell_word(words.back()));
    for (std::size_t i = 0; i + 1 < words.size(); ++i) text += " " + shell_word(words[i]);
    text += "\n";
  }
  return text + "}\n";
}

std::string check_script(const Expectations& expectations) {
  return check_values(expectations) + std::string(check_functions()) + "main\n";
}

std::map<std::string, std::string> check_credentials(const Expectations& expectations) {
  std::map<std::string, std::string> credentials{
      {"systemd.extra-unit.k8simg-checks.service",
       fmt::format(unit, expectations.script_drive, check_script(expectations).size())},
      {"systemd.unit-dropin.multi-user.target", dropin}};
  for (const auto& skipped : expectations.skip_units)
    credentials["systemd.unit-dropin." + skipped] = "[Unit]\nConditionPathExists=/k8simg-test\n";
  return credentials;
}

GuestReport read_report(std::string_view console) {
  GuestReport report;
  for (const std::string& line : split(console, '\n')) {
    const auto at = line.find(mark);
    if (at == std::string::npos) continue;
    const std::string_view rest = trim(std::string_view(line).substr(at + mark.size()));
    const auto words = split_words(rest);
    if (words.empty()) continue;
    if (words[0] == "end") {
      // Kernel messages on the console may split a line: the count shows whether a result was lost.
      report.finished = words.size() == 2 && words[1] == std::to_string(report.checks.size());
    } else if (words[0] == "figure" && words.size() == 3) {
      double value = 0;
      const auto parsed = std::from_chars(words[2].data(), words[2].data() + words[2].size(), value);
      if (parsed.ec == std::errc()) report.figures[words[1]] = value;
    } else if (words[0] == "join" && words.size() == 4) {
      report.join = {.server = words[1], .ca_cert_hash = words[2], .token = words[3]};
    } else if (words[0] == "process" && words.size() == 6) {
      const auto number = [&](std::size_t index) {
        std::uint64_t value = 0;
        std::from_chars(words[index].data(), words[index].data() + words[index].size(), value);
        return value;
      };
      report.processes.push_back(
          {words[1], static_cast<int>(number(2)), number(3), number(4), static_cast<double>(number(5)) / 100});
    } else if ((words[0] == "ok" || words[0] == "FAIL" || words[0] == "skip") && words.size() >= 2) {
      const auto detail = rest.find(words[1], words[0].size());
      report.checks.push_back({.name = words[1],
                               .ok = words[0] == "ok",
                               .detail = std::string(trim(rest.substr(detail + words[1].size()))),
                               .skipped = words[0] == "skip"});
    }
  }
  return report;
}

}  // namespace k8simg
