// Checks blobs first, then records and checkouts, which refer to blobs.
#include "tree/check_store.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {
namespace {

class StoreChecker {
 public:
  StoreChecker(DiskStore& store, bool repair, std::stop_token stop)
      : store_(store), repair_(repair), stop_(std::move(stop)) {}

  StoreCheck check(int threads, const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
    hash_blobs(threads, progress);
    const auto records = store_.records();
    name_blobs(records);
    for (const auto& record : records) check_record(record);
    check_checkouts();
    return std::move(result_);
  }

 private:
  void halt_if_asked() const {
    if (stop_.stop_requested()) throw Error(ErrorKind::Interrupted, "the check of the store was interrupted");
  }

  static std::uint64_t size_of(const fs::path& file) {
    std::error_code gone;
    const auto size = fs::file_size(file, gone);
    return gone ? 0 : size;
  }

  void hash_blobs(int count, const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
    std::vector<std::pair<std::uint64_t, Digest>> blobs;
    // Not store.path(), which reports a blob that became empty as missing.
    const auto path = [&](const Digest& digest) {
      return store_.root() / "blobs" / digest.hex().substr(0, 2) / digest.hex().substr(2);
    };
    std::uint64_t total = 0;
    for (const Digest& digest : store_.blobs()) {
      blobs.emplace_back(size_of(path(digest)), digest);
      total += blobs.back().first;
    }
    std::sort(blobs.rbegin(), blobs.rend());  // largest first, so that the threads end at about the same time
    std::atomic<std::size_t> next{0};
    std::mutex mutex;
    std::uint64_t done = 0;
    {
      std::vector<std::jthread> threads;
      for (int n = 0; n < std::max(1, count); ++n)
        threads.emplace_back([&] {
          for (std::size_t i; !stop_.stop_requested() && (i = next++) < blobs.size();) {
            const bool whole = store_.check(blobs[i].second) == Condition::Whole;
            std::lock_guard lock(mutex);
            if (!whole) damaged_.insert(blobs[i].second);
            progress(done += blobs[i].first, total);
          }
        });
    }
    halt_if_asked();
    result_.blobs = blobs.size();
    result_.bytes = total;
  }

  // Names each damaged blob by the first step that has it as an output.
  void name_blobs(const std::vector<StepRecord>& records) {
    std::map<Digest, std::string> names;
    for (const auto& record : records)
      for (const auto& [output, value] : record.outputs) {
        if (damaged_.contains(value.digest)) names.try_emplace(value.digest, record.step + ": " + output);
        if (value.kind != ValueKind::Tree || damaged_.empty() || store_.check(value.digest) != Condition::Whole)
          continue;
        const Tree tree = tree_of(value.digest);
        for (const auto& [path, node] : tree.nodes())
          if (node.type == NodeType::File && damaged_.contains(node.content))
            names.try_emplace(node.content, record.step + ": " + path);
      }
    for (const Digest& digest : damaged_) {
      const auto name = names.find(digest);
      add(StoreFinding::Kind::Blob, digest,
          fmt::format("blob {}{} is damaged", digest.hex(), name == names.end() ? "" : ", " + name->second + ","));
      if (repair_) store_.quarantine(digest);
    }
  }

  Tree tree_of(const Digest& digest) const { return get_tree(store_, digest); }

  // Caches the result of each tree: many records refer to the same tree.
  bool is_whole(const Value& value) {
    if (!store_.has(value) || damaged_.contains(value.digest)) return false;
    if (value.kind != ValueKind::Tree) return true;
    const auto known = whole_trees_.find(value.digest);
    if (known != whole_trees_.end()) return known->second;
    const Tree tree = tree_of(value.digest);
    const bool whole = std::all_of(tree.nodes().begin(), tree.nodes().end(), [&](const auto& entry) {
      const Node& node = entry.second;
      return node.type != NodeType::File ||
             (store_.has(Value{ValueKind::Blob, node.content, node.size}) && !damaged_.contains(node.content));
    });
    return whole_trees_[value.digest] = whole;
  }

  void check_record(const StepRecord& record) {
    halt_if_asked();
    ++result_.records;
    for (const auto& [output, value] : record.outputs) {
      if (is_whole(value)) continue;
      add(StoreFinding::Kind::Record, record.key,
          fmt::format("record {} of step {}: its output {} ({}) is not whole", record.key.hex(), record.step, output,
                      value.digest.hex()));
      if (repair_) store_.drop_record(record.key);
      return;
    }
  }

  void check_checkouts() {
    for (const auto& entry : fs::directory_iterator(store_.folder("checkouts"))) {
      halt_if_asked();
      const auto digest = Digest::parse(entry.path().filename().string());
      if (!digest) continue;
      ++result_.checkouts;
      std::string difference = "its tree is not in the store";
      if (store_.check(*digest) == Condition::Whole) {
        const Tree tree = tree_of(*digest);
        difference = checkout_difference(store_, *digest, tree);
        for (const Digest& content : tree_references(tree))
          if (difference.empty() && damaged_.contains(content)) difference = "it has damaged blob " + content.hex();
      }
      if (difference.empty()) continue;
      add(StoreFinding::Kind::Checkout, *digest, fmt::format("checkout of tree {}: {}", digest->hex(), difference));
      if (repair_) store_.set_aside(entry.path(), "checkout-" + digest->hex());
    }
  }

  void add(StoreFinding::Kind kind, const Digest& digest, std::string text) {
    result_.findings.push_back({kind, digest, std::move(text)});
  }

  DiskStore& store_;
  const bool repair_;
  const std::stop_token stop_;
  StoreCheck result_;
  std::set<Digest> damaged_;
  std::map<Digest, bool> whole_trees_;
};

}  // namespace

StoreCheck check_store(DiskStore& store, bool repair, int threads,
                       const std::function<void(std::uint64_t, std::uint64_t)>& progress, std::stop_token stop) {
  return StoreChecker(store, repair, std::move(stop)).check(threads, progress);
}

}  // namespace k8simg
