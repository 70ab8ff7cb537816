// A tree of the store as a folder that a sandbox can mount.
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "tree/archive.hpp"
#include "tree/path.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

/// A hard link where the filesystem allows: not across filesystems, not beyond its limit of links.
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
    case NodeType::File: place_file(store.path(node.content), target); break;
    case NodeType::Symlink:
      if (symlink(node.target.c_str(), target.c_str()) != 0) throw_errno("cannot create", target.string(), errno);
      break;
    case NodeType::CharDevice:
    case NodeType::BlockDevice:
    case NodeType::Fifo: break;  // a build has no use for them, and an ordinary user cannot make devices
  }
}

}  // namespace

fs::path checkout(Store& store, const Value& value) {
  const auto target = store.folder("checkouts") / value.digest.hex();
  if (fs::exists(target)) return target;
  auto tree = get_tree(store, value.digest);
  tree.add_missing_parents("");
  TempDir building(store.folder("scratch"), "checkout");
  for (const auto& [path, node] : tree.nodes()) {
    // Never write through a symlink that the tree itself brought.
    if (const auto parent = parent_of(path); !parent.empty() && tree.find(parent)->type != NodeType::Directory) {
      throw Error(ErrorKind::Internal, fmt::format("tree {}: /{} lies below /{}, which is no folder", value.digest.hex(), path, parent));
    }
    place_node(store, building.path() / path, node);
  }
  if (chmod(building.path().c_str(), 0755) != 0) throw_errno("cannot change", building.path().string(), errno);
  if (rename(building.path().c_str(), target.c_str()) == 0) {
    building.release();
    return target;
  }
  const int cause = errno;
  // Another thread or process was first; what it made is the same.
  if ((cause == EEXIST || cause == ENOTEMPTY) && fs::is_directory(target)) return target;
  throw_errno("cannot create", target.string(), cause);
}

}  // namespace k8simg
