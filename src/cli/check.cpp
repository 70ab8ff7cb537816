// `k8simg check NAME`: prints the preflight, the expected results of kubeadm's and the container runtime's checks on
// the machine.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/preflight.hpp"
#include "cli/verbs.hpp"
#include "report/output.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace {

nlohmann::json to_json(const Finding& finding) {
  nlohmann::json json{{"check", finding.check},
                      {"severity", severity_name(finding.severity)},
                      {"looked_at", finding.looked_at},
                      {"says", finding.says},
                      {"action", finding.action}};
  json["kubeadm"] = finding.kubeadm ? nlohmann::json(severity_name(*finding.kubeadm)) : nlohmann::json();
  return json;
}

}  // namespace

void add_check(CLI::App& app, Options& options, Verb& run) {
  auto* verb =
      app.add_subcommand("check", "apply the rules of kubeadm's preflight and of the container runtime to the image");
  auto name = std::make_shared<std::string>();
  verb->add_option("defconfig", *name, "name")->required();
  verb->add_option("--set", options.set, "override a value: key=value");
  verb->add_option("--lock", options.lock_file, "use this lock instead of defconfigs/NAME.lock");
  verb->add_flag("--json", options.json, "print JSON");
  verb->callback([=, &run] {
    run = [=](Session& session) {
      const Config config = session.config(*name);
      auto findings = run_preflight(session, config, PreflightMachine::Smallest);
      for (const auto& suite : session.lock(*name).without_suites)
        findings.push_back({.severity = Severity::Warning,
                            .check = "suites",
                            .looked_at = session.lock_file(*name).filename().string(),
                            .says = "the packages were chosen without suite " + suite,
                            .action = "lock again with a mirror that has it",
                            .kubeadm = {}});
      const auto count = [&](Severity severity) {
        return std::count_if(findings.begin(), findings.end(),
                             [&](const Finding& finding) { return finding.severity == severity; });
      };
      const auto errors = count(Severity::Error), warnings = count(Severity::Warning);
      if (session.options().json) {
        nlohmann::json list = nlohmann::json::array();
        for (const Finding& finding : findings) list.push_back(to_json(finding));
        print_out(fmt::format("{}\n", nlohmann::json{{"name", *name},
                                                     {"board", config.board},
                                                     {"role", config.node_role},
                                                     {"ok", errors == 0},
                                                     {"errors", errors},
                                                     {"warnings", warnings},
                                                     {"kubeadm", kubeadm_verdicts(findings)},
                                                     {"findings", list}}
                                          .dump(2, ' ', false, nlohmann::json::error_handler_t::replace)));
      } else {
        for (const Finding& finding : findings) {
          print_out(fmt::format("{:<8} {}: {} ({}){}{}\n", severity_name(finding.severity), finding.check, finding.says,
                                finding.looked_at, finding.action.empty() ? "" : ": ", finding.action));
        }
        print_out(fmt::format("{}: {} error{}, {} warning{}\n", *name, errors, errors == 1 ? "" : "s", warnings,
                              warnings == 1 ? "" : "s"));
      }
      return errors == 0 ? 0 : static_cast<int>(ErrorKind::Step);
    };
  });
}

}  // namespace k8simg
