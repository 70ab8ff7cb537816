// Hashes what steps take out of the store, in threads beside the steps. Private to the graph.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "store/store.hpp"
#include "util/error.hpp"

namespace k8simg {

/// Something that is not what it is named after.
struct Damage {
  Digest digest;          ///< of a blob; of a tree when its checkout differs
  Condition condition = Condition::Damaged;
  bool checkout = false;  ///< the blobs are whole, the folder made of them is not
  std::string name;       ///< for people: "package/systemd: usr/bin/systemctl"
};

/// Each blob is hashed at most once, in whatever order; a blob that this process wrote is not read again. Safe to use from many threads.
class Verification {
 public:
  Verification(Store& store, int threads);
  ~Verification();  ///< gives up what has not begun

  class Batch;
  /// Begins to check the value: the blob and, of a tree, its files and its checkout, if there is one. `name` is for people.
  std::shared_ptr<Batch> start(const std::string& name, const Value& value);
  /// Waits, and helps while there is something to do. Returns what is not whole.
  std::vector<Damage> wait(const std::shared_ptr<Batch>& batch);

 private:
  void work(std::stop_token stop);
  static bool take_part(Batch& batch, Store& store);

  Store& store_;
  std::mutex mutex_;  // guards all below
  std::condition_variable_any wake_;
  std::map<std::pair<Digest, ValueKind>, std::shared_ptr<Batch>> known_;  // whole, or not finished
  std::deque<std::shared_ptr<Batch>> open_;                               // not all of it has begun
  std::vector<std::jthread> threads_;
  const int most_threads_;
};

}  // namespace k8simg
