// A store that records which files a step uses. Private to the graph.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

#include "store/store.hpp"

namespace k8simg {

/// A thread-safe queue of the values whose files a step uses without verification by the store.
class Taken {
 public:
  void add(const Value& value);
  /// Ends the queue.
  void close();
  /// Waits for the next value; nullopt at the end of the queue.
  std::optional<Value> next();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Value> values_;
  bool closed_ = false;
};

/// Forwards to a store, and records the files and folders that it returns. `read` verifies the bytes itself, so it is
/// not recorded.
class WatchedStore : public Store {
 public:
  WatchedStore(Store& store, Taken& taken) : store_(store), taken_(taken) {}

  std::filesystem::path path(const Digest& digest) const override;
  void note_taken(const Value& value) override { taken_.add(value); }

  bool has(const Digest& digest) const override { return store_.has(digest); }
  bool has(const Value& value) const override { return store_.has(value); }
  std::optional<StepRecord> find_record(const Digest& key) const override { return store_.find_record(key); }
  std::optional<StepRecord> last_record(const std::string& defconfig, const std::string& step) const override {
    return store_.last_record(defconfig, step);
  }
  std::unique_ptr<BlobWriter> writer() override { return store_.writer(); }
  Value put_file(const std::filesystem::path& file, bool move) override { return store_.put_file(file, move); }
  std::string read(const Digest& digest) const override { return store_.read(digest); }
  Condition check(const Digest& digest) const override { return store_.check(digest); }
  void quarantine(const Digest& digest) override { store_.quarantine(digest); }
  void set_aside(const std::filesystem::path& path, const std::string& name) override { store_.set_aside(path, name); }
  void save_record(const std::string& defconfig, const StepRecord& record) override {
    store_.save_record(defconfig, record);
  }
  void sync() override { store_.sync(); }
  bool has_folders() const override { return store_.has_folders(); }
  std::filesystem::path folder(const std::string& name) const override { return store_.folder(name); }

 private:
  Store& store_;
  Taken& taken_;
};

}  // namespace k8simg
