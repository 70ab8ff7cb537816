// The step graph: steps in topological order.
#include "graph/graph.hpp"

#include "util/error.hpp"

namespace k8simg {

void StepGraph::add(Step step) {
  if (index_.contains(step.id)) throw Error(ErrorKind::Internal, "step \"" + step.id + "\" is in the graph twice");
  for (const auto& input : step.inputs) {
    const auto* ref = std::get_if<OutputRef>(&input.source);
    if (ref && !index_.contains(ref->step))
      throw Error(ErrorKind::Internal, "input \"" + input.name + "\" of step \"" + step.id + "\" comes from step \"" +
                                           ref->step + "\", which was not added before it");
  }
  index_.emplace(step.id, steps_.size());
  steps_.push_back(std::move(step));
}

void StepGraph::add_target(OutputRef target) {
  if (!index_.contains(target.step))
    throw Error(ErrorKind::Internal, "the target step \"" + target.step + "\" is not in the graph");
  targets_.push_back(std::move(target));
}

const Step* StepGraph::find(const std::string& id) const {
  const auto found = index_.find(id);
  return found == index_.end() ? nullptr : &steps_[found->second];
}

}  // namespace k8simg
