// Determines which steps can run next.
#include "graph/frontier.hpp"

#include <algorithm>
#include <utility>

#include "tree/tree.hpp"
#include "util/error.hpp"

namespace k8simg {

Frontier::Frontier(const StepGraph& graph, Store& store, std::string defconfig)
    : graph_(graph), store_(store), defconfig_(std::move(defconfig)), edges_(graph), nodes_(graph.steps().size()) {
  for (std::size_t i = 0; i < nodes_.size(); ++i) nodes_[i].outputs = graph.steps()[i].known_outputs;
}

void Frontier::begin() {
  for (const auto& target : edges_.targets) want(*target.step, target.output, true);
  advance_all();
}

void Frontier::finished(std::size_t i, const std::map<std::string, Value>& outputs) {
  Node& node = nodes_[i];
  node.ran = true;
  for (const auto& [name, value] : outputs) {
    node.outputs.insert_or_assign(name, value);
    node.present.insert(name);
  }
  wake_dependents(i);
  advance_all();
}

void Frontier::lost(std::size_t i) {
  nodes_[i].ready = false;
  to_advance_.push_back(i);
  lost();
}

void Frontier::lost() {
  suspicious_ = true;
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    Node& node = nodes_[n];
    const auto gone =
        std::erase_if(node.present, [&](const std::string& name) { return !is_present(node.outputs.at(name)); });
    if (gone == 0) continue;
    if (std::exchange(node.ran, false)) node.ready = false;  // a waiting or running step stays ready
    node.must_run = node.ready;
    to_advance_.push_back(n);
  }
  advance_all();
}

// A tree may lack files although its own blob exists. Checking each file is slow, so it is done only after something
// was lost in this run; otherwise missing files are found when the inputs of a step are verified.
bool Frontier::is_present(const Value& value) const {
  if (!store_.has(value)) return false;
  if (!suspicious_ || value.kind != ValueKind::Tree) return true;
  if (store_.check(value.digest) != Condition::Whole) return false;
  const Tree tree = get_tree(store_, value.digest);
  return std::all_of(tree.nodes().begin(), tree.nodes().end(), [&](const auto& entry) {
    const k8simg::Node& file = entry.second;
    return file.type != NodeType::File || store_.has(Value{ValueKind::Blob, file.content, file.size});
  });
}

bool Frontier::complete() const {
  return std::all_of(edges_.targets.begin(), edges_.targets.end(),
                     [&](const auto& target) { return nodes_[*target.step].present.contains(target.output); });
}

std::map<OutputRef, Value> Frontier::target_values() const {
  std::map<OutputRef, Value> values;
  for (const auto& target : edges_.targets)
    values.emplace(OutputRef{graph_.steps()[*target.step].id, target.output},
                   nodes_[*target.step].outputs.at(target.output));
  return values;
}

void Frontier::want(std::size_t i, const std::string& output, bool bytes) {
  Node& node = nodes_[i];
  if ((bytes ? node.bytes : node.values).insert(output).second) to_advance_.push_back(i);
}

void Frontier::wake_dependents(std::size_t i) {
  for (const std::size_t d : edges_.nodes[i].dependents) to_advance_.push_back(d);
}

void Frontier::advance_all() {
  while (!to_advance_.empty()) {
    const std::size_t i = to_advance_.front();
    to_advance_.pop_front();
    advance(i);
  }
}

bool Frontier::knows_wanted(const Node& node) const {
  const auto known = [&](const std::string& name) { return node.outputs.contains(name); };
  return std::all_of(node.values.begin(), node.values.end(), known) &&
         std::all_of(node.bytes.begin(), node.bytes.end(), known);
}

