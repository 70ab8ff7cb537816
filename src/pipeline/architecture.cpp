// Programs → images, archives of programs, checksums.
#include "pipeline/architecture.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "image/image.hpp"
#include "pipeline/audit.hpp"
#include "pipeline/images.hpp"
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

OutputRef compressed(StepGraph& graph, const std::string& id, const OutputRef& tools, const OutputRef& archive,
                     const std::string& method, int level) {
  graph.add({.id = id,
             .inputs = {{"tools", tools}, {"archive", archive}},
             .action = CommandAction{.tools = "tools",
                                     .argv = compress_command(method, level, "/in/archive", "/out/compressed"),
                                     .mounts = {{"archive", "/in/archive"}},
                                     .captures = {{"archive", "/out/compressed"}}},
             .resource = Resource::Heavy});
  return {id, "archive"};
}

/// Every program in a folder of its component's name.
OutputRef add_binaries_archive(StepGraph& graph, const OutputRef& tools, const std::vector<Input>& programs,
                               std::int64_t epoch) {
  graph.add({.id = "binaries/archive",
             .inputs = programs,
             .action = BuiltinAction{"binaries.archive", nlohmann::json{{"epoch", epoch}}.dump(),
                                     [epoch](StepContext& context) {
                                       Tree all;
                                       for (const auto& input : context.inputs()) {
                                         const std::string folder = input.name.substr(input.name.rfind('/') + 1);
                                         const Tree of_component = get_tree(context.store(), input.value.digest);
                                         for (const auto& [path, node] : of_component.nodes())
                                           all.set(folder + "/" + path, node);
                                       }
                                       all.add_missing_parents("binaries", epoch);
                                       return std::map<std::string, Value>{{"archive", tar_of(context, all)}};
                                     }}});
  return compressed(graph, "binaries/compressed", tools, {"binaries/archive", "archive"}, "zstd", zstd_level);
}

OutputRef add_release(StepGraph& graph, const OutputRef& tools, const ComponentConfig& component,
                      const ReleaseConfig& release, const Input& programs, std::int64_t epoch) {
  const std::string id = "release/" + release.name;
  // What add_program looks at of the component is part of the key.
  const std::string parameters = nlohmann::json{
      {"component", component.name},
      {"folder", release.folder},
      {"programs", release.programs},
      {"epoch", epoch}}.dump();
  graph.add({.id = id + "/archive",
             .inputs = {programs},
             .action = BuiltinAction{"release.archive", parameters, [component, release, epoch](StepContext& context) {
                                       const Tree made =
                                           get_tree(context.store(), context.inputs().front().value.digest);
                                       Tree tree;
                                       for (const auto& program : release.programs)
                                         add_program(tree, release.folder, made, component, program, epoch);
                                       tree.add_missing_parents("release", epoch);
                                       return std::map<std::string, Value>{{"archive", tar_of(context, tree)}};
                                     }}});
  return compressed(graph, id + "/compressed", tools, {id + "/archive", "archive"}, "gzip", gzip_level);
}

}  // namespace

void add_architecture_steps(Pipeline& pipeline, const PipelineInputs& in, PackageSteps& packages,
                            const std::vector<Input>& programs, std::int64_t epoch) {
  const Config& config = in.config;
  StepGraph& graph = pipeline.graph;
  if (takes_root_files(config))
    pipeline.rootfs =
        add_audit_step(graph, config, add_rootfs_tree(graph, rootfs_options(config, {}, epoch), packages.target(), {}));
  if (has_images(config)) {
    pipeline.images = add_image_steps(graph, config, packages.tools("compression"), pipeline.rootfs, programs, epoch);
    pipeline.artifacts["images.tar.zst"] = pipeline.images->archive;
    pipeline.artifacts["images.list"] = pipeline.images->list;
  }
  if (!programs.empty())
    pipeline.artifacts["binaries.tar.zst"] =
        add_binaries_archive(graph, packages.tools("compression"), programs, epoch);
  for (const auto& component : config.components) {
    const auto of_component = std::find_if(programs.begin(), programs.end(), [&](const Input& input) {
      return input.name == "programs/" + component.name;
    });
    for (const auto& release : component.releases) {
      pipeline.releases[fmt::format("{}-{}.tar.gz", release.name, config.name)] =
          add_release(graph, packages.tools("compression"), component, release, *of_component, epoch);
    }
  }
  pipeline.artifacts.insert(pipeline.releases.begin(), pipeline.releases.end());
  pipeline.artifacts["SHA256SUMS"] = add_checksum_step(graph, "image/sums", pipeline.artifacts);
}

}  // namespace k8simg
