// Adds the steps from trees to the disk image and the other published files.
#include <fmt/format.h>

#include "disk/formats.hpp"
#include "disk/imager_list.hpp"
#include "disk/manifest.hpp"
#include "disk/tool.hpp"
#include "graph/builtin.hpp"
#include "pipeline/output.hpp"
#include "pipeline/partitions.hpp"
#include "pipeline/sums.hpp"
#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

/// The fields of a package in a manifest.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(LockedPackage, name, version, architecture, source, sha256)

namespace {

const TreePort tools_in{"tools"}, tree_in{"tree"}, kernel_tree{"kernel"}, boot_code_in{"boot-code"}, root_tree{"root"},
    boot_in{"boot"};
const BlobPort image_out{"image"}, layout_port{"layout"}, config_out{"config"}, disk_in{"disk"}, bmap_out{"bmap"},
    compressed_in{"compressed"}, imager_list{"list"}, manifest_out{"manifest"};
const BlobFamily partition_in{"partition/"}, artifact_in{"artifact/"};

ImageTools image_tools(StepContext& context) { return {context, checkout(context.store(), tools_in.in(context))}; }

/// The parameters of a partition that is written to the disk image.
struct Partition {
  std::string name, type, filesystem, label;
  std::uint64_t size = 0, free = 0;
  bool bootable = false, is_root = false;
  Uuid partition, uuid;  ///< partition: PARTUUID; uuid: of the filesystem
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Partition, name, type, filesystem, label, size, free, bootable, is_root, partition,
                                   uuid)

std::vector<Partition> partitions_of(const DiskPlan& plan) {
  std::vector<Partition> list;
  for (std::size_t i = 0; i < plan.partitions.size(); ++i) {
    const PlannedPartition& planned = plan.partitions[i];
    const PartitionConfig& config = planned.config;
    list.push_back({.name = config.name,
                    .type = planned.type,
                    .filesystem = config.filesystem,
                    .label = config.label,
                    .size = config.size,
                    .free = config.free,
                    .bootable = config.bootable,
                    .is_root = i == plan.root,
                    .partition = planned.partition,
                    .uuid = planned.filesystem});
  }
  return list;
}

struct FilesystemImage {
  Partition partition;
  std::map<std::string, std::string> boot_loaders;
  std::int64_t epoch = 0;
  std::uint64_t sector_size = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(FilesystemImage, partition, boot_loaders, epoch, sector_size)

Outputs write_filesystem(StepContext& context, const FilesystemImage& parameters) {
  const Tree tree = read_tree(context, tree_in);
  const Partition& partition = parameters.partition;
  return with_context(
      fmt::format("while making the {} filesystem of partition {}", partition.filesystem, partition.name), [&] {
        return Outputs{image_out.give(filesystem(partition.filesystem)
                                          .make(image_tools(context), tree,
                                                {.label = partition.label,
                                                 .uuid = partition.uuid,
                                                 .size = partition.size,
                                                 .free = partition.free,
                                                 .source_date_epoch = parameters.epoch,
                                                 .boot_loaders = parameters.boot_loaders,
                                                 .sector_size = parameters.sector_size}))};
      });
}

struct DiskImage {
  std::string table;
  Uuid uuid;
  std::vector<Partition> partitions;
  std::string boot_code_package, boot_code;
  std::uint64_t sector_size = 0;
  bool protective_mbr_active = false;
  std::string library;  ///< the library that writes the partition table
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(DiskImage, table, uuid, partitions, boot_code_package, boot_code, sector_size,
                                   protective_mbr_active, library)

Outputs write_disk(StepContext& context, const DiskImage& parameters) {
  Store& store = context.store();
  DiskSpec spec{.table = parameters.table,
                .disk_uuid = parameters.uuid,
                .partitions = {},
                .boot_code = {},
                .sector_size = parameters.sector_size,
                .protective_mbr_active = parameters.protective_mbr_active};
  for (const Partition& partition : parameters.partitions) {
    spec.partitions.push_back({.name = partition.name,
                               .type = partition.type,
                               .uuid = partition.partition,
                               .content = partition_in[partition.name].in(context),
                               .bootable = partition.bootable});
  }
  if (!parameters.boot_code.empty()) {
    const Tree package = read_tree(context, boot_code_in);
    const Node* node = package.find(parameters.boot_code);
    if (!node)
      throw Error(ErrorKind::Step,
                  fmt::format("package {} has no {}", parameters.boot_code_package, parameters.boot_code),
                  "check disk.boot-code of the board");
    spec.boot_code = store.read(node->content);
  }
  const BuiltDisk disk = make_disk(context, spec);
  return {image_out.give(disk.image), layout_port.give(store.put(serialise_layout(disk.layout)))};
}

struct Conversion {
  std::string format, file;  ///< name of an OutputFormat; the published file
  Uuid disk;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Conversion, format, file, disk)

/// The disk image in another format.
Outputs convert_disk(StepContext& context, const Conversion& parameters) {
  Store& store = context.store();
  const OutputFormat& format = output_format(parameters.format);
  const Value image = disk_in.in(context);
  const std::filesystem::path folder = context.scratch() / "out", file = folder / parameters.file;
  std::filesystem::create_directory(folder);
  // The name matters: a VMDK contains its own.
  run_tool(image_tools(context), format.command(0, "/in/disk.img", "/out/" + parameters.file),
           {{store.path(image.digest), "/in/disk.img"}, {folder, "/out", true}}, 0);
  if (format.identify) format.identify(file, {parameters.disk, image.digest});
  return {image_out.give(store.put_file(file, true))};
}

/// Single files of the kernel build's tree as blobs, to publish them.
Outputs publish_kernel(StepContext& context) {
  const Tree tree = read_tree(context, kernel_tree);
  Outputs outputs;
  for (const BlobPort& port : {image_out, config_out}) {
    const Node* node = tree.find(port.name);
    if (!node) throw Error(ErrorKind::Internal, fmt::format("kernel/build gave no {}", port.name));
    outputs.insert(port.give(Value{ValueKind::Blob, node->content, node->size}));
  }
  return outputs;
}

struct BlockMap {
  std::string file;  ///< name of the disk image
  std::vector<Partition> partitions;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(BlockMap, file, partitions)

/// Maps all blocks except those that a filesystem marks as unused.
Outputs write_bmap(StepContext& context, const BlockMap& parameters) {
  Store& store = context.store();
  const DiskLayout written = parse_layout(store.read(layout_port.in(context).digest));
  const ImageTools tools = image_tools(context);
  std::vector<ByteRange> unused;
  for (std::size_t i = 0; i < parameters.partitions.size(); ++i) {
    const Partition& partition = parameters.partitions[i];
    const Filesystem& handler = filesystem(partition.filesystem);
    if (!handler.unused) continue;
    for (const ByteRange& range : handler.unused(tools, partition_in[partition.name].in(context)))
      unused.push_back({range.start + written.partitions.at(i).start, range.size});
  }
  return {bmap_out.give(store.put(make_bmap(store, disk_in.in(context), parameters.file, unused)))};
}

struct Imager {
  std::string name, description, url;
  std::vector<std::string> devices;
  std::int64_t epoch = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Imager, name, description, url, devices, epoch)

Outputs write_imager_list(StepContext& context, const Imager& parameters) {
  const ImagerEntry entry{.name = parameters.name,
                          .description = parameters.description,
                          .url = parameters.url,
                          .image = disk_in.in(context),
                          .download = compressed_in.in(context),
                          .devices = parameters.devices,
                          .source_date_epoch = parameters.epoch};
  return {imager_list.give(context.store().put(make_imager_list(entry)))};
}

struct Manifest {
  std::string defconfig, board, version, table;
  std::uint64_t sector_size = 0;
  std::int64_t epoch = 0;
  std::vector<Partition> partitions;
  std::vector<LockedPackage> packages;
  std::vector<std::pair<std::string, std::string>> components;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Manifest, defconfig, board, version, table, sector_size, epoch, partitions, packages,
                                   components)

Outputs write_manifest(StepContext& context, const Manifest& parameters) {
  Store& store = context.store();
  const Tree root = read_tree(context, root_tree), boot = read_tree(context, boot_in),
             kernel = read_tree(context, kernel_tree);
  ManifestInput manifest{.defconfig = parameters.defconfig,
                         .board = parameters.board,
                         .version = parameters.version,
                         .kernel_release = std::string(trim(store.read(kernel.find("release")->content))),
                         .source_date_epoch = parameters.epoch,
                         .table = parameters.table,
                         .sector_size = parameters.sector_size,
                         .layout = parse_layout(store.read(layout_port.in(context).digest)),
                         .partitions = {},
                         .artifacts = {},
                         .packages = parameters.packages,
                         .components = parameters.components};
  for (const Partition& partition : parameters.partitions) {
    manifest.partitions.push_back({partition.name, partition.filesystem, partition.label,
                                   filesystem(partition.filesystem).identifier(partition.uuid),
                                   partition.is_root ? &root : &boot});
  }
  for (const auto& [file, value] : artifact_in.all(context)) manifest.artifacts[file] = value;
  return {manifest_out.give(store.put(make_manifest(manifest)))};
}

}  // namespace

DiskOutputs add_disk_steps(StepGraph& graph, const PipelineInputs& in, PackageSteps& packages, const DiskPlan& plan,
                           const DiskInputs& inputs, std::int64_t epoch) {
  const Config& config = in.config;
  const DiskConfig& disk = config.disk;
  DiskOutputs result;
  auto& artifacts = result.artifacts;
  artifacts = inputs.published;

  const std::string kernel_id = "kernel/publish";
  graph.add(
      {.id = kernel_id, .inputs = {kernel_tree(inputs.kernel)}, .action = builtin<publish_kernel>("kernel.publish")});
  artifacts[config.kernel.image.substr(config.kernel.image.rfind('/') + 1)] = image_out.of(kernel_id);
  artifacts["kernel.config"] = config_out.of(kernel_id);

  const TreeHandle filesystems = packages.tools("filesystems");
  const std::vector<Partition> partitions = partitions_of(plan);
  const auto sector_size = static_cast<std::uint64_t>(disk.sector_size);
  std::map<std::string, std::string> loaders = disk.boot_loaders;
  std::erase_if(loaders, [&](const auto& loader) { return loader.second.empty() || !disk.starts_by_bios(); });
  const bool boot_code = !disk.boot_code_package.empty() && disk.starts_by_bios();
  const std::map<std::string, std::string> none;
  std::vector<Input> images, disk_inputs;
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    const Partition& partition = partitions[i];
    if (!partition.is_root && i != plan.boot) {
      throw Error(ErrorKind::Usage, fmt::format("partition {} has no content in the image", partition.name),
                  "set create-on-device = true: systemd-repart creates it at first boot");
    }
    const std::string id = partition.is_root ? "disk/root" : "disk/boot";
    graph.add({.id = id,
               .inputs = {tools_in(filesystems), tree_in(partition.is_root ? inputs.root : inputs.boot)},
               .action = builtin<write_filesystem>("image.filesystem", {.partition = partition,
                                                                        .boot_loaders = i == plan.boot ? loaders : none,
                                                                        .epoch = epoch,
                                                                        .sector_size = sector_size})});
    const BlobHandle image = image_out.of(id);
    artifacts[(partition.is_root ? "rootfs." : "boot.") + partition.filesystem] = image;
    images.push_back(partition_in[partition.name](image));
  }
  disk_inputs = images;
  if (boot_code) disk_inputs.push_back(boot_code_in(packages.tool_file(disk.boot_code_package)));

