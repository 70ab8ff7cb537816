// Converts whiteouts, and completes the folders of layers.
#include "oci/snapshots.hpp"

#include <fmt/format.h>

#include <iterator>
#include <set>
#include <utility>

#include "tree/path.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace {

constexpr std::string_view whiteout = ".wh.", opaque = ".wh..wh..opq";

std::string_view name_of_path(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}
std::string in_folder(std::string_view folder, std::string_view name) {
  return folder.empty() ? std::string(name) : fmt::format("{}/{}", folder, name);
}
bool is_removed(const Node& node) { return node.type == NodeType::CharDevice && node.major == 0 && node.minor == 0; }
/// Whether a path of the folder hides everything below `path` in lower layers: a parent of `path` that is no folder.
bool hides_below(const Tree& folder, std::string_view path) {
  for (auto above = path; !above.empty(); above = parent_of(above)) {
    const Node* node = folder.find(above);
    if (node && node->type != NodeType::Directory) return true;
  }
  return false;
}

}  // namespace

const Node* SnapshotFolders::visible(const Snapshot* snapshot, const std::string& path) {
  for (; snapshot; snapshot = snapshot->parent) {
    if (const Node* node = snapshot->folder.find(path)) return is_removed(*node) ? nullptr : node;
    if (hides_below(snapshot->folder, parent_of(path))) return nullptr;
  }
  return nullptr;
}

std::vector<std::string> SnapshotFolders::visible_children(const Snapshot* snapshot, const std::string& folder) {
  std::set<std::string> seen;
  std::vector<std::string> found;
  for (; snapshot && !hides_below(snapshot->folder, folder); snapshot = snapshot->parent) {
    for (const std::string& child : snapshot->folder.children(folder))
      if (seen.insert(child).second && !is_removed(*snapshot->folder.find(child))) found.push_back(child);
  }
  return found;
}

/// Hides what lower layers have at a path.
void SnapshotFolders::hide(Snapshot& snapshot, const std::string& path) const {
  const Node* own = snapshot.folder.find(path);
  const Node* lower = visible(snapshot.parent, path);
  if (!lower) return;
  if (!own) {
    snapshot.folder.set(
        path,
        Node{
            .type = NodeType::CharDevice, .mode = 0, .mtime = epoch_, .major = 0, .minor = 0, .origin = lower->origin});
  } else if (own->type == NodeType::Directory && lower->type == NodeType::Directory) {
    for (const std::string& child : visible_children(snapshot.parent, path)) hide(snapshot, child);
  }
}

/// Adds a folder like the one of lower layers, if there is one.
void SnapshotFolders::add_folder(Snapshot& snapshot, const std::string& path) const {
  const Node* lower = visible(snapshot.parent, path);
  snapshot.folder.set(path, lower && lower->type == NodeType::Directory
                                ? *lower
                                : Node{.type = NodeType::Directory, .mode = 0755, .mtime = epoch_});
}

/// Adds the folders that a layer does not list.
void SnapshotFolders::complete(Snapshot& snapshot) const {
  std::set<std::string> missing;
  for (const auto& [path, node] : snapshot.folder.nodes())
    for (auto above = parent_of(path); !above.empty() && !snapshot.folder.find(above); above = parent_of(above))
      missing.emplace(above);
  for (const std::string& path : missing) add_folder(snapshot, path);
}

const Tree& SnapshotFolders::add(const std::string& id, const std::string& parent, const Tree& layer,
                                 const std::function<void(const std::string&, const std::string&)>& dropped) {
  const auto below = snapshots_.find(parent);
  if (!parent.empty() && below == snapshots_.end())
    throw Error(ErrorKind::Internal, fmt::format("snapshot {} has the parent {}, which does not exist", id, parent));
  const auto [at, fresh] = snapshots_.try_emplace(id);
  if (!fresh) throw Error(ErrorKind::Internal, fmt::format("two snapshots have the identifier {}", id));
  Snapshot& snapshot = at->second;
  snapshot.parent = parent.empty() ? nullptr : &below->second;

  std::vector<std::string> removed, replaced;
  for (const auto& [path, node] : layer.nodes()) {
    const std::string_view name = name_of_path(path);
    if (name == opaque) {
      replaced.emplace_back(parent_of(path));
    } else if (name.starts_with(whiteout)) {
      // Other names with two prefixes are private files of AUFS.
      const std::string_view of = name.substr(whiteout.size());
      if (!of.empty() && !of.starts_with(whiteout)) removed.push_back(in_folder(parent_of(path), of));
    } else {
      Node copy = node;
      for (auto attribute = copy.xattrs.begin(); attribute != copy.xattrs.end();) {
        const bool kept = attribute->first == "security.capability";
        if (!kept) dropped(path, attribute->first);
        attribute = kept ? std::next(attribute) : copy.xattrs.erase(attribute);
      }
      snapshot.folder.set(path, std::move(copy));
    }
  }
  for (const std::string& folder : replaced)
    if (!folder.empty() && !snapshot.folder.find(folder)) add_folder(snapshot, folder);
  complete(snapshot);
  for (const std::string& path : removed) hide(snapshot, path);
  for (const std::string& folder : replaced)
    for (const std::string& child : visible_children(snapshot.parent, folder)) hide(snapshot, child);
  complete(snapshot);
  return snapshot.folder;
}

}  // namespace k8simg
