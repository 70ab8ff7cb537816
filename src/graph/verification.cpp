// Batches of blobs to hash: parts of a batch are taken by the threads of the pool and by whoever waits for it.
#include "graph/verification.hpp"

#include <algorithm>
#include <unordered_set>

#include "tree/archive.hpp"

namespace k8simg {

// The first part lists the files of a tree; the others are pieces of that list.
class Verification::Batch {
 public:
  Batch(std::string name, const Value& value) : name_(std::move(name)), value_(value) {}

 private:
  friend class Verification;
  static constexpr std::size_t files_a_part = 64;

  struct File {
    Digest digest;
    const std::string* path;
  };

  void found(Damage damage) {
    std::lock_guard guard(mutex_);
    damage_.push_back(std::move(damage));
  }

  void check_value(Store& store) {
    const Condition condition = store.check(value_.digest);
    if (condition != Condition::Whole) return found({value_.digest, condition, false, name_});
    if (value_.kind != ValueKind::Tree) return;
    tree_ = get_tree(store, value_.digest);
    std::unordered_set<Digest> seen;
    std::vector<File> files;
    for (const auto& [path, node] : tree_.nodes())
      if (node.type == NodeType::File && seen.insert(node.content).second) files.push_back({node.content, &path});
    std::lock_guard guard(mutex_);
    files_ = std::move(files);
    parts_ = 1 + (files_.size() + files_a_part - 1) / files_a_part + 1;  // the value, its files, its checkout
  }

  void check_files(Store& store, std::size_t part) {
    const std::size_t end = std::min(files_.size(), part * files_a_part);
    for (std::size_t i = (part - 1) * files_a_part; i < end; ++i) {
      const Condition condition = store.check(files_[i].digest);
      if (condition != Condition::Whole) found({files_[i].digest, condition, false, name_ + ": " + *files_[i].path});
    }
  }

  void check_checkout(Store& store) {
    if (!store.has_folders()) return;
    const std::string difference = checkout_difference(store, value_.digest, tree_);
    if (!difference.empty()) found({value_.digest, Condition::Damaged, true, name_ + ": " + difference});
  }

  const std::string name_;
  const Value value_;
  Tree tree_;
  std::mutex mutex_;  // guards all below
  std::condition_variable done_;
  std::vector<File> files_;
  std::size_t parts_ = 1, next_ = 0, finished_ = 0;
  bool listing_ = true;  // the first part is not finished: nobody knows the others
  std::vector<Damage> damage_;
};

Verification::Verification(Store& store, int threads) : store_(store), most_threads_(threads) {}

Verification::~Verification() {
  for (auto& thread : threads_) thread.request_stop();
}

std::shared_ptr<Verification::Batch> Verification::start(const std::string& name, const Value& value) {
  std::shared_ptr<Batch> batch;
  {
    std::lock_guard guard(mutex_);
    auto& known = known_[{value.digest, value.kind}];
    if (known) return known;
    known = batch = std::make_shared<Batch>(name, value);
    open_.push_back(batch);
    if (static_cast<int>(threads_.size()) < most_threads_) threads_.emplace_back([this](std::stop_token stop) { work(stop); });
  }
  wake_.notify_one();
  return batch;
}

// One part of the batch; false when all of them have begun.
bool Verification::take_part(Batch& batch, Store& store) {
  std::size_t part = 0;
  {
    std::lock_guard guard(batch.mutex_);
    if (batch.next_ >= batch.parts_) return false;
    part = batch.next_++;
  }
  try {
    if (part == 0) batch.check_value(store);
    else if (part + 1 < batch.parts_) batch.check_files(store, part);
    else batch.check_checkout(store);
  } catch (const std::exception& error) {
    batch.found({batch.value_.digest, Condition::Damaged, false, batch.name_ + ": " + error.what()});
  }
  std::lock_guard guard(batch.mutex_);
  if (part == 0) batch.listing_ = false;
  if (++batch.finished_ == batch.parts_) {
    // The batch stays known until the end of the run, what it needed does not: a kernel's source has 80,000 files.
    batch.tree_ = {};
    batch.files_ = {};
  }
  batch.done_.notify_all();
  return true;
}

void Verification::work(std::stop_token stop) {
  while (true) {
    std::shared_ptr<Batch> batch;
    {
      std::unique_lock lock(mutex_);
      if (!wake_.wait(lock, stop, [&] { return !open_.empty(); })) return;
      batch = open_.front();
    }
    while (!stop.stop_requested() && take_part(*batch, store_)) {
    }
    if (stop.stop_requested()) return;
    {
      // Its first part may still list the others: whoever does that goes on with them.
      std::lock_guard guard(mutex_);
      std::erase(open_, batch);
    }
  }
}

std::vector<Damage> Verification::wait(const std::shared_ptr<Batch>& batch) {
  std::vector<Damage> damage;
  while (true) {
    while (take_part(*batch, store_)) {
    }
    std::unique_lock lock(batch->mutex_);
    batch->done_.wait(lock, [&] { return !batch->listing_ && (batch->next_ < batch->parts_ || batch->finished_ == batch->parts_); });
    if (batch->finished_ < batch->parts_) continue;
    damage = batch->damage_;
    break;
  }
  if (!damage.empty()) {
    // Looked at anew once somebody has mended it.
    std::lock_guard guard(mutex_);
    const auto known = known_.find({batch->value_.digest, batch->value_.kind});
    if (known != known_.end() && known->second == batch) known_.erase(known);
  }
  return damage;
}

}  // namespace k8simg