  const std::string disk_id = "disk/image";
  graph.add({.id = disk_id,
             .inputs = disk_inputs,
             .action = builtin<write_disk>("image.disk", {.table = disk.table,
                                                          .uuid = plan.disk,
                                                          .partitions = partitions,
                                                          .boot_code_package = disk.boot_code_package,
                                                          .boot_code = boot_code ? disk.boot_code : "",
                                                          .sector_size = sector_size,
                                                          .protective_mbr_active = disk.protective_mbr_active,
                                                          .library = partition_table_library()})});
  const BlobHandle image = image_out.of(disk_id), layout = layout_port.of(disk_id);
  artifacts[disk.file] = image;

  const std::string bmap_id = "disk/bmap";
  std::vector<Input> bmap_inputs{tools_in(filesystems), disk_in(image), layout_port(layout)};
  bmap_inputs.insert(bmap_inputs.end(), images.begin(), images.end());
  graph.add({.id = bmap_id,
             .inputs = std::move(bmap_inputs),
             .action = builtin<write_bmap>("image.bmap", {.file = disk.file, .partitions = partitions})});
  artifacts[disk.file + ".bmap"] = bmap_out.of(bmap_id);

  for (const std::string& name : disk.formats) {
    const OutputFormat& format = output_format(name);
    const std::string id = "disk/" + name, file = format.file(disk.file);
    graph.add({.id = id,
               .inputs = {tools_in(packages.tools(format.rules.tool_set)), disk_in(image)},
               .action = builtin<convert_disk>("image.convert", {.format = name, .file = file, .disk = plan.disk}),
               .resource = Resource::Heavy});
    artifacts[file] = image_out.of(id);
  }

