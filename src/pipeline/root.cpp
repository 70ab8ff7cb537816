// From package trees and layers to rootfs/tree.
#include "pipeline/root.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "config/document.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

constexpr std::string_view package_prefix = "package/";

std::map<std::string, Value> assemble(StepContext& context, const RootfsOptions& options) {
  Store& store = context.store();
  std::vector<Layer> layers;
  for (const RecordedInput& input : context.inputs()) {
    if (!input.name.starts_with(package_prefix)) layers.push_back({input.name, get_tree(store, input.value.digest)});
  }
  const Tree tree = assemble_rootfs(store, read_packages(context), layers, options,
                                    [&](const std::string& line) { context.log(line); });
  return {{"tree", put_tree(store, tree)}};
}

// The file and line that set a key last.
std::string where_set(const Config& config, const std::string& key) {
  const auto setting = std::ranges::find(config.settings, key, &Setting::key);
  if (setting == config.settings.end() || setting->set_by.empty()) return key;
  return fmt::format("{}:{}", setting->set_by.back().file, setting->set_by.back().line);
}

}  // namespace

PackageTree named_package(std::string_view identity) {
  const auto equals = identity.find('='), colon = identity.rfind(':');
  return {std::string(identity.substr(0, equals)),
          std::string(identity.substr(equals + 1, colon - equals - 1)),
          std::string(identity.substr(colon + 1)),
          {}};
}

std::vector<PackageTree> read_packages(StepContext& context) {
  std::vector<PackageTree> packages;
  for (const RecordedInput& input : context.inputs()) {
    if (!input.name.starts_with(package_prefix)) continue;
    PackageTree package = named_package(std::string_view(input.name).substr(package_prefix.size()));
    package.tree = get_tree(context.store(), input.value.digest);
    packages.push_back(std::move(package));
  }
  return packages;
}

RootfsOptions rootfs_options(const Config& config, std::vector<DiskMount> mounts, std::int64_t epoch) {
  RootfsOptions options{.architecture = config.arch.debian,
                        .triplet = config.arch.triplet,
                        .source_date_epoch = epoch,
                        .exclude = config.exclude_paths,
                        .keep = config.keep_paths,
                        .hostname = config.hostname,
                        .timezone = config.timezone,
                        .authorized_keys = config.authorized_keys,
                        .enable_units = config.enable_units,
                        .disable_units = config.disable_units,
                        .mask_units = config.mask_units,
                        .alternatives = config.alternatives,
                        .mounts = std::move(mounts)};
  for (const auto& entry : config.replace) options.replace.emplace_back(entry.path, entry.reason);
  for (const auto& mode : config.modes)
    options.modes.push_back({mode.path, static_cast<std::uint32_t>(std::stoul(mode.mode, nullptr, 8)), mode.owner,
                             where_set(config, "rootfs.mode." + config::quote(mode.path) + ".mode")});
  for (const auto& j : config.judgements)
    options.judgements.push_back({j.package, j.script, j.remainder, j.rule, j.reason});
  return options;
}

OutputRef add_kernel_layer(StepGraph& graph, const OutputRef& kernel, std::int64_t epoch) {
  graph.add({.id = "kernel/layer",
             .inputs = {{"kernel", kernel}},
             .action = BuiltinAction{
                 "kernel.layer", nlohmann::json{{"epoch", epoch}}.dump(), [epoch](StepContext& context) {
                   Store& store = context.store();
                   const Tree built = get_tree(store, context.input("kernel").digest);
                   const Node* release = built.find("release");
                   if (!release) throw Error(ErrorKind::Internal, "kernel/build gave no release file");
                   const std::string folder = "usr/lib/modules/" + std::string(trim(store.read(release->content)));
                   Tree layer;
                   for (const auto& [path, node] : built.nodes()) {
                     if (!path.starts_with("modules/")) continue;
                     Node copy = node;
                     copy.mode = node.type == NodeType::Directory ? 0755 : 0644;
                     copy.uid = copy.gid = 0, copy.mtime = epoch, copy.origin = "kernel";
                     layer.set(folder + path.substr(7), copy);
                   }
                   layer.add_missing_parents("kernel", epoch);
                   return std::map<std::string, Value>{{"tree", put_tree(store, layer)}};
                 }}});
  return {"kernel/layer", "tree"};
}

OutputRef add_rootfs_tree(StepGraph& graph, const RootfsOptions& options, std::vector<Input> packages,
                          const std::vector<Input>& layers) {
  std::vector<Input> inputs = std::move(packages);
  inputs.insert(inputs.end(), layers.begin(), layers.end());
  graph.add({.id = "rootfs/tree",
             .inputs = std::move(inputs),
             .action = BuiltinAction{"rootfs.assemble", options.canonical(),
                                     [options](StepContext& context) { return assemble(context, options); }}});
  return {"rootfs/tree", "tree"};
}

}  // namespace k8simg
