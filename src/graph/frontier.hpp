// Determines which steps can run: follows the dependencies of the targets, and looks for records as inputs become
// known. Not thread-safe: the scheduler locks it. Private to the graph.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "graph/edges.hpp"

namespace k8simg {

/// A dependency needs either values or blobs. To look for the record of a step, its key and thus the *values* (digests)
/// of its inputs must be known. To run a step, the *blobs* of its inputs must exist. An input with a known value and a
/// missing blob (a download, or a blob removed by gc) is therefore made only when a step that uses it runs.
class Frontier {
 public:
  Frontier(const StepGraph& graph, Store& store, std::string defconfig);

  /// Starts from the targets.
  void begin();
  /// Step `i` ran with these outputs; their blobs are in the store.
  void finished(std::size_t i, const std::map<std::string, Value>& outputs);
  /// Input blobs of step `i` were missing or damaged: the steps that produce them become ready again, and then step
  /// `i`.
  void lost(std::size_t i);
  /// The same for blobs of targets.
  void lost();
  /// Steps that became ready since the last call: they must run, and the blobs of their inputs exist.
  std::vector<std::size_t> take_ready() { return std::exchange(ready_, {}); }
  /// Steps whose record was found since the last call.
  std::vector<std::size_t> take_cached() { return std::exchange(cached_, {}); }

  /// Whether the store has the blob; after a loss also the files of a tree.
  bool is_present(const Value& value) const;
  bool complete() const;
  std::map<OutputRef, Value> target_values() const;
  const Digest& key(std::size_t i) const { return *nodes_[i].key; }
  const std::vector<RecordedInput>& inputs(std::size_t i) const { return nodes_[i].inputs; }
  const std::set<std::string>& asked(std::size_t i) const { return edges_.nodes[i].asked; }

 private:
  struct Node {
    bool ran = false, ready = false;
    bool must_run = false;                 // no record, or a needed blob is missing
    bool told = false;                     // reported as cached
    std::set<std::string> values, bytes;   // outputs whose value or blob is needed
    std::map<std::string, Value> outputs;  // known values
    std::set<std::string> present;         // outputs whose blobs were found or made
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
  bool suspicious_ = false;             // something was lost: check all files of trees
  std::deque<std::size_t> to_advance_;  // a queue instead of recursion in both directions
  std::vector<std::size_t> ready_, cached_;
};

}  // namespace k8simg
