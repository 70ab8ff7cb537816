// Fakes for the tests of the graph: steps that process text, a store that loses data, a reporter that records events.
#pragma once

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "graph/graph.hpp"
#include "util/error.hpp"

namespace k8simg::test {

/// A store in memory from which bytes and records can be removed.
class LossyStore : public Store {
 public:
  void lose(const Digest& digest) {
    guarded([&] { lost_.insert(digest); });
  }
  void lose_record(const Digest& key) {
    guarded([&] { lost_.insert(key); });
  }

  void damage(const Digest& digest, std::string bytes) { store_.damage(digest, std::move(bytes)); }

  bool has(const Digest& digest) const override { return !is_lost(digest) && store_.has(digest); }
  bool has(const Value& value) const override { return !is_lost(value.digest) && store_.has(value); }
  Condition check(const Digest& digest) const override {
    guarded([&] { ++checks_[digest]; });
    return is_lost(digest) ? Condition::Missing : store_.check(digest);
  }
  int checks(const Digest& digest) const {
    std::lock_guard guard(mutex_);
    const auto found = checks_.find(digest);
    return found == checks_.end() ? 0 : found->second;
  }
  void quarantine(const Digest& digest) override { store_.quarantine(digest); }
  void set_aside(const std::filesystem::path& path, const std::string& name) override { store_.set_aside(path, name); }
  void sync() override {
    guarded([&] { ++syncs_; });
  }
  int syncs() const {
    std::lock_guard guard(mutex_);
    return syncs_;
  }
  bool has_folders() const override { return false; }
  std::optional<StepRecord> find_record(const Digest& key) const override {
    return is_lost(key) ? std::nullopt : store_.find_record(key);
  }
  std::optional<StepRecord> last_record(const std::string& defconfig, const std::string& step) const override {
    auto record = store_.last_record(defconfig, step);
    return record && is_lost(record->key) ? std::nullopt : record;
  }
  std::unique_ptr<BlobWriter> writer() override { return std::make_unique<Writer>(*this, store_.writer()); }
  Value put_file(const std::filesystem::path& file, bool move) override { return found(store_.put_file(file, move)); }
  std::string read(const Digest& digest) const override {
    if (is_lost(digest)) throw Error(ErrorKind::Internal, "blob " + digest.hex() + " was lost");
    return store_.read(digest);
  }
  std::filesystem::path path(const Digest& digest) const override { return store_.path(digest); }
  void save_record(const std::string& defconfig, const StepRecord& record) override {
    guarded([&] { lost_.erase(record.key); });
    store_.save_record(defconfig, record);
  }
  std::filesystem::path folder(const std::string& name) const override { return store_.folder(name); }

 private:
  class Writer : public BlobWriter {
   public:
    Writer(LossyStore& store, std::unique_ptr<BlobWriter> inner) : store_(store), inner_(std::move(inner)) {}
    void write(std::string_view bytes) override { inner_->write(bytes); }
    Value commit() override { return store_.found(inner_->commit()); }

   private:
    LossyStore& store_;
    std::unique_ptr<BlobWriter> inner_;
  };

  template <class Body>
  void guarded(Body body) const {
    std::lock_guard guard(mutex_);
    body();
  }
  bool is_lost(const Digest& digest) const {
    std::lock_guard guard(mutex_);
    return lost_.contains(digest);
  }
  Value found(Value value) {
    guarded([&] { lost_.erase(value.digest); });
    return value;
  }

  MemoryStore store_;
  mutable std::mutex mutex_;
  std::set<Digest> lost_;
  mutable std::map<Digest, int> checks_;
  int syncs_ = 0;
};

class Recorder : public Reporter {
 public:
  void report(const Event& event) override {
    std::lock_guard guard(mutex_);
    events_.push_back(event);
  }
  std::vector<Event> events() const {
    std::lock_guard guard(mutex_);
    return events_;
  }
  std::vector<std::string> steps(Event::Kind kind) const {
    std::vector<std::string> ids;
    for (const Event& event : events())
      if (event.kind == kind) ids.push_back(event.step);
    return ids;
  }
  std::set<std::string> set_of(Event::Kind kind) const {
    const auto ids = steps(kind);
    return {ids.begin(), ids.end()};
  }
  void clear() {
    std::lock_guard guard(mutex_);
    events_.clear();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Event> events_;
};

class NoRunner : public CommandRunner {
 public:
  CommandResult run(const Command&, std::stop_token) override {
    throw Error(ErrorKind::Internal, "no commands in this test");
  }
};

inline Value value_of(const std::string& bytes) { return {ValueKind::Blob, sha256(bytes), bytes.size()}; }
inline Input from(const std::string& step) { return {step, OutputRef{step, "out"}}; }

/// Its output is "TEXT(first input,second input)".
inline Step join_step(const std::string& id, std::vector<Input> inputs, const std::string& text,
                      Resource resource = Resource::Cpu) {
  BuiltinAction action{.function = "test.join", .parameters = text};
  action.run = [text](StepContext& context) {
    std::string result = text + "(";
    for (const auto& input : context.inputs()) result += context.store().read(input.value.digest) + ",";
    return std::map<std::string, Value>{{"out", context.store().put(result + ")")}};
  };
  return {.id = id, .inputs = std::move(inputs), .action = action, .resource = resource};
}

/// Its output does not depend on its inputs, so later steps do not run again.
inline Step constant_step(const std::string& id, std::vector<Input> inputs, const std::string& text) {
  BuiltinAction action{.function = "test.constant", .parameters = text};
  action.run = [text](StepContext& context) {
    for (const auto& input : context.inputs()) context.store().read(input.value.digest);
    return std::map<std::string, Value>{{"out", context.store().put(text)}};
  };
  return {.id = id, .inputs = std::move(inputs), .action = action};
}

/// A download: the digest of its output is known before.
inline Step fetch_step(const std::string& id, const std::string& bytes, std::vector<Input> inputs = {}) {
  BuiltinAction action{.function = "test.fetch", .parameters = bytes};
  action.run = [bytes](StepContext& context) {
    for (const auto& input : context.inputs()) context.store().read(input.value.digest);
    return std::map<std::string, Value>{{"out", context.store().put(bytes)}};
  };
  return {.id = id,
          .inputs = std::move(inputs),
          .action = action,
          .resource = Resource::Network,
          .known_outputs = {{"out", value_of(bytes)}}};
}

inline StepGraph graph_of(std::vector<Step> steps, const std::vector<std::string>& targets) {
  StepGraph graph;
  for (auto& step : steps) graph.add(std::move(step));
  for (const auto& target : targets) graph.add_target({target, "out"});
  return graph;
}

struct Workshop {
  LossyStore store;
  Recorder reporter;
  NoRunner runner;
  RunOptions options{.defconfig = "pc", .jobs = 2};

  Plan plan(const StepGraph& graph) const { return make_plan(graph, store, options.defconfig); }
  std::map<OutputRef, Value> run(const StepGraph& graph) {
    reporter.clear();
    return run_plan(graph, plan(graph), store, runner, reporter, options).values;
  }
  std::string text(const StepGraph& graph, const std::string& target) {
    return store.read(run(graph).at({target, "out"}).digest);
  }
  std::set<std::string> started() const { return reporter.set_of(Event::Kind::StepStarted); }
  std::set<std::string> cached() const { return reporter.set_of(Event::Kind::StepCached); }
};

using Ids = std::set<std::string>;

}  // namespace k8simg::test