// Idempotent: does what is possible now.
void Frontier::advance(std::size_t i) {
  Node& node = nodes_[i];
  if (node.ran || node.ready || (node.values.empty() && node.bytes.empty())) return;
  if (!node.must_run && !knows_wanted(node)) {
    if (!node.key && !find_key(i)) return;
    if (!knows_wanted(node)) node.must_run = true;
  }
  if (!node.must_run) {
    bool found = false;
    for (const auto& name : node.bytes) {
      if (node.present.contains(name)) continue;
      if (!is_present(node.outputs.at(name))) {
        node.must_run = true;
        continue;
      }
      node.present.insert(name);
      found = true;
    }
    if (found) wake_dependents(i);
  }
  if (node.must_run) start_if_inputs_present(i);
}

// False while the value of an input is unknown; the value is then requested. Adds the outputs of a record.
bool Frontier::find_key(std::size_t i) {
  const Step& step = graph_.steps()[i];
  Node& node = nodes_[i];
  std::vector<RecordedInput> inputs;
  for (std::size_t n = 0; n < step.inputs.size(); ++n) {
    const auto& source = edges_.nodes[i].sources[n];
    if (!source.step) {
      inputs.push_back({step.inputs[n].name, std::get<Value>(step.inputs[n].source)});
      continue;
    }
    const auto& known = nodes_[*source.step].outputs;
    if (const auto found = known.find(source.output); found != known.end())
      inputs.push_back({step.inputs[n].name, found->second});
    else
      want(*source.step, source.output, false);
  }
  if (inputs.size() < step.inputs.size()) return false;

  node.inputs = std::move(inputs);
  node.key = step_key(step, node.inputs);
  const auto record = store_.find_record(*node.key);
  if (!record) return true;
  node.outputs.insert(record->outputs.begin(), record->outputs.end());  // outputs known from the lock take precedence
  if (!knows_wanted(node)) return true;
  keep_as_last(i, *record);
  wake_dependents(i);
  const bool whole = std::all_of(record->outputs.begin(), record->outputs.end(),
                                 [&](const auto& output) { return store_.has(output.second); });
  if (whole && !std::exchange(node.told, true)) cached_.push_back(i);
  return true;
}

// If the sources return to an older state, the older record becomes the newest again, for gc and explanations.
void Frontier::keep_as_last(std::size_t i, const StepRecord& record) {
  const std::string& id = graph_.steps()[i].id;
  const auto last = store_.last_record(defconfig_, id);
  if (last && last->key == record.key) return;
  StepRecord mine = record;
  mine.step = id;
  store_.save_record(defconfig_, mine);
}

// A step that ran again because its blobs were missing may have produced other outputs than its record.
bool Frontier::inputs_changed(std::size_t i) const {
  for (std::size_t n = 0; n < nodes_[i].inputs.size(); ++n) {
    const auto& source = edges_.nodes[i].sources[n];
    if (source.step && !(nodes_[*source.step].outputs.at(source.output) == nodes_[i].inputs[n].value)) return true;
  }
  return false;
}

// The key has changed, so there may be a record for it.
void Frontier::start_over(std::size_t i) {
  Node& node = nodes_[i];
  node.must_run = false;
  node.key.reset();
  node.inputs.clear();
  node.outputs = graph_.steps()[i].known_outputs;
  node.present.clear();
  to_advance_.push_back(i);
}

void Frontier::start_if_inputs_present(std::size_t i) {
  if (!nodes_[i].key && !find_key(i)) return;
  const Step& step = graph_.steps()[i];
  bool waits = false;
  for (std::size_t n = 0; n < step.inputs.size(); ++n) {
    const auto& source = edges_.nodes[i].sources[n];
    if (!source.step) {
      const Value& value = std::get<Value>(step.inputs[n].source);
      if (!store_.has(value))
        throw Error(ErrorKind::Internal, "input \"" + step.inputs[n].name + "\" of step \"" + step.id + "\" (" +
                                             value.digest.hex() + ") is not in the store");
      continue;
    }
    if (nodes_[*source.step].present.contains(source.output)) continue;
    want(*source.step, source.output, true);
    waits = true;
  }
  if (waits) return;
  if (inputs_changed(i)) return start_over(i);
  nodes_[i].ready = true;
  ready_.push_back(i);
}

}  // namespace k8simg
