// Finds programs in the binaries of a component.
#include "pipeline/programs.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "util/error.hpp"

namespace k8simg {

std::string multicall_binary(const ComponentConfig& component) {
  const auto found = std::find_if(component.binaries.begin(), component.binaries.end(),
                                  [](const ComponentBinary& binary) { return binary.link == "multicall"; });
  return found == component.binaries.end() ? "" : found->name;
}

void add_program(Tree& tree, const std::string& folder, const Tree& programs, const std::string& component,
                 const std::string& multicall, const std::string& program, std::int64_t epoch) {
  const std::string path = fmt::format("{}/{}", folder, program);
  if (const Node* node = programs.find(program)) {
    tree.set(path, *node);
    return;
  }
  const Node* binary = multicall.empty() ? nullptr : programs.find(multicall);
  if (!binary) throw Error(ErrorKind::Internal, fmt::format("component {} gave no {}", component, program));
  tree.set(fmt::format("{}/{}", folder, multicall), *binary);
  tree.add_symlink(path, multicall, Origin::component(component));
  tree.find(path)->mtime = epoch;
}

}  // namespace k8simg
