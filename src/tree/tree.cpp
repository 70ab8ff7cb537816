// Tree: lookups, changes, symlink resolution, and trees as blobs of the store.
#include "tree/tree.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "tree/path.hpp"
#include "util/error.hpp"

namespace k8simg {

const char* type_name(NodeType type) {
  switch (type) {
    case NodeType::File:
      return "file";
    case NodeType::Directory:
      return "directory";
    case NodeType::Symlink:
      return "symlink";
    case NodeType::CharDevice:
      return "char";
    case NodeType::BlockDevice:
      return "block";
    case NodeType::Fifo:
      return "fifo";
  }
  return "";
}

namespace {

/// Everything below a folder sorts into [folder + "/", folder + "0"): '0' follows '/' in ASCII.
std::string first_below(std::string_view folder) { return std::string(folder) + '/'; }
std::string after_below(std::string_view folder) { return std::string(folder) + '0'; }

constexpr int max_symlinks = 40;  // the kernel's limit

}  // namespace

const Node* Tree::find(std::string_view path) const {
  const auto found = nodes_.find(path);
  return found == nodes_.end() ? nullptr : &found->second;
}

Node* Tree::find(std::string_view path) {
  const auto found = nodes_.find(path);
  return found == nodes_.end() ? nullptr : &found->second;
}

void Tree::set(std::string path, Node node) {
  if (!is_tree_path(path)) {
    throw Error(ErrorKind::Internal, fmt::format("'{}' is not a path of a tree", path),
                "Paths are relative, without leading or trailing slash and without '.', '..' or empty parts.");
  }
  nodes_.insert_or_assign(std::move(path), std::move(node));
}

bool Tree::erase(std::string_view path) {
  const auto found = nodes_.find(path);
  if (found == nodes_.end()) return false;
  nodes_.erase(found);
  return true;
}

std::size_t Tree::erase_below(std::string_view path) {
  const auto before = nodes_.size();
  erase(path);
  nodes_.erase(nodes_.lower_bound(first_below(path)), nodes_.lower_bound(after_below(path)));
  return before - nodes_.size();
}

void Tree::add_missing_parents(const Origin& origin, std::int64_t mtime) {
  Node folder;
  folder.type = NodeType::Directory;
  folder.mode = 0755;
  folder.mtime = mtime;
  folder.origin = origin;
  // A parent sorts before its children, so the loop need not visit inserted nodes.
  for (auto at = nodes_.begin(); at != nodes_.end(); ++at) {
    for (auto parent = parent_of(at->first); !parent.empty(); parent = parent_of(parent)) {
      if (!nodes_.try_emplace(std::string(parent), folder).second) break;
    }
  }
}

std::optional<std::string> Tree::resolve(std::string_view path) const {
  std::string resolved;    // exists, and has no symlinks
  std::string rest(path);  // not yet resolved
  int followed = 0;
  while (!rest.empty()) {
    const auto slash = rest.find('/');
    const auto part = rest.substr(0, slash);
    rest = slash == rest.npos ? std::string() : rest.substr(slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      resolved = parent_of(resolved);
      continue;
    }
    const auto next = resolved.empty() ? part : resolved + '/' + part;
    const auto* node = find(next);
    if (node == nullptr) {
      // The folder may exist only implicitly, through its members.
      const auto below = nodes_.lower_bound(first_below(next));
      if (below == nodes_.end() || !below->first.starts_with(first_below(next))) return std::nullopt;
      resolved = next;
    } else if (node->type == NodeType::Symlink) {
      if (++followed > max_symlinks || node->target.empty()) return std::nullopt;
      if (node->target.front() == '/') resolved.clear();
      rest = rest.empty() ? node->target : node->target + '/' + rest;
    } else {
      if (node->type != NodeType::Directory && !rest.empty()) return std::nullopt;
      resolved = next;
    }
  }
  return resolved;
}

std::vector<std::string> Tree::children(std::string_view folder) const {
  std::vector<std::string> result;
  const auto prefix = folder.empty() ? std::string() : first_below(folder);
  auto at = nodes_.lower_bound(prefix);
  while (at != nodes_.end() && at->first.starts_with(prefix)) {
    const auto slash = at->first.find('/', prefix.size());
    if (slash == std::string::npos) {
      result.push_back(at->first);
      ++at;
    } else {
      at = nodes_.lower_bound(after_below(std::string_view(at->first).substr(0, slash)));
    }
  }
  return result;
}

void Tree::add_file(Store& store, std::string path, std::string_view content, std::uint32_t mode, Origin origin) {
  Node node;
  node.mode = mode;
  const auto value = store.put(content);
  node.content = value.digest;
  node.size = content.size();
  node.origin = std::move(origin);
  set(std::move(path), std::move(node));
}

void Tree::add_symlink(std::string path, std::string target, Origin origin) {
  Node node;
  node.type = NodeType::Symlink;
  node.mode = 0777;
  node.target = std::move(target);
  node.origin = std::move(origin);
  set(std::move(path), std::move(node));
}

void Tree::add_directory(std::string path, std::uint32_t mode, Origin origin) {
  Node node;
  node.type = NodeType::Directory;
  node.mode = mode;
  node.origin = std::move(origin);
  set(std::move(path), std::move(node));
}

Value put_tree(Store& store, const Tree& tree) { return store.put(tree.serialise(), ValueKind::Tree); }

Tree get_tree(const Store& store, const Digest& digest) {
  return with_context("while reading tree " + digest.hex(), [&] { return Tree::parse(store.read(digest)); });
}

std::vector<Digest> tree_references(const Tree& tree) {
  std::vector<Digest> digests;
  for (const auto& [path, node] : tree.nodes()) {
    if (node.type == NodeType::File) digests.push_back(node.content);
  }
  std::sort(digests.begin(), digests.end());
  digests.erase(std::unique(digests.begin(), digests.end()), digests.end());
  return digests;
}

}  // namespace k8simg
