// Adds the steps of an architecture: container images, archives of programs, checksums.
#include "pipeline/architecture.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "graph/builtin.hpp"
#include "pipeline/audit.hpp"
#include "pipeline/images.hpp"
#include "pipeline/output.hpp"
#include "pipeline/programs.hpp"
#include "pipeline/root.hpp"
#include "pipeline/sums.hpp"
#include "tree/archive.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

constexpr int gzip_level = 9, zstd_level = 15;

Value tar_of(StepContext& context, const Tree& tree) {
  const auto file = context.scratch() / "tar";
  {
    const Fd fd = Fd::open(file, O_WRONLY | O_CREAT | O_TRUNC);
    write_tar(context.store(), tree, fd.get());
  }
  return context.store().put_file(file, true);
}

const TreePort programs_in{"programs"};
const BlobPort archive_port{"archive"};

struct BinariesArchive {
  std::int64_t epoch = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(BinariesArchive, epoch)

/// Packs all programs, each in a folder with the name of its component.
Outputs pack_binaries(StepContext& context, const BinariesArchive& parameters) {
  Tree all;
  for (const auto& [component, value] : program_in.all(context)) {
    const Tree of_component = get_tree(context.store(), value.digest);
    for (const auto& [path, node] : of_component.nodes()) all.set(component + "/" + path, node);
  }
  all.add_missing_parents(Origin::archive("binaries"), parameters.epoch);
  return {archive_port.give(tar_of(context, all))};
}

struct ReleaseArchive {
  std::string component, multicall, folder;
  std::vector<std::string> programs;
  std::int64_t epoch = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ReleaseArchive, component, multicall, folder, programs, epoch)

Outputs pack_release(StepContext& context, const ReleaseArchive& parameters) {
  const Tree made = read_tree(context, programs_in);
  Tree tree;
  for (const auto& program : parameters.programs)
    add_program(tree, parameters.folder, made, parameters.component, parameters.multicall, program, parameters.epoch);
  tree.add_missing_parents(Origin::archive("release"), parameters.epoch);
  return {archive_port.give(tar_of(context, tree))};
}

BlobHandle add_binaries_archive(StepGraph& graph, const TreeHandle& tools, const NamedTrees& programs,
                                std::int64_t epoch) {
  const std::string id = "binaries/archive";
  std::vector<Input> inputs;
  for (const auto& [component, tree] : programs) inputs.push_back(program_in[component](tree));
  graph.add(
      {.id = id, .inputs = std::move(inputs), .action = builtin<pack_binaries>("binaries.archive", {.epoch = epoch})});
  return add_output_step(graph, "binaries/compressed", tools, archive_port.of(id),
                         {archive_port, archive_port, "zstd", zstd_level});
}

BlobHandle add_release(StepGraph& graph, const TreeHandle& tools, const ComponentConfig& component,
                       const ReleaseConfig& release, const TreeHandle& programs, std::int64_t epoch) {
  const std::string id = "release/" + release.name;
  graph.add({.id = id + "/archive",
             .inputs = {programs_in(programs)},
             .action = builtin<pack_release>("release.archive", {.component = component.name,
                                                                 .multicall = multicall_binary(component),
                                                                 .folder = release.folder,
                                                                 .programs = release.programs,
                                                                 .epoch = epoch})});
  return add_output_step(graph, id + "/compressed", tools, archive_port.of(id + "/archive"),
                         {archive_port, archive_port, "gzip", gzip_level});
}

}  // namespace

void add_architecture_steps(Pipeline& pipeline, const PipelineInputs& in, PackageSteps& packages,
                            const NamedTrees& programs, std::int64_t epoch) {
  const Config& config = in.config;
  StepGraph& graph = pipeline.graph;
  if (takes_root_files(config)) {
    const RootfsOptions options = rootfs_options(config, in.lock, {}, epoch);
    const ScriptTools scripts = add_script_tools(graph, in.store, config, in.lock.evaluated,
                                                 [&](const std::string& set) { return packages.tools(set); });
    if (scripts) pipeline.scripts = add_script_check(graph, options, packages.target(), scripts);
    pipeline.rootfs = add_audit_step(graph, config, add_rootfs_tree(graph, options, packages.target(), {}, scripts));
  }
  if (has_images(config)) {
    pipeline.images = add_image_steps(graph, config, packages.tools("compression"), pipeline.rootfs, programs, epoch);
    pipeline.artifacts["images.tar.zst"] = pipeline.images->archive;
    pipeline.artifacts["images.list"] = pipeline.images->list;
  }
  if (!programs.empty())
    pipeline.artifacts["binaries.tar.zst"] =
        add_binaries_archive(graph, packages.tools("compression"), programs, epoch);
  for (const auto& component : config.components) {
    const auto of_component = std::find_if(programs.begin(), programs.end(),
                                           [&](const auto& named) { return named.first == component.name; });
    for (const auto& release : component.releases) {
      pipeline.releases[fmt::format("{}-{}.tar.gz", release.name, config.name)] =
          add_release(graph, packages.tools("compression"), component, release, of_component->second, epoch);
    }
  }
  pipeline.artifacts.insert(pipeline.releases.begin(), pipeline.releases.end());
  pipeline.artifacts["SHA256SUMS"] = add_checksum_step(graph, "disk/sums", pipeline.artifacts);
}

}  // namespace k8simg
