// Adds a fetch and an unpack step for each package. Target and tools share the steps of a common package.
#include "pipeline/packages.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "debian/deb.hpp"
#include "graph/builtin.hpp"
#include "pipeline/root.hpp"
#include "rootfs/rootfs.hpp"
#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/inside.hpp"

namespace k8simg {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(FetchRequest, repository, path, size, sha256, name, date)

namespace {

const BlobPort deb{"deb"};
const TreePort packages_out{"tree"};

/// How packages are downloaded. This is not part of the key, because the digest of a package is known before.
struct Sources {
  Downloader& downloader;
  const Mirrors& mirrors;
};

Outputs fetch_package(StepContext& context, const FetchRequest& request, const Sources& sources) {
  const auto progress = [&](std::uint64_t done, std::uint64_t total) { context.progress(done, total); };
  return {deb.give(fetch(context.store(), sources.downloader, sources.mirrors, request, context.stop(), progress))};
}

struct Unpack {
  std::string origin;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Unpack, origin)

Outputs unpack(StepContext& context, const Unpack& parameters) {
  Store& store = context.store();
  const Tree tree = deb_tree(store, store.path(deb.in(context).digest), Origin(parameters.origin));
  return {packages_out.give(put_tree(store, tree))};
}

struct Tools {
  std::string triplet;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Tools, triplet)

Outputs merge_tools(StepContext& context, const Tools& parameters) {
  Store& store = context.store();
  return {packages_out.give(put_tree(store, assemble_tools(store, read_packages(context), parameters.triplet)))};
}

}  // namespace

Origin origin_of(const LockedPackage& package) {
  return Origin::package(package.name, package.version, package.architecture);
}
std::string package_identity(const LockedPackage& package) { return std::string(origin_of(package).identity()); }

PackageSteps::PackageSteps(StepGraph& graph, const PipelineInputs& inputs) : graph_(graph), inputs_(inputs) {}

BlobHandle PackageSteps::file(const LockedPackage& package) {
  const Value value = inputs_.store.put_file(inside(inputs_.config.project, package.path), false);
  if (value.digest == package.sha256) return BlobHandle(value);
  throw Error(ErrorKind::Usage,
              fmt::format("{} is not the file that was locked: its SHA-256 is {}, the lock says {}", package.path,
                          value.digest.hex(), package.sha256.hex()),
              fmt::format("run `k8simg lock {}`", inputs_.config.name));
}

BlobHandle PackageSteps::fetched(const LockedPackage& package, const std::string& id) {
  const FetchRequest request{.repository = package.repository,
                             .path = package.path,
                             .size = package.size,
                             .sha256 = package.sha256,
                             .name = package_identity(package),
                             .date = package.date};
  graph_.add({.id = id,
              .action = builtin_with<fetch_package>("fetch", request, {inputs_.downloader, inputs_.mirrors}),
              .resource = Resource::Network,
              .known_outputs = {deb.give(Value{ValueKind::Blob, package.sha256, package.size})}});
  return deb.of(id);
}

TreeHandle PackageSteps::add(const LockedPackage& package) {
  std::string name = fmt::format("{}_{}_{}", package.name, package.version, package.architecture);
  const auto key = std::pair(name, package.sha256);
  if (const auto known = unpacked_.find(key); known != unpacked_.end()) return known->second;
  // Repositories may have different packages of one name and version.
  if (graph_.find("unpack/" + name)) name += "_" + package.sha256.hex();
  const std::string unpack_id = "unpack/" + name;
  graph_.add({.id = unpack_id,
              .inputs = {deb(package.is_file() ? file(package) : fetched(package, "fetch/" + name))},
              .action = builtin<unpack>("debian.unpack", {.origin = origin_of(package).text()})});
  return unpacked_.emplace(key, packages_out.of(unpack_id)).first->second;
}

TreeHandle PackageSteps::target_file(const std::string& name) {
  for (const auto* packages : {&inputs_.lock.target, &inputs_.lock.boot})
    for (const LockedPackage& package : *packages)
      if (package.name == name) return add(package);
  throw Error(ErrorKind::Usage, fmt::format("the lock of {} has no package {}", inputs_.config.name, name),
              fmt::format("run `k8simg lock {}`", inputs_.config.name));
}

TreeHandle PackageSteps::tool_file(const std::string& name) {
  const LockedToolSet* files = inputs_.lock.tools.find(inputs_.config.tool_set("files"));
  if (files && std::binary_search(files->packages.begin(), files->packages.end(), name))
    return add(inputs_.lock.tools.package(name));
  throw Error(
      ErrorKind::Usage, fmt::format("the tool set files of {} has no package {}", inputs_.config.name, name),
      fmt::format("add it to [tools.files] of the defconfig or board, and run `k8simg lock {}`", inputs_.config.name));
}

NamedTrees PackageSteps::target() {
  NamedTrees trees;
  for (const LockedPackage& package : inputs_.lock.target) trees.emplace_back(package_identity(package), add(package));
  return trees;
}

const ToolSet& needed_tool_set(const Config& config, const std::string& name) {
  const ToolSet& set = config.tool_set(name);
  if (!set.packages.empty()) return set;
  throw Error(ErrorKind::Usage, fmt::format("{} needs the tool set {}, which has no packages", config.name, name),
              fmt::format("set tools.{}.packages in the defconfig or board", name));
}

TreeHandle PackageSteps::tools(const std::string& name) {
  const std::string id = "tools/" + name;
  const TreeHandle tree = packages_out.of(id);
  if (graph_.find(id)) return tree;
  const LockedToolSet* set = inputs_.lock.tools.find(needed_tool_set(inputs_.config, name));
  if (!set) throw Error(ErrorKind::Internal, fmt::format("the tools' lock has no set {}", name));
  std::vector<Input> inputs;
  for (const auto& package : set->packages) {
    const LockedPackage& locked = inputs_.lock.tools.package(package);
    inputs.push_back(package_in[package_identity(locked)](add(locked)));
  }
  graph_.add({.id = id,
              .inputs = std::move(inputs),
              .action = builtin<merge_tools>("rootfs.tools", {.triplet = "x86_64-linux-gnu"})});
  return tree;
}

}  // namespace k8simg
