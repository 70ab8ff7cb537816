// Merges one tree into another, and reports conflicts.
#include <fmt/format.h>

#include <set>

#include "tree/path.hpp"
#include "tree/tree.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

/// Whether two nodes are the same on disk. Times are ignored: they differ between packages' builds.
bool joins(const Node& first, const Node& second) {
  if (first.type != second.type) return false;
  if (first.type == NodeType::Directory) return true;
  if (first.uid != second.uid || first.gid != second.gid || first.xattrs != second.xattrs) return false;
  if (first.type == NodeType::Symlink) return first.target == second.target;
  return first.mode == second.mode && first.content == second.content && first.size == second.size &&
         first.major == second.major && first.minor == second.minor;
}

bool declared(const MergeRules& rules, std::string_view path) {
  for (const auto& [glob, reason] : rules.replace) {
    if (glob_match(glob, path)) return true;
  }
  return false;
}

const Node* first_member(const Tree& tree, const std::string& folder) {
  const auto below = folder + '/';
  const auto found = tree.nodes().lower_bound(below);
  return found != tree.nodes().end() && found->first.starts_with(below) ? &found->second : nullptr;
}

}  // namespace

std::vector<Conflict> merge(Tree& into, const Tree& from, const MergeRules& rules) {
  std::vector<Conflict> conflicts;
  std::string known_folder;  // the last parent known to be a folder: neighbouring paths share it
  for (const auto& [path, node] : from.nodes()) {
    // A path below a file or symlink of `into` is a conflict.
    const auto parent = parent_of(path);
    if (parent != known_folder) {
      const Node* blocker = nullptr;
      std::string_view blocked_at;
      for (auto above = parent; !above.empty(); above = parent_of(above)) {
        const auto* found = into.find(above);
        if (found != nullptr && found->type != NodeType::Directory) {
          blocker = found;
          blocked_at = above;
        }
      }
      if (blocker != nullptr) {
        // If `from` has a node at the blocking path that is not a folder, the conflict is reported here; otherwise at
        // that path.
        if (from.find(blocked_at) == nullptr || from.find(blocked_at)->type != NodeType::Directory) {
          conflicts.push_back({path, blocker->origin, node.origin});
        }
        continue;
      }
      known_folder = parent;
    }
    const auto* present = into.find(path);
    // A folder may exist only implicitly, through its members.
    const auto* member = present == nullptr && node.type != NodeType::Directory ? first_member(into, path) : nullptr;
    if (present == nullptr && member == nullptr) {
      into.set(path, node);
    } else if (present != nullptr && joins(*present, node)) {
      continue;
    } else if (declared(rules, path)) {
      if (node.type != NodeType::Directory) into.erase_below(path);
      into.set(path, node);
      known_folder.clear();
    } else {
      conflicts.push_back({path, (present != nullptr ? present : member)->origin, node.origin});
    }
  }
  return conflicts;
}

void throw_conflicts(const std::vector<Conflict>& conflicts) {
  std::string message = conflicts.size() == 1 ? "a path comes from two sources:"
                                              : fmt::format("{} paths come from two sources:", conflicts.size());
  for (const auto& conflict : conflicts)
    message += fmt::format("\n  /{}: {} and {}", conflict.path, conflict.first.text(), conflict.second.text());
  // Packages against a component or an overlay: the defconfig can do without the package.
  std::set<std::string> packages;
  for (const auto& conflict : conflicts) {
    const auto is_package = [](const Origin& origin) { return origin.kind() == Origin::Kind::Package; };
    if (is_package(conflict.first) != is_package(conflict.second))
      packages.emplace((is_package(conflict.first) ? conflict.first : conflict.second).name());
  }
  std::string without;
  for (const auto& name : packages) without += (without.empty() ? "\"" : ", \"") + name + "\"";
  throw Error(
      ErrorKind::Usage, message,
      fmt::format(
          "If the later one should replace the earlier one, declare it in the defconfig: [[rootfs.replace]] path = "
          "\"{}\" with a reason; otherwise remove one of the two{}.",
          conflicts.empty() ? "" : conflicts.front().path,
          without.empty() ? "" : fmt::format(", for example with packages.exclude = [{}]", without)));
}

}  // namespace k8simg
