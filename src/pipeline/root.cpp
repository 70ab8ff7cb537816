// Adds the steps that make the root filesystem from package trees and layers.
#include "pipeline/root.hpp"

#include <fmt/format.h>

#include "config/node_schema.hpp"
#include "graph/builtin.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/inside.hpp"
#include "util/text.hpp"

namespace k8simg {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PathReplacement, path, reason)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PathMode, path, mode, owner)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(DiskMount, source, path, filesystem, options, fsck_pass, grow)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Judgement, package, script, remainder, rule, reason)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(AccountConfig, name, comment, uid, shell, groups, authorized_keys, password_hash)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ProxyConfig, http, https, no_proxy)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RootfsOptions, architecture, triplet, source_date_epoch, exclude, keep, replace,
                                   modes, hostname, timezone, keymap, locale, authorized_keys, enable_units,
                                   disable_units, mask_units, alternatives, mounts, judgements, evaluate, answers,
                                   users, registry_mirrors, proxy, trusted)

namespace {

const TreePort built_kernel{"kernel"}, root_out{"tree"};
const BlobPort checked_out{"report"};
const TreeFamily layer_in{"layer/"};

Outputs assemble(StepContext& context, const RootfsOptions& options) {
  Store& store = context.store();
  std::vector<Layer> layers;
  for (const auto& [origin, value] : layer_in.all(context)) layers.push_back({origin, get_tree(store, value.digest)});
  const Tree tree = assemble_rootfs(
      store, read_packages(context), layers, options, [&](const std::string& line) { context.log(line); },
      script_evaluator(context));
  return {root_out.give(put_tree(store, tree))};
}

Outputs check_evaluation(StepContext& context, const RootfsOptions& options) {
  std::string report;
  const auto log = [&](const std::string& line) {
    context.log(line);
    report += line + "\n";
  };
  evaluate_scripts(context.store(), read_packages(context), options, log, script_evaluator(context));
  return {checked_out.give(context.store().put(report))};
}

struct KernelLayer {
  std::int64_t epoch = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(KernelLayer, epoch)

Outputs make_kernel_layer(StepContext& context, const KernelLayer& parameters) {
  Store& store = context.store();
  const Tree built = read_tree(context, built_kernel);
  const Node* release = built.find("release");
  if (!release) throw Error(ErrorKind::Internal, "kernel/build gave no release file");
  const std::string folder = "usr/lib/modules/" + std::string(trim(store.read(release->content)));
  Tree layer;
  for (const auto& [path, node] : built.nodes()) {
    if (!path.starts_with("modules/")) continue;
    Node copy = node;
    copy.mode = node.type == NodeType::Directory ? 0755 : 0644;
    copy.uid = copy.gid = 0, copy.mtime = parameters.epoch, copy.origin = Origin::kernel();
    layer.set(folder + path.substr(7), copy);
  }
  layer.add_missing_parents(Origin::kernel(), parameters.epoch);
  return {root_out.give(put_tree(store, layer))};
}

}  // namespace

std::vector<PackageTree> read_packages(StepContext& context) {
  std::vector<PackageTree> packages;
  for (const auto& [identity, value] : package_in.all(context)) {
    const Origin origin("package:" + identity);
    packages.push_back({std::string(origin.name()), std::string(origin.version()), std::string(origin.architecture()),
                        get_tree(context.store(), value.digest)});
  }
  return packages;
}

RootfsOptions rootfs_options(const Config& config, const Lock& lock, std::vector<DiskMount> mounts,
                             std::int64_t epoch) {
  RootfsOptions options{config.rootfs, config.arch.debian, config.arch.triplet, epoch, std::move(mounts), {},
                        lock.evaluated};
  for (const auto& file : config.ca_certificates)
    options.trusted[std::filesystem::path(file).stem()] = read_file(inside(config.project, file));
  if (!options.proxy.http.empty() || !options.proxy.https.empty()) {
    // Traffic inside of the machine and the cluster. The networks are those of a node.toml without others.
    std::vector<std::string> local = {"localhost", "127.0.0.0/8", "::1", ".svc", ".cluster.local"};
    for (const char* key : {"pod-network", "service-network"})
      local.push_back(config::node_schema().find(key)->fallback);
    options.proxy.no_proxy.insert(options.proxy.no_proxy.begin(), local.begin(), local.end());
  }
  for (const auto& each : config.exclude_paths_unless)
    if (!has_package(lock.target, each.package))
      options.exclude.insert(options.exclude.end(), each.exclude.begin(), each.exclude.end());
  return options;
}

TreeHandle add_kernel_layer(StepGraph& graph, const TreeHandle& kernel, std::int64_t epoch) {
  const std::string id = "kernel/layer";
  graph.add({.id = id,
             .inputs = {built_kernel(kernel)},
             .action = builtin<make_kernel_layer>("kernel.layer", {.epoch = epoch})});
  return root_out.of(id);
}

TreeHandle add_rootfs_tree(StepGraph& graph, const RootfsOptions& options, const NamedTrees& packages,
                           const NamedTrees& layers, const ScriptTools& scripts) {
  const std::string id = "rootfs/tree";
  std::vector<Input> inputs = script_inputs(scripts);
  for (const auto& [identity, tree] : packages) inputs.push_back(package_in[identity](tree));
  for (const auto& [origin, tree] : layers) inputs.push_back(layer_in[origin](tree));
  graph.add({.id = id, .inputs = std::move(inputs), .action = builtin<assemble>("rootfs.assemble", options)});
  return root_out.of(id);
}

BlobHandle add_script_check(StepGraph& graph, const RootfsOptions& options, const NamedTrees& packages,
                            const ScriptTools& scripts) {
  const std::string id = "rootfs/scripts";
  std::vector<Input> inputs = script_inputs(scripts);
  for (const auto& [identity, tree] : packages) inputs.push_back(package_in[identity](tree));
  graph.add({.id = id, .inputs = std::move(inputs), .action = builtin<check_evaluation>("rootfs.scripts", options)});
  return checked_out.of(id);
}

}  // namespace k8simg
