// `k8simg plan NAME`: prints the steps that a build would run, with reasons.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/verbs.hpp"
#include "report/output.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

const char* state_name(PlannedStep::State state) {
  switch (state) {
    case PlannedStep::State::Cached:
      return "cached";
    case PlannedStep::State::Run:
      return "run";
    case PlannedStep::State::Maybe:
      return "maybe";
    case PlannedStep::State::Unneeded:
      return "unneeded";
  }
  return "";
}

}  // namespace

void add_plan(CLI::App& app, Options& options, Verb& run) {
  auto* verb = app.add_subcommand("plan", "show the steps that a build would run, with reasons");
  auto name = std::make_shared<std::string>();
  auto explain = std::make_shared<bool>(false);
  verb->add_option("defconfig", *name, "name")->required();
  verb->add_flag("--explain", *explain, "also show steps that do not run");
  verb->add_flag("--json", options.json, "print JSON");
  verb->add_option("--set", options.set, "override a value: key=value");
  verb->add_option("--lock", options.lock_file, "use this lock instead of defconfigs/NAME.lock");
  verb->callback([=, &run] {
    run = [=](Session& session) {
      const Config config = session.config(*name);
      const Lock lock = session.lock(*name);
      Pipeline pipeline = session.pipeline(config, lock);
      for (const auto& [file, output] : pipeline.artifacts) pipeline.graph.add_target(output);
      const Plan plan = make_plan(pipeline.graph, session.store(), *name);
      if (session.options().json) {
        nlohmann::json steps = nlohmann::json::array();
        for (const auto& step : plan.steps) {
          steps.push_back({{"step", step.id},
                           {"state", state_name(step.state)},
                           {"reason", step.reason},
                           {"last_seconds", step.last_seconds}});
          if (step.key) steps.back()["key"] = step.key->hex();
        }
        print_out(fmt::format("{}\n", nlohmann::json{{"defconfig", *name}, {"steps", steps}}.dump(
                                          2, ' ', false, nlohmann::json::error_handler_t::replace)));
        return 0;
      }
      for (const auto& step : plan.steps) {
        const bool runs = step.state == PlannedStep::State::Run || step.state == PlannedStep::State::Maybe;
        if (!runs && !*explain) continue;
        print_out(fmt::format("{:<8} {}{}{}\n", state_name(step.state), step.id, step.reason.empty() ? "" : ": ",
                              step.reason));
      }
      print_out(fmt::format("{} to run, {} that may, {} cached, {} not needed\n", plan.count(PlannedStep::State::Run),
                            plan.count(PlannedStep::State::Maybe), plan.count(PlannedStep::State::Cached),
                            plan.count(PlannedStep::State::Unneeded)));
      return 0;
    };
  });
}

}  // namespace k8simg
