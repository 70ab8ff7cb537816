// Finds programs among a component's binaries.
#include "pipeline/programs.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "util/error.hpp"

namespace k8simg {

void add_program(Tree& tree, const std::string& folder, const Tree& programs, const ComponentConfig& component,
                 const std::string& program, std::int64_t epoch) {
  const std::string path = fmt::format("{}/{}", folder, program);
  if (const Node* node = programs.find(program)) {
    tree.set(path, *node);
    return;
  }
  const auto multicall = std::find_if(component.binaries.begin(), component.binaries.end(),
                                      [](const ComponentBinary& binary) { return binary.link == "multicall"; });
  const Node* binary = multicall == component.binaries.end() ? nullptr : programs.find(multicall->name);
  if (!binary) throw Error(ErrorKind::Internal, fmt::format("component {} gave no {}", component.name, program));
  tree.set(fmt::format("{}/{}", folder, multicall->name), *binary);
  tree.add_symlink(path, multicall->name, "component:" + component.name);
  tree.find(path)->mtime = epoch;
}

}  // namespace k8simg
