// Rule exclusions: removes the paths that the defconfig excludes, such as documentation. Paths of layers are kept.
#include <fmt/format.h>

#include "rootfs/rules.hpp"

namespace k8simg::rootfs {

void exclusions(Assembly& assembly) {
  std::vector<std::string> files, folders;
  // The time zone of the image is always kept.
  const auto zone = assembly.tree.find("etc/localtime") != nullptr ? assembly.tree.resolve("etc/localtime").value_or("")
                                                                   : std::string();
  std::uint64_t bytes = 0;
  for (const auto& [path, node] : assembly.tree.nodes()) {
    if (path == zone || !assembly.excluded(path)) continue;
    if (node.type == NodeType::Directory) {
      folders.push_back(path);
    } else {
      files.push_back(path);
      bytes += node.size;
    }
  }
  for (const auto& path : files) assembly.tree.erase(path);
  // Deepest folders come first. A folder is removed only if nothing is left in it.
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {
    if (assembly.tree.children(*folder).empty()) assembly.tree.erase(*folder);
  }
  assembly.log(fmt::format("{} paths excluded, {} bytes", files.size() + folders.size(), bytes));
}

}  // namespace k8simg::rootfs
