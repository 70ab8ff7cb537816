// The step graph, the plan made from it, and the scheduler that runs it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/step.hpp"

namespace k8simg {

class StepGraph {
 public:
  /// Inputs must refer to steps added earlier, so there are no cycles. Error{Internal} otherwise, and for a duplicate
  /// id.
  void add(Step step);
  /// An output that must be in the store after the build.
  void add_target(OutputRef target);

  const std::vector<Step>& steps() const { return steps_; }
  const std::vector<OutputRef>& targets() const { return targets_; }
  const Step* find(const std::string& id) const;

 private:
  std::vector<Step> steps_;
  std::map<std::string, std::size_t, std::less<>> index_;
  std::vector<OutputRef> targets_;
};

struct PlannedStep {
  enum class State {
    Cached,   ///< record found
    Run,      ///< will run: `reason`
    Maybe,    ///< depends on the output of an earlier step; may turn out to be cached
    Unneeded  ///< no step that runs needs it (its outputs are known or unused)
  };
  std::string id;
  State state = State::Unneeded;
  std::string reason;  ///< "never built here", "input kernel-fragments/vxlan.config changed", "recipe changed", "its
                       ///< output is no longer in the store"
  std::optional<Digest> key;  ///< when all inputs are known
  double last_seconds = 0;    ///< duration of the last run; 0 if never
};

/// The result of make_plan(), which changes nothing: the state of each step with a reason, in the order of the graph's
/// steps.
struct Plan {
  std::vector<PlannedStep> steps;
  const PlannedStep* find(const std::string& id) const;
  std::size_t count(PlannedStep::State state) const;
};
Plan make_plan(const StepGraph& graph, const StoreView& store, const std::string& defconfig);

struct RunOptions {
  std::string defconfig;
  int jobs = 0;  ///< cores; 0: all
  int downloads = 8;
  bool keep_going = false;
  /// Whether a target will be read from the store and must be verified; unset: all targets.
  std::function<bool(const OutputRef&, const Value&)> taken;
};

struct RunResult {
  std::map<OutputRef, Value> values;  ///< of the targets
  std::size_t ran = 0;                ///< number of executed steps
};

/// Runs the plan in parallel, steps with the longest remaining path first. Looks for a record again once a step's
/// inputs are known (early cut-off). The first failure stops all other steps and is thrown as Error{Step} (or the
/// step's own kind) with the step's id, argv, last lines of the log and its path. A stop request ends all steps and
/// throws Error{Interrupted}. Blobs that steps use are verified while they run, each blob once. A step is recorded only
/// if all blobs that it used were whole; damaged ones are reported, moved to the store's quarantine and made again, and
/// the step is repeated. Logs: store.folder("logs")/DEFCONFIG/STEP.log (slashes become "__").
RunResult run_plan(const StepGraph& graph, const Plan& plan, Store& store, CommandRunner& runner, Reporter& reporter,
                   const RunOptions& options, std::stop_token stop = {});

}  // namespace k8simg
