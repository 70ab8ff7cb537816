// Fetch and unpack steps, one pair a package; a package that target and tools share is there once.
#include "pipeline/packages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "debian/deb.hpp"
#include "pipeline/root.hpp"
#include "rootfs/rootfs.hpp"
#include "tree/archive.hpp"
#include "util/error.hpp"

namespace k8simg {

std::string package_identity(const LockedPackage& package) {
  return fmt::format("{}={}:{}", package.name, package.version, package.architecture);
}

PackageSteps::PackageSteps(StepGraph& graph, const PipelineInputs& inputs) : graph_(graph), inputs_(inputs) {}

OutputRef PackageSteps::add(const LockedPackage& package) {
  const std::string name = fmt::format("{}_{}_{}", package.name, package.version, package.architecture);
  const auto [found, fresh] = unpacked_.try_emplace(name, OutputRef{"unpack/" + name, "tree"});
  if (!fresh) return found->second;

  const FetchRequest request{.repository = package.repository,
                             .path = package.path,
                             .size = package.size,
                             .sha256 = package.sha256,
                             .name = package_identity(package),
                             .date = package.date};
  graph_.add(
      {.id = "fetch/" + name,
       .action =
           BuiltinAction{"fetch", nlohmann::json{{"sha256", package.sha256.hex()}, {"size", package.size}}.dump(),
                         [request, &downloader = inputs_.downloader, &mirrors = inputs_.mirrors](StepContext& context) {
                           const auto progress = [&](std::uint64_t done, std::uint64_t total) {
                             context.progress(done, total);
                           };
                           return std::map<std::string, Value>{
                               {"deb", fetch(context.store(), downloader, mirrors, request, context.stop(), progress)}};
                         }},
       .resource = Resource::Network,
       .known_outputs = {{"deb", Value{ValueKind::Blob, package.sha256, package.size}}}});

  const std::string origin = "package:" + package_identity(package);
  graph_.add({.id = "unpack/" + name,
              .inputs = {{"deb", OutputRef{"fetch/" + name, "deb"}}},
              .action = BuiltinAction{
                  "debian.unpack", nlohmann::json{{"origin", origin}}.dump(), [origin](StepContext& context) {
                    Store& store = context.store();
                    return std::map<std::string, Value>{
                        {"tree", put_tree(store, deb_tree(store, store.path(context.input("deb").digest), origin))}};
                  }}});
  return found->second;
}

OutputRef PackageSteps::unpacked(const std::string& name) {
  const auto& target = inputs_.lock.target;
  const auto found =
      std::find_if(target.begin(), target.end(), [&](const LockedPackage& package) { return package.name == name; });
  if (found != target.end()) return add(*found);
  const LockedToolSet* files = inputs_.lock.tools.find(inputs_.config.tool_set("files"));
  if (files && std::binary_search(files->packages.begin(), files->packages.end(), name))
    return add(inputs_.lock.tools.package(name));
  throw Error(ErrorKind::Usage, fmt::format("the lock of {} has no package {}", inputs_.config.name, name),
              fmt::format("add it to [packages] or [tools.files] of the defconfig or board and run `k8simg lock {}`",
                          inputs_.config.name));
}

std::vector<Input> PackageSteps::target() {
  std::vector<Input> inputs;
  for (const LockedPackage& package : inputs_.lock.target)
    inputs.push_back({"package/" + package_identity(package), add(package)});
  return inputs;
}

const ToolSet& needed_tool_set(const Config& config, const std::string& name) {
  const ToolSet& set = config.tool_set(name);
  if (!set.packages.empty()) return set;
  throw Error(ErrorKind::Usage, fmt::format("{} needs the tool set {}, which has no packages", config.name, name),
              fmt::format("name them in tools.{}.packages of the defconfig or board", name));
}

OutputRef PackageSteps::tools(const std::string& name) {
  const OutputRef tree{"tools/" + name, "tree"};
  if (graph_.find(tree.step)) return tree;
  const LockedToolSet* set = inputs_.lock.tools.find(needed_tool_set(inputs_.config, name));
  if (!set) throw Error(ErrorKind::Internal, fmt::format("the tools' lock has no set {}", name));
  std::vector<Input> inputs;
  for (const auto& package : set->packages) {
    const LockedPackage& locked = inputs_.lock.tools.package(package);
    inputs.push_back({"package/" + package_identity(locked), add(locked)});
  }
  const std::string triplet = "x86_64-linux-gnu";
  graph_.add({.id = tree.step,
              .inputs = std::move(inputs),
              .action = BuiltinAction{
                  "rootfs.tools", nlohmann::json{{"triplet", triplet}}.dump(), [triplet](StepContext& context) {
                    Store& store = context.store();
                    return std::map<std::string, Value>{
                        {"tree", put_tree(store, assemble_tools(store, read_packages(context), triplet))}};
                  }}});
  return tree;
}

}  // namespace k8simg
