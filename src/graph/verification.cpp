// Finds damage of a blob, or of a tree with its files and its checkout.
#include "graph/verification.hpp"

#include <unordered_set>

#include "tree/archive.hpp"
#include "util/error.hpp"

namespace k8simg {
namespace {

std::vector<Damage> look_at(Store& store, const std::string& name, const Value& value, const std::stop_token& stop) {
  std::vector<Damage> damage;
  try {
    const Condition condition = store.check(value.digest);
    if (condition != Condition::Whole) return {{value.digest, condition, false, name}};
    if (value.kind != ValueKind::Tree) return {};
    const Tree tree = get_tree(store, value.digest);
    std::unordered_set<Digest> seen;
    for (const auto& [path, node] : tree.nodes()) {
      if (stop.stop_requested()) return damage;
      if (node.type != NodeType::File || !seen.insert(node.content).second) continue;
      const Condition of_file = store.check(node.content);
      if (of_file != Condition::Whole) damage.push_back({node.content, of_file, false, name + ": " + path});
    }
    if (!store.has_folders()) return damage;
    const std::string difference = checkout_difference(store, value.digest, tree);
    if (!difference.empty()) damage.push_back({value.digest, Condition::Damaged, true, name + ": " + difference});
  } catch (const Error& error) {
    damage.push_back({value.digest, Condition::Damaged, false, name + ": " + error.what()});
  }
  return damage;
}

}  // namespace

std::vector<Damage> Verification::check(const std::string& name, const Value& value, const std::stop_token& stop) {
  std::shared_ptr<Known> known;
  {
    std::lock_guard guard(mutex_);
    auto& entry = known_[{value.digest, value.kind}];
    if (!entry) entry = std::make_shared<Known>();
    known = entry;
  }
  std::lock_guard guard(known->mutex);
  if (known->whole || stop.stop_requested()) return {};
  auto damage = look_at(store_, name, value, stop);
  known->whole = damage.empty() && !stop.stop_requested();
  return damage;
}

}  // namespace k8simg
