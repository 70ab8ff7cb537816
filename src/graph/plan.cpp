// Makes the plan: known values propagate forward through the graph, and needs propagate back from the targets.
#include <algorithm>

#include "graph/edges.hpp"
#include "graph/explain.hpp"
#include "util/error.hpp"

namespace k8simg {
namespace {

// What is known about a step before anything runs.
struct Known {
  std::vector<RecordedInput> inputs;
  std::optional<Digest> key;  // when all inputs are known
  std::optional<StepRecord> record;
  std::map<std::string, Value> outputs;  // from the lock or the record, even if the blobs are missing
  std::string waits_for;                 // the step whose output is not known yet
};

// What other steps and targets need from a step.
struct Demand {
  std::set<std::string> bytes;     // needed by steps that run, and by targets
  std::set<std::string> maybe;     // needed only if a step that may run does run
  bool value = false;              // needed for the key of another step
  std::string bytes_by, maybe_by;  // the nearest step that needs them
  bool any() const { return value || !bytes.empty() || !maybe.empty(); }
};

class Planner {
 public:
  Planner(const StepGraph& graph, const StoreView& store, const std::string& defconfig)
      : graph_(graph),
        store_(store),
        defconfig_(defconfig),
        edges_(graph),
        known_(graph.steps().size()),
        demand_(graph.steps().size()) {}

  Plan make() {
    const std::size_t count = graph_.steps().size();
    for (std::size_t i = 0; i < count; ++i) learn(i);
    for (const auto& target : edges_.targets) demand_[*target.step].bytes.insert(target.output);
    Plan plan;
    plan.steps.resize(count);
    for (std::size_t i = count; i-- > 0;) plan.steps[i] = decide(i);
    return plan;
  }

 private:
  void learn(std::size_t i) {
    const Step& step = graph_.steps()[i];
    Known& known = known_[i];
    known.outputs = step.known_outputs;
    for (std::size_t n = 0; n < step.inputs.size(); ++n) {
      const auto& source = edges_.nodes[i].sources[n];
      if (!source.step) {
        known.inputs.push_back({step.inputs[n].name, std::get<Value>(step.inputs[n].source)});
        continue;
      }
      const auto& from = known_[*source.step].outputs;
      const auto found = from.find(source.output);
      if (found == from.end()) {
        if (known.waits_for.empty()) known.waits_for = graph_.steps()[*source.step].id;
        continue;
      }
      known.inputs.push_back({step.inputs[n].name, found->second});
    }
    if (!known.waits_for.empty()) return;
    known.key = step_key(step, known.inputs);
    if (knows(i, edges_.nodes[i].asked)) return;  // a fetch: a record would add nothing
    known.record = store_.find_record(*known.key);
    if (known.record) known.outputs.insert(known.record->outputs.begin(), known.record->outputs.end());
  }

  bool knows(std::size_t i, const std::set<std::string>& outputs) const {
    return std::all_of(outputs.begin(), outputs.end(),
                       [&](const auto& name) { return known_[i].outputs.contains(name); });
  }
  bool holds(std::size_t i, const std::set<std::string>& outputs) const {
    return std::all_of(outputs.begin(), outputs.end(), [&](const auto& name) {
      const auto found = known_[i].outputs.find(name);
      return found != known_[i].outputs.end() && store_.has(found->second);
    });
  }

  PlannedStep decide(std::size_t i) {
    using State = PlannedStep::State;
    const Step& step = graph_.steps()[i];
    const Known& known = known_[i];
    const Demand& demand = demand_[i];
    PlannedStep planned{.id = step.id, .key = known.key};
    if (!demand.any()) return planned;

    const bool bytes_known = knows(i, demand.bytes);
    // Values are requested only if they are unknown.
    const bool needed = demand.value || !bytes_known || !holds(i, demand.bytes);
    const bool perhaps_needed = !holds(i, demand.maybe);
    if (!needed && !perhaps_needed) {
      planned.state = State::Cached;
      if (known.record) planned.last_seconds = known.record->seconds;
      return planned;
    }

    const auto last = store_.last_record(defconfig_, step.id);
    if (last) planned.last_seconds = last->seconds;
    // Known outputs with missing blobs are made again, whatever the key is.
    if (needed && (known.key || (bytes_known && !demand.value))) {
      planned.state = State::Run;
      planned.reason = reason_to_run(i, last);
      for (const auto& source : edges_.nodes[i].sources)
        if (source.step) want_bytes(*source.step, source.output, step.id);
    } else {
      planned.state = State::Maybe;
      planned.reason = needed ? "waits for " + known.waits_for : "needed if " + demand.maybe_by + " runs";
      for (const auto& source : edges_.nodes[i].sources) {
        if (!source.step) continue;
        Demand& upstream = demand_[*source.step];
        if (needed && !known_[*source.step].outputs.contains(source.output)) upstream.value = true;
        upstream.maybe.insert(source.output);
        upstream.maybe_by = step.id;
      }
    }
    return planned;
  }

  void want_bytes(std::size_t from, const std::string& output, const std::string& by) {
    demand_[from].bytes.insert(output);
    demand_[from].bytes_by = by;  // later calls come from nearer steps
  }

  std::string reason_to_run(std::size_t i, const std::optional<StepRecord>& last) const {
    const Step& step = graph_.steps()[i];
    if (!step.known_outputs.empty() && knows(i, edges_.nodes[i].asked))
      return demand_[i].bytes_by.empty() ? "its output is a target and not in the store"
                                         : "needed by " + demand_[i].bytes_by + ", which runs";
    if (known_[i].record) return "its output is no longer in the store";
    return explain_change(step, known_[i].inputs, last);
  }

  const StepGraph& graph_;
  const StoreView& store_;
  const std::string& defconfig_;
  const Edges edges_;
  std::vector<Known> known_;
  std::vector<Demand> demand_;
};

}  // namespace

const PlannedStep* Plan::find(const std::string& id) const {
  const auto found = std::find_if(steps.begin(), steps.end(), [&](const auto& step) { return step.id == id; });
  return found == steps.end() ? nullptr : &*found;
}

std::size_t Plan::count(PlannedStep::State state) const {
  return static_cast<std::size_t>(
      std::count_if(steps.begin(), steps.end(), [&](const auto& step) { return step.state == state; }));
}

Plan make_plan(const StepGraph& graph, const StoreView& store, const std::string& defconfig) {
  return Planner(graph, store, defconfig).make();
}

}  // namespace k8simg
