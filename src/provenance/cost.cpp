// What paths and packages cost in the root filesystem.
#include <set>

#include "provenance/why.hpp"

namespace k8simg {

namespace {

/// Sums files; of hard links only the first counts.
class Sum {
 public:
  void add(const Node& node, Cost& cost) {
    if (node.type != NodeType::File) return;
    ++cost.files;
    if (node.link_group.empty() || seen_.insert(node.link_group).second) cost.bytes += node.size;
  }

 private:
  std::set<std::string> seen_;
};

}  // namespace

Cost cost_of_path(const Tree& root, const std::string& path) {
  Cost cost;
  Sum sum;
  for (auto node = root.nodes().lower_bound(path); node != root.nodes().end(); ++node) {
    if (!node->first.starts_with(path)) break;
    if (node->first.size() > path.size() && node->first[path.size()] != '/' && !path.empty()) continue;
    sum.add(node->second, cost);
  }
  return cost;
}

Cost cost_of_package(const Tree& root, const PackageGraph& packages, const std::string& name) {
  std::map<std::string, Cost, std::less<>> of;
  Sum sum;
  for (const auto& [path, node] : root.nodes())
    if (node.origin.kind() == Origin::Kind::Package) sum.add(node, of[std::string(node.origin.name())]);
  Cost cost = of[name];
  for (const auto& other : packages.broken_without(name))
    cost.leaving.push_back({other, "needs " + name, of[other].bytes});
  for (const auto& other : packages.unneeded_without(name))
    cost.leaving.push_back({other, "nothing else needs it", of[other].bytes});
  return cost;
}

}  // namespace k8simg
