// Reads folders on disk as trees.
#include <sys/stat.h>

#include <fmt/format.h>

#include "tree/archive.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace fs = std::filesystem;

namespace {

Node read_node(Store& store, const fs::path& file, const Origin& origin, FolderModes modes) {
  struct stat status {};
  if (lstat(file.c_str(), &status) != 0) throw_errno("cannot read", file.string(), errno);
  Node node;
  node.origin = origin;
  node.mode = S_ISDIR(status.st_mode) || (status.st_mode & S_IXUSR) ? 0755 : 0644;
  if (modes == FolderModes::Narrow) node.mode &= status.st_mode | 0700;
  if (modes == FolderModes::Keep) node.mode = status.st_mode & 07777;
  if (S_ISREG(status.st_mode)) {
    const auto value = store.put_file(file);
    node.content = value.digest;
    node.size = value.size;
  } else if (S_ISDIR(status.st_mode)) {
    node.type = NodeType::Directory;
  } else if (S_ISLNK(status.st_mode)) {
    node.type = NodeType::Symlink;
    node.mode = 0777;
    node.target = fs::read_symlink(file).string();
  } else if (S_ISFIFO(status.st_mode)) {
    node.type = NodeType::Fifo;
  } else {
    throw Error(ErrorKind::Usage, fmt::format("{} is neither file, folder, symlink nor fifo", file.string()),
                "Remove it from the folder.");
  }
  return node;
}

}  // namespace

Tree read_folder(Store& store, const fs::path& folder, const Origin& origin, FolderModes modes) {
  Tree tree;
  std::error_code error;
  if (!fs::is_directory(fs::status(folder, error)) && !error) {
    tree.set(folder.filename().string(), read_node(store, folder, origin, modes));
    return tree;
  }
  try {
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      // Not fs::relative(), which follows symlinks.
      tree.set(entry.path().lexically_relative(folder).generic_string(), read_node(store, entry.path(), origin, modes));
    }
  } catch (const fs::filesystem_error& failure) {
    throw_errno("cannot read", failure.path1().empty() ? folder.string() : failure.path1().string(),
                failure.code().value());
  }
  return tree;
}

}  // namespace k8simg
