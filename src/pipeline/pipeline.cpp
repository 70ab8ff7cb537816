// Adds all steps of a build: packages, tools, kernel, components, root filesystem, boot partition, disk.
#include "pipeline/pipeline.hpp"

#include <fmt/format.h>

#include "component/steps.hpp"
#include "disk/disk_image.hpp"
#include "disk/manifest.hpp"
#include "kernel/steps.hpp"
#include "pipeline/agreement.hpp"
#include "pipeline/architecture.hpp"
#include "pipeline/audit.hpp"
#include "pipeline/boot.hpp"
#include "pipeline/extra_images.hpp"
#include "pipeline/images.hpp"
#include "pipeline/localisation.hpp"
#include "pipeline/node_program.hpp"
#include "pipeline/packages.hpp"
#include "pipeline/partitions.hpp"
#include "pipeline/preload.hpp"
#include "pipeline/root.hpp"
#include "pipeline/scripts.hpp"
#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/inside.hpp"

namespace k8simg {

namespace {

/// A file of the project as an input whose digest is known when the graph is made.
BlobHandle local_file(const PipelineInputs& in, const std::filesystem::path& relative) {
  return BlobHandle(in.store.put(read_file(inside(in.config.project, relative))));
}

/// git stores only the executable bit of a mode, so the umask of a clone affects all files. Files that only the owner
/// may read keep that mode in the image, because an overlay may contain keys. In a clone with a strict umask that would
/// apply to all files: the image would be different, and services could not read their configuration.
void check_umask(const Config& config) {
  const fs::path file = config.project / "defconfigs" / (config.name + ".toml");
  std::error_code gone;
  const auto mode = fs::status(file, gone).permissions();
  constexpr auto readable = fs::perms::group_read | fs::perms::others_read;
  if (gone || config.overlays.empty() || (mode & readable) == readable) return;
  throw Error(ErrorKind::Usage,
              fmt::format("only the owner may read {}, probably because of the umask when the project was checked "
                          "out: files of overlays would have such modes in the image",
                          file.string()),
              "run `chmod -R go+rX` on the folders overlays and defconfigs, and set the modes of secret files with "
              "[[rootfs.mode]]");
}

KernelSpec kernel_spec(const PipelineInputs& in, std::int64_t epoch) {
  const Config& config = in.config;
  KernelSpec spec{.kernel = config.kernel,
                  .arch = config.arch.kernel,
                  .cross = config.arch.cross,
                  .fragments = {},
                  .source_date_epoch = epoch};
  for (const auto& fragment : config.kernel.fragments) spec.fragments.emplace_back(fragment, local_file(in, fragment));
  return spec;
}

ComponentSpec component_spec(const PipelineInputs& in, const ComponentConfig& component, std::int64_t epoch) {
  ComponentSpec spec{.name = component.name,
                     .version = component.version,
                     .tags = component.tags,
                     .ldflags = component.ldflags,
                     .binaries = component.binaries,
                     .goarch = in.config.arch.go,
                     .goarm = in.config.arch.goarm,
                     .cross = in.config.arch.cross,
                     .source_date_epoch = epoch};
  for (const auto& patch : component.patches) spec.patches.emplace_back(patch.name, local_file(in, patch.file));
  return spec;
}

}  // namespace

Pipeline make_pipeline(const PipelineInputs& in) {
  const Config& config = in.config;
  check_agreement(config, in.lock);
  check_umask(config);
  const std::int64_t epoch = config.source_date_epoch.value_or(in.environment_epoch.value_or(in.lock.date));
  Pipeline pipeline;
  pipeline.settings = config.settings;
  StepGraph& graph = pipeline.graph;

  PackageSteps packages(graph, in);
  for (const ToolSet& set : config.tools)
    if (!set.packages.empty() && set.name != "files") pipeline.tools[set.name] = packages.tools(set.name);

  NamedTrees layers, programs;
  for (const ComponentConfig& component : config.components) {
    Tree folder = read_folder(in.store, inside(config.project, component.folder), Origin::component(component.name));
    folder.erase(
        "component.toml");          // the steps have its build settings; a change of the rest must not compile anything
    folder.erase_below("patches");  // the same applies
    const Value source = put_tree(in.store, folder);
    const ComponentOutputs made = add_component_steps(
        graph, in.store, component_spec(in, component, epoch), source,
        {.compiler = packages.tools(component.has_modules() ? "go" : "c"), .programs = packages.tools("programs")});
    layers.emplace_back(Origin::component(component.name).text(), made.files);
    programs.emplace_back(component.name, made.programs);
    pipeline.programs[component.name] = made.programs;
    if (made.patched) pipeline.patched[component.name] = made.patched;
  }
  if (!config.is_machine()) {
    add_architecture_steps(pipeline, in, packages, programs, epoch);
    return pipeline;
  }

  const KernelOutputs kernel_outputs = add_kernel_steps(graph, in.store, kernel_spec(in, epoch), packages.tools("c"),
                                                        packages.tool_file(config.kernel.package));
  const TreeHandle& kernel = kernel_outputs.kernel;
  pipeline.kernel_symbols = kernel_outputs.symbols;
  pipeline.packages = packages.target();
  layers.emplace_back(Origin::kernel().text(), add_kernel_layer(graph, kernel, epoch));
  const DiskPlan disk = plan_disk(config);
  for (const std::string& overlay : config.overlays) {
    const Tree tree = read_folder(in.store, inside(config.project, fs::path("overlays") / overlay),
                                  Origin::overlay(overlay), FolderModes::Narrow);
    check_overlay_is_visible(config, disk, overlay, tree);
    layers.emplace_back(Origin::overlay(overlay).text(),
                        TreeHandle(put_tree(in.store, complete_node_program(in.store, tree, config))));
  }
  layers.emplace_back(Origin::board(config.board).text(),
                      TreeHandle(put_tree(in.store, repart_definitions(in.store, config, disk))));
  pipeline.localisation =
      add_localisation_steps(graph, config, [&](const std::string& set) { return packages.tools(set); }, epoch);
  // Before overlays, which may declare that they replace such a file.
  layers.insert(layers.begin(), pipeline.localisation.begin(), pipeline.localisation.end());
  const RootfsOptions options = rootfs_options(config, in.lock, disk_mounts(config, disk), epoch);
  const ScriptTools scripts = add_script_tools(graph, in.store, config, in.lock.evaluated,
                                               [&](const std::string& set) { return packages.tools(set); });
  if (scripts) pipeline.scripts = add_script_check(graph, options, packages.target(), scripts);
  const TreeHandle assembled = add_rootfs_tree(graph, options, packages.target(), layers, scripts);
  pipeline.rootfs = add_audit_step(graph, config, assembled);
  std::map<std::string, BlobHandle> published;
  if (has_images(config)) {
    pipeline.images = add_image_steps(graph, config, packages.tools("compression"), pipeline.rootfs, programs, epoch);
    published["images.tar.zst"] = pipeline.images->archive;
  }
  if (config.images_preload && (pipeline.images || !config.extra_images.empty())) {
    const PreloadedImages images = add_extra_image_steps(
        graph, in.store, config, pipeline.images ? &*pipeline.images : nullptr,
        [&] { return packages.tools("registry"); }, epoch);
    pipeline.rootfs =
        add_preload_steps(graph, config, packages.tools("programs"), pipeline.rootfs, images, programs, epoch);
  }

  pipeline.boot = add_boot_tree(graph, in, packages, kernel, disk, epoch);

  const DiskInputs disk_inputs{
      .root = pipeline.rootfs, .boot = pipeline.boot, .kernel = kernel, .published = published};
  const DiskOutputs outputs = add_disk_steps(graph, in, packages, disk, disk_inputs, epoch);
  pipeline.artifacts = outputs.artifacts;
  return pipeline;
}

const TreeHandle& tools_of(const Pipeline& pipeline, const Config& config, const std::string& set) {
  return pipeline.tools.at(needed_tool_set(config, set).name);
}

}  // namespace k8simg
