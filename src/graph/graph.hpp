// The step graph, the pure plan made from it, and the scheduler that carries it out.
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
  /// Inputs must refer to steps added before (so there are no cycles). Error{Internal} otherwise, and for a repeated
  /// id.
  void add(Step step);
  /// What must exist in the store when the build is done.
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
    Maybe,    ///< depends on what a step before it gives: may turn out cached
    Unneeded  ///< nobody who runs needs it (its outputs are known or not asked for)
  };
  std::string id;
  State state = State::Unneeded;
  std::string reason;  ///< "never built here", "input kernel-fragments/vxlan.config changed", "recipe changed", "its
                       ///< output is no longer in the store"
  std::optional<Digest> key;  ///< when all inputs are known
  double last_seconds = 0;    ///< how long it took last time; 0 if never
};

/// Pure: graph × store → run set, with a reason for each. Same order as the graph's steps.
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
  /// Whether the bytes of a target will be taken out of the store, so that they must be verified; unset: those of all
  /// targets.
  std::function<bool(const OutputRef&, const Value&)> taken;
};

struct RunResult {
  std::map<OutputRef, Value> values;  ///< of the targets
  std::size_t ran = 0;                ///< steps that were carried out
};

/// Runs what the plan says, in parallel, deepest-first where there is a choice; looks again for a record once a step's
/// inputs are known (early cut-off). The first failure stops all others and is thrown as Error{Step} (or the step's own
/// kind) with the step's id, argv, last lines and log path. A stop request ends everything and throws
/// Error{Interrupted}. What steps take out of the store is hashed beside them, each blob once. A step is recorded only
/// when all that it took was whole; what was not is reported, moved to the store's quarantine and made again, as is the
/// step. Logs: store.folder("logs")/DEFCONFIG/STEP.log (slashes become "__").
RunResult run_plan(const StepGraph& graph, const Plan& plan, Store& store, CommandRunner& runner, Reporter& reporter,
                   const RunOptions& options, std::stop_token stop = {});

}  // namespace k8simg
