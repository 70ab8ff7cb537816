// Reads origins and Go build information from layers.
#include "pipeline/contents.hpp"

#include <algorithm>
#include <set>

#include "elf/go_build_info.hpp"
#include "tree/mapped_file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

/// The reasons of a component's patches that change a module.
std::string reasons(const ComponentSoftware& component, const std::string& module) {
  std::vector<std::string> reasons;
  for (const auto& change : component.changes) {
    const bool concerned = std::any_of(change.files.begin(), change.files.end(),
                                       [&](const std::string& file) { return file.starts_with(module + "/"); });
    if (concerned) reasons.push_back(change.name + ": " + change.reason);
  }
  return join(reasons, "; ");
}

void add_modules(const Store& store, const ComponentSoftware& component, const std::string& path, const Node& program,
                 std::set<SoftwarePackage>& packages) {
  const MappedFile file(store.path(program.content));
  if (!is_elf(file.bytes())) return;
  const auto info = read_go_build_info(file.bytes(), read_elf(file.bytes(), path), path);
  if (!info) return;
  for (const auto& module : info->modules) {
    packages.insert({.kind = SoftwarePackage::Kind::Module,
                     .name = module.path,
                     .version = module.version,
                     .license = {},
                     .purl = golang_purl(module.path, module.version),
                     .changes = module.changed ? reasons(component, module.path) : ""});
  }
  // A program contains Go's standard library and runtime. Experiments follow the version: "go1.26.1 X:...".
  const std::string version = info->go.substr(0, info->go.find(' '));
  if (version.starts_with("go")) {
    packages.insert({.kind = SoftwarePackage::Kind::Module,
                     .name = "stdlib",
                     .version = version.substr(2),
                     .license = "BSD-3-Clause",
                     .purl = golang_purl("stdlib", version.substr(2)),
                     .changes = {}});
  }
}

}  // namespace

std::vector<SoftwarePackage> image_contents(const Store& store, const ComponentSoftware& component,
                                            const std::vector<Tree>& layers) {
  std::set<SoftwarePackage> packages{{.kind = SoftwarePackage::Kind::Component,
                                      .name = component.name,
                                      .version = component.version,
                                      .license = component.license,
                                      .purl = generic_purl(component.name, component.version),
                                      .changes = {}}};
  for (const Tree& layer : layers) {
    for (const auto& [path, node] : layer.nodes()) {
      if (node.type == NodeType::Directory) continue;  // several packages may share a folder
      if (node.origin.kind() == Origin::Kind::Package) {
        const std::string name(node.origin.name()), version(node.origin.version());
        packages.insert({.kind = SoftwarePackage::Kind::System,
                         .name = name,
                         .version = version,
                         .license = {},
                         .purl = debian_purl(name, version, std::string(node.origin.architecture())),
                         .changes = {}});
      } else if (node.type == NodeType::File && node.origin.kind() == Origin::Kind::Component) {
        add_modules(store, component, "/" + path, node, packages);
      }
    }
  }
  return {packages.begin(), packages.end()};
}

}  // namespace k8simg
