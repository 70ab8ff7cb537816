// Which steps can run now: follows what the targets need through the graph, and looks for records as inputs become
// known. Not thread-safe: the scheduler guards it. Private to the graph.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "graph/edges.hpp"

namespace k8simg {

/// Two kinds of need travel up the graph. A step whose record is looked for needs the *values* of its inputs (what they
/// will be, so that its key can be computed). A step that really runs needs their *bytes*. So an input with a known
/// value and absent bytes (a download, something removed by gc) is made only when somebody runs who reads it.
class Frontier {
 public:
  Frontier(const StepGraph& graph, Store& store, std::string defconfig);

  /// Starts from the targets.
  void begin();
  /// Step `i` ran and gave these; its bytes are in the store.
  void finished(std::size_t i, const std::map<std::string, Value>& outputs);
  /// Bytes that step `i` takes turned out not to be in the store: makes ready again what gives them, and then the step.
  void lost(std::size_t i);
  /// The same for the bytes of targets.
  void lost();
  /// Steps that became ready since the last call: they must run and their inputs' bytes are there.
  std::vector<std::size_t> take_ready() { return std::exchange(ready_, {}); }
  /// Steps that turned out to be in the store since the last call.
  std::vector<std::size_t> take_cached() { return std::exchange(cached_, {}); }

  /// Whether the bytes are in the store, as far as can be told without reading them.
  bool is_present(const Value& value) const;
  bool complete() const;
  std::map<OutputRef, Value> target_values() const;
  const Digest& key(std::size_t i) const { return *nodes_[i].key; }
  const std::vector<RecordedInput>& inputs(std::size_t i) const { return nodes_[i].inputs; }
  const std::set<std::string>& asked(std::size_t i) const { return edges_.nodes[i].asked; }

 private:
  struct Node {
    bool ran = false, ready = false;
    bool must_run = false;                 // no record, or bytes that are needed are gone
    bool told = false;                     // reported as cached
    std::set<std::string> values, bytes;   // outputs wanted, by kind of need
    std::map<std::string, Value> outputs;  // known values
    std::set<std::string> present;         // outputs whose bytes were found or made
    std::optional<Digest> key;
    std::vector<RecordedInput> inputs;
  };

  void advance_all();
  void advance(std::size_t i);
  bool find_key(std::size_t i);
  bool inputs_changed(std::size_t i) const;
  void start_over(std::size_t i);
  void start_if_inputs_present(std::size_t i);
  bool knows_wanted(const Node& node) const;
  void want(std::size_t i, const std::string& output, bool bytes);
  void wake_dependents(std::size_t i);
  void keep_as_last(std::size_t i, const StepRecord& record);

  const StepGraph& graph_;
  Store& store_;
  const std::string defconfig_;
  const Edges edges_;
  std::vector<Node> nodes_;
  bool suspicious_ = false;             // something was lost: trees are looked at with all their files
  std::deque<std::size_t> to_advance_;  // instead of recursion, which would go up and down at once
  std::vector<std::size_t> ready_, cached_;
};

}  // namespace k8simg
