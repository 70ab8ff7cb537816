// Filesystem trees: a map from paths to nodes, their canonical text, and the merge that keeps origins.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"
#include "tree/origin.hpp"

namespace k8simg {

enum class NodeType { File, Directory, Symlink, CharDevice, BlockDevice, Fifo };
/// "file", "directory", "symlink", "char", "block", "fifo": the names of manifest.json.
const char* type_name(NodeType type);

struct Node {
  NodeType type = NodeType::File;
  std::uint32_t mode = 0644;  ///< permission bits with setuid, setgid, sticky (07777)
  std::uint32_t uid = 0, gid = 0;
  std::int64_t mtime = 0;                     ///< seconds
  std::uint64_t size = 0;                     ///< bytes (files)
  Digest content;                             ///< files
  std::string target;                         ///< symlinks: as stored in the link
  std::uint32_t major = 0, minor = 0;         ///< devices
  std::string link_group;                     ///< files: the same non-empty text for all hard links to one inode
  std::map<std::string, std::string> xattrs;  ///< name → raw bytes, e.g. security.capability
  Origin origin;                              ///< where it comes from
  bool operator==(const Node&) const = default;
};

/// Paths are relative, without leading or trailing slash and without empty, "." or ".." parts. They are sorted
/// bytewise, so a folder precedes its contents. Parents may be missing; add_missing_parents() creates them.
class Tree {
 public:
  using Map = std::map<std::string, Node, std::less<>>;

  const Map& nodes() const { return nodes_; }
  bool empty() const { return nodes_.empty(); }
  const Node* find(std::string_view path) const;
  Node* find(std::string_view path);
  /// Replaces an existing node. Throws Error{Internal} for a malformed path.
  void set(std::string path, Node node);
  bool erase(std::string_view path);               ///< this path only
  std::size_t erase_below(std::string_view path);  ///< the path and everything below it
  void add_missing_parents(const Origin& origin, std::int64_t mtime = 0);
  /// Follows symlinks within the tree (absolute and relative, at most 40); nullopt when the target does not exist.
  std::optional<std::string> resolve(std::string_view path) const;
  /// Paths of the direct children of a folder ("" is the root).
  std::vector<std::string> children(std::string_view folder) const;

  /// For rules and tests; content goes into the store.
  void add_file(Store& store, std::string path, std::string_view content, std::uint32_t mode, Origin origin);
  void add_symlink(std::string path, std::string target, Origin origin);
  void add_directory(std::string path, std::uint32_t mode, Origin origin);

  /// Canonical text: "k8simg-tree 1\n", then one line per node, fields separated by TAB, bytes outside printable ASCII,
  /// TAB, backslash as \xNN. Equal trees give equal bytes. parse() throws Error{Internal} naming the line (fuzzed).
  std::string serialise() const;
  static Tree parse(std::string_view text);

 private:
  Map nodes_;
};

Value put_tree(Store& store, const Tree& tree);
Tree get_tree(const Store& store, const Digest& digest);
/// All blobs that the tree names (for gc).
std::vector<Digest> tree_references(const Tree& tree);

/// Paths that two sources may provide.
struct MergeRules {
  /// Globs of paths where the later source wins, with the reason ("overlay of the defconfig", "dpkg diversion").
  std::vector<std::pair<std::string, std::string>> replace;
};

struct Conflict {
  std::string path;
  Origin first, second;
};

/// Merges `from` into `into`. Folders are joined; the first keeps its mode and owner, as with dpkg. Equal files are
/// joined. Any other collision is a Conflict unless declared; conflicting paths are not changed.
std::vector<Conflict> merge(Tree& into, const Tree& from, const MergeRules& rules = {});
/// Error{Usage} that lists every conflict with both origins, and how to declare one.
[[noreturn]] void throw_conflicts(const std::vector<Conflict>& conflicts);

}  // namespace k8simg
