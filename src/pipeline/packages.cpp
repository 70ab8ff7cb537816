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

  const FetchRequest request{.repository = package.repository, .path = package.path, .size = package.size, .sha256 = package.sha256,
                             .name = package_identity(package), .date = inputs_.lock.date};
  graph_.add({.id = "fetch/" + name,
              .action = BuiltinAction{"fetch", nlohmann::json{{"sha256", package.sha256.hex()}, {"size", package.size}}.dump(),
                                      [request, &downloader = inputs_.downloader, &mirrors = inputs_.mirrors](StepContext& context) {
                                        const auto progress = [&](std::uint64_t done, std::uint64_t total) { context.progress(done, total); };
                                        return std::map<std::string, Value>{
                                            {"deb", fetch(context.store(), downloader, mirrors, request, context.stop(), progress)}};
                                      }},
              .resource = Resource::Network,
              .known_outputs = {{"deb", Value{ValueKind::Blob, package.sha256, package.size}}}});

  const std::string origin = "package:" + package_identity(package);
  graph_.add({.id = "unpack/" + name,
              .inputs = {{"deb", OutputRef{"fetch/" + name, "deb"}}},
              .action = BuiltinAction{"debian.unpack", nlohmann::json{{"origin", origin}}.dump(), [origin](StepContext& context) {
                Store& store = context.store();
                return std::map<std::string, Value>{{"tree", put_tree(store, deb_tree(store, store.path(context.input("deb").digest), origin))}};
              }}});
  return found->second;
}

OutputRef PackageSteps::unpacked(const std::string& name) {
  for (const auto* list : {&inputs_.lock.target, &inputs_.lock.tools}) {
    const auto found = std::find_if(list->begin(), list->end(), [&](const LockedPackage& package) { return package.name == name; });
    if (found != list->end()) return add(*found);
  }
  throw Error(ErrorKind::Usage, fmt::format("the lock of {} has no package {}", inputs_.config.name, name),
              fmt::format("add it to [packages] or [tools] of the defconfig or board and run `k8simg lock {}`", inputs_.config.name));
}

std::vector<Input> PackageSteps::target() {
  std::vector<Input> inputs;
  for (const LockedPackage& package : inputs_.lock.target) inputs.push_back({"package/" + package_identity(package), add(package)});
  return inputs;
}

OutputRef PackageSteps::tools_tree(std::int64_t epoch) {
  std::vector<Input> inputs;
  for (const LockedPackage& package : inputs_.lock.tools) inputs.push_back({"package/" + package_identity(package), add(package)});
  const std::string triplet = "x86_64-linux-gnu";
  graph_.add({.id = "tools/tree",
              .inputs = std::move(inputs),
              .action = BuiltinAction{"rootfs.tools", nlohmann::json{{"triplet", triplet}, {"epoch", epoch}}.dump(), [triplet, epoch](StepContext& context) {
                Store& store = context.store();
                return std::map<std::string, Value>{{"tree", put_tree(store, assemble_tools(store, read_packages(context), triplet, epoch))}};
              }}});
  return {"tools/tree", "tree"};
}

}  // namespace k8simg
