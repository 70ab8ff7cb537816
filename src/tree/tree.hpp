// The filesystem as data: path → node, its one canonical serialisation, and the merge that keeps provenance.
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

struct Node {
  NodeType type = NodeType::File;
  std::uint32_t mode = 0644;  ///< permission bits with setuid, setgid, sticky (07777)
  std::uint32_t uid = 0, gid = 0;
  std::int64_t mtime = 0;                     ///< seconds
  std::uint64_t size = 0;                     ///< bytes (files)
  Digest content;                             ///< files
  std::string target;                         ///< symlinks: as stored in the link
  std::uint32_t major = 0, minor = 0;         ///< devices
  std::string link_group;                     ///< files: non-empty and equal for names of one inode (hard links)
  std::map<std::string, std::string> xattrs;  ///< name → raw bytes, e.g. security.capability
  Origin origin;                              ///< where it comes from
  bool operator==(const Node&) const = default;
};

/// Paths are relative, without leading or trailing slash, "" never occurs, no "." or ".." part. Sorted bytewise,
/// so a folder comes before what is in it. Parents need not be present; add_missing_parents() makes them.
class Tree {
 public:
  using Map = std::map<std::string, Node, std::less<>>;

  const Map& nodes() const { return nodes_; }
  bool empty() const { return nodes_.empty(); }
  const Node* find(std::string_view path) const;
  Node* find(std::string_view path);
  /// Replaces what was there. Throws Error{Internal} for a malformed path.
  void set(std::string path, Node node);
  bool erase(std::string_view path);               ///< this path only
  std::size_t erase_below(std::string_view path);  ///< the path and everything below it
  void add_missing_parents(const Origin& origin, std::int64_t mtime = 0);
  /// Follows symlinks inside the tree (absolute and relative, at most 40); nullopt when dangling.
  std::optional<std::string> resolve(std::string_view path) const;
  /// Direct children's paths of a folder ("" is the root).
  std::vector<std::string> children(std::string_view folder) const;

  /// Convenience for rules and tests; content goes into the store.
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
/// Every blob that the tree names (for gc).
std::vector<Digest> tree_references(const Tree& tree);

/// A path that two sources gave, and may.
struct MergeRules {
  /// Globs of paths where the later source wins, with the reason ("overlay of the defconfig", "dpkg diversion").
  std::vector<std::pair<std::string, std::string>> replace;
};

struct Conflict {
  std::string path;
  Origin first, second;
};

/// Lays `from` over `into`. Folders join (mode and owner must agree or the first wins as dpkg does); equal files join
/// silently; any other collision is a Conflict unless declared. Nothing is changed for conflicting paths.
std::vector<Conflict> merge(Tree& into, const Tree& from, const MergeRules& rules = {});
/// Error{Usage} listing every conflict: path and both origins, and how to declare one.
[[noreturn]] void throw_conflicts(const std::vector<Conflict>& conflicts);

}  // namespace k8simg
