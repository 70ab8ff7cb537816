// Checks out a tree of the store into a folder that a sandbox can mount.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "tree/archive.hpp"
#include "tree/path.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

/// A hard link if possible. Hard links do not cross filesystems, and their number per file is limited.
void place_file(const fs::path& blob, const fs::path& target) {
  if (link(blob.c_str(), target.c_str()) == 0) return;
  if (errno == EXDEV || errno == EMLINK || errno == EPERM || errno == EOPNOTSUPP) {
    copy_sparse(blob, target, 0555);
    return;
  }
  throw_errno("cannot create", target.string(), errno);
}

void place_node(const Store& store, const fs::path& target, const Node& node) {
  switch (node.type) {
    case NodeType::Directory:
      if (mkdir(target.c_str(), 0755) != 0) throw_errno("cannot create", target.string(), errno);
      break;
    case NodeType::File:
      place_file(store.path(node.content), target);
      break;
    case NodeType::Symlink:
      if (symlink(node.target.c_str(), target.c_str()) != 0) throw_errno("cannot create", target.string(), errno);
      break;
    case NodeType::CharDevice:
    case NodeType::BlockDevice:
    case NodeType::Fifo:
      break;  // builds do not need them, and unprivileged users cannot create devices
  }
}

NodeType type_of(const struct stat& info) {
  return S_ISDIR(info.st_mode) ? NodeType::Directory : S_ISLNK(info.st_mode) ? NodeType::Symlink : NodeType::File;
}

bool is_laid_out(const Node& node) {
  return node.type == NodeType::Directory || node.type == NodeType::File || node.type == NodeType::Symlink;
}

std::string node_difference(const Store& store, const std::string& folder, const std::string& path, const Node& node) {
  const std::string file = folder + "/" + path;
  struct stat info {};
  if (::lstat(file.c_str(), &info) != 0) return path + " is missing";
  if (type_of(info) != node.type || (node.type == NodeType::File && !S_ISREG(info.st_mode)))
    return path + " is of another type";
  if (node.type == NodeType::Symlink) {
    std::error_code error;
    if (fs::read_symlink(file, error).native() != node.target || error) return path + " leads elsewhere";
  }
  if (node.type == NodeType::File) {
    struct stat blob {};
    const bool same_file = store.has(node.content) && ::lstat(store.path(node.content).c_str(), &blob) == 0 &&
                           blob.st_ino == info.st_ino && blob.st_dev == info.st_dev;
    if (!same_file && (static_cast<std::uint64_t>(info.st_size) != node.size || sha256_file(file) != node.content))
      return path + " has other bytes";
  }
  return {};
}

}  // namespace

std::string checkout_difference(const Store& store, const Digest& digest, const Tree& tree) {
  const auto folder = store.folder("checkouts") / digest.hex();
  std::error_code error;
  if (!fs::is_directory(folder, error)) return {};
  Tree whole = tree;
  whole.add_missing_parents("");
  std::size_t laid_out = 0;
  for (const auto& [path, node] : whole.nodes()) {
    if (!is_laid_out(node)) continue;
    ++laid_out;
    if (auto difference = node_difference(store, folder.native(), path, node); !difference.empty()) return difference;
  }
  std::size_t there = 0;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    ++there;
  if (error) return "it cannot be read: " + error.message();
  return there == laid_out ? std::string() : "it has names that the tree has not";
}

void set_checkouts_aside(Store& store, const std::set<Digest>& lost) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(store.folder("checkouts"), error)) {
    const auto digest = Digest::parse(entry.path().filename().string());
    if (!digest) continue;
    const auto is_lost = [&] {
      // Without its tree, a checkout cannot be verified.
      if (lost.contains(*digest) || store.check(*digest) != Condition::Whole) return true;
      const auto names = tree_references(get_tree(store, *digest));
      return std::any_of(names.begin(), names.end(), [&](const Digest& name) { return lost.contains(name); });
    };
    if (is_lost()) store.set_aside(entry.path(), "checkout-" + digest->hex());
  }
}

fs::path checkout(Store& store, const Value& value) {
  const auto target = store.folder("checkouts") / value.digest.hex();
  if (fs::exists(target)) {
    store.note_taken(value);
    return target;
  }
  auto tree = get_tree(store, value.digest);
  tree.add_missing_parents("");
  TempDir building(store.folder("scratch"), "checkout");
  for (const auto& [path, node] : tree.nodes()) {
    // Never write through a symlink of the tree.
    if (const auto parent = parent_of(path); !parent.empty() && tree.find(parent)->type != NodeType::Directory) {
      throw Error(ErrorKind::Internal,
                  fmt::format("tree {}: /{} lies below /{}, which is not a folder", value.digest.hex(), path, parent));
    }
    place_node(store, building.path() / path, node);
  }
  if (chmod(building.path().c_str(), 0755) != 0) throw_errno("cannot change", building.path().string(), errno);
  if (rename(building.path().c_str(), target.c_str()) == 0) {
    building.release();
    return target;
  }
  const int cause = errno;
  // Another thread or process created the same checkout first.
  if ((cause == EEXIST || cause == ENOTEMPTY) && fs::is_directory(target)) {
    store.note_taken(value);
    return target;
  }
  throw_errno("cannot create", target.string(), cause);
}

}  // namespace k8simg