  if (disk.compress != "none") {
    const OutputFormat& format = output_format(disk.compress);
    const BlobHandle compressed = add_output_step(graph, "disk/compressed", packages.tools(format.rules.tool_set),
                                                  image, {disk_in, image_out, disk.compress, disk.compress_level});
    const std::string file = format.file(disk.file);
    artifacts[file] = compressed;
    if (!config.imager.devices.empty()) {
      const std::string imager_id = "disk/imager";
      graph.add({.id = imager_id,
                 .inputs = {disk_in(image), compressed_in(compressed)},
                 .action = builtin<write_imager_list>("image.imager", {.name = config.name,
                                                                       .description = config.description,
                                                                       .url = config.imager.base_url + file,
                                                                       .devices = config.imager.devices,
                                                                       .epoch = epoch})});
      artifacts["os_list.json"] = imager_list.of(imager_id);
    }
  }

  // The manifest lists all artifacts so far. The checksum file lists the manifest too.
  const std::string manifest_id = "disk/manifest";
  std::vector<Input> manifest_inputs{root_tree(inputs.root), boot_in(inputs.boot), kernel_tree(inputs.kernel),
                                     layout_port(layout)};
  for (const auto& [file, blob] : artifacts) manifest_inputs.push_back(artifact_in[file](blob));
  Manifest manifest{.defconfig = config.name,
                    .board = config.board,
                    .version = in.version,
                    .table = disk.table,
                    .sector_size = sector_size,
                    .epoch = epoch,
                    .partitions = partitions,
                    .packages = in.lock.target,
                    .components = {}};
  for (const auto& component : config.components) manifest.components.emplace_back(component.name, component.version);
  graph.add({.id = manifest_id,
             .inputs = std::move(manifest_inputs),
             .action = builtin<write_manifest>("image.manifest", manifest)});
  artifacts["manifest.json"] = manifest_out.of(manifest_id);

  artifacts["SHA256SUMS"] = add_checksum_step(graph, "disk/sums", artifacts);
  return result;
}

}  // namespace k8simg
