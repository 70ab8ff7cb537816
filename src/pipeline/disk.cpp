// The steps from trees to the finished disk and what is published beside it.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "image/image.hpp"
#include "image/imager_list.hpp"
#include "image/manifest.hpp"
#include "pipeline/partitions.hpp"
#include "pipeline/sums.hpp"
#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

using Outputs = std::map<std::string, Value>;

ImageTools image_tools(StepContext& context) { return {context, checkout(context.store(), context.input("tools"))}; }

/// FAT's 32-bit serial number, from the same seed as every other identifier.
std::uint32_t volume_id(const Uuid& uuid) {
  return static_cast<std::uint32_t>(uuid.bytes[0]) << 24 | static_cast<std::uint32_t>(uuid.bytes[1]) << 16 |
         static_cast<std::uint32_t>(uuid.bytes[2]) << 8 | uuid.bytes[3];
}

nlohmann::json partition_json(const PlannedPartition& partition) {
  const PartitionConfig& c = partition.config;
  return {{"name", c.name},
          {"type", partition.type},
          {"filesystem", c.filesystem},
          {"label", c.label},
          {"size", c.size},
          {"free", c.free},
          {"bootable", c.bootable},
          {"partition", partition.partition.text()},
          {"uuid", partition.filesystem.text()}};
}

Value make_filesystem(const ImageTools& tools, const Tree& tree, const PlannedPartition& partition,
                      const std::string& syslinux, std::int64_t epoch) {
  const PartitionConfig& c = partition.config;
  return with_context(fmt::format("while making the {} filesystem of partition {}", c.filesystem, c.name), [&] {
    if (c.filesystem == "vfat") {
      return make_fat(tools, tree,
                      {.label = c.label,
                       .volume_id = volume_id(partition.filesystem),
                       .size = c.size,
                       .free = c.free,
                       .source_date_epoch = epoch,
                       .syslinux = syslinux});
    }
    if (c.filesystem == "ext4") {
      return make_ext4(tools, tree,
                       {.label = c.label,
                        .uuid = partition.filesystem,
                        .hash_seed = uuid5(partition.filesystem.text() + "/hash"),
                        .size = c.size,
                        .free = c.free,
                        .source_date_epoch = epoch});
    }
    throw Error(ErrorKind::Usage, fmt::format("partition {}: unknown filesystem \"{}\"", c.name, c.filesystem),
                "ext4 and vfat are known");
  });
}

OutputRef add_filesystem(StepGraph& graph, const std::string& id, const OutputRef& tools, const OutputRef& tree,
                         const PlannedPartition& partition, const std::string& syslinux, std::int64_t epoch) {
  graph.add(
      {.id = id,
       .inputs = {{"tools", tools}, {"tree", tree}},
       .action = BuiltinAction{
           "image.filesystem",
           nlohmann::json{{"partition", partition_json(partition)}, {"syslinux", syslinux}, {"epoch", epoch}}.dump(),
           [=](StepContext& context) {
             const Tree content = get_tree(context.store(), context.input("tree").digest);
             return Outputs{{"image", make_filesystem(image_tools(context), content, partition, syslinux, epoch)}};
           }}});
  return {id, "image"};
}

Outputs write_disk(StepContext& context, const Config& config, const DiskPlan& plan) {
  Store& store = context.store();
  DiskSpec spec{.table = config.disk.table, .disk_uuid = plan.disk, .partitions = {}, .boot_code = {}};
  for (const PlannedPartition& p : plan.partitions) {
    spec.partitions.push_back({.name = p.config.name,
                               .type = p.type,
                               .uuid = config.disk.table == "gpt" ? std::optional(p.partition) : std::nullopt,
                               .content = context.input("partition/" + p.config.name),
                               .bootable = p.config.bootable});
  }
  if (!config.disk.boot_code.empty()) {
    const Tree package = get_tree(store, context.input("boot-code").digest);
    const Node* node = package.find(config.disk.boot_code);
    if (!node)
      throw Error(ErrorKind::Step,
                  fmt::format("package {} has no {}", config.disk.boot_code_package, config.disk.boot_code),
                  "check disk.boot-code of the board");
    spec.boot_code = store.read(node->content);
  }
  const Disk disk = make_disk(context, spec);
  return {{"image", disk.image}, {"layout", store.put(serialise_layout(disk.layout))}};
}

/// The unpacked kernel tree's single files as blobs, to be published.
Outputs publish_kernel(StepContext& context) {
  const Tree tree = get_tree(context.store(), context.input("kernel").digest);
  Outputs outputs;
  for (const char* name : {"image", "config"}) {
    const Node* node = tree.find(name);
    if (!node) throw Error(ErrorKind::Internal, fmt::format("kernel/build gave no {}", name));
    outputs[name] = Value{ValueKind::Blob, node->content, node->size};
  }
  return outputs;
}

}  // namespace

DiskOutputs add_disk_steps(StepGraph& graph, const PipelineInputs& in, PackageSteps& packages, const DiskPlan& plan,
                           const DiskInputs& inputs, std::int64_t epoch) {
  const Config& config = in.config;
  const DiskConfig& disk = config.disk;
  DiskOutputs result;
  auto& artifacts = result.artifacts;
  artifacts = inputs.published;

  graph.add({.id = "kernel/publish",
             .inputs = {{"kernel", inputs.kernel}},
             .action = BuiltinAction{"kernel.publish", "{}", publish_kernel}});
  artifacts[config.kernel.image.substr(config.kernel.image.rfind('/') + 1)] = {"kernel/publish", "image"};
  artifacts["kernel.config"] = {"kernel/publish", "config"};

  const OutputRef filesystems = packages.tools("filesystems");
  std::vector<Input> disk_inputs;
  for (std::size_t i = 0; i < plan.partitions.size(); ++i) {
    const PlannedPartition& partition = plan.partitions[i];
    const bool is_root = i == plan.root;
    if (!is_root && i != plan.boot) {
      throw Error(ErrorKind::Usage, fmt::format("partition {} has no content in the image", partition.config.name),
                  "set create-on-device = true: systemd-repart makes it at first boot");
    }
    const OutputRef image =
        add_filesystem(graph, is_root ? "image/root" : "image/boot", filesystems, is_root ? inputs.root : inputs.boot,
                       partition, is_root ? "" : disk.syslinux, epoch);
    artifacts[is_root ? "rootfs." + partition.config.filesystem : "boot." + partition.config.filesystem] = image;
    disk_inputs.push_back({"partition/" + partition.config.name, image});
  }
  if (!disk.boot_code_package.empty()) disk_inputs.push_back({"boot-code", packages.unpacked(disk.boot_code_package)});

  nlohmann::json layout = nlohmann::json::array();
  for (const auto& partition : plan.partitions) layout.push_back(partition_json(partition));
  graph.add(
      {.id = "image/disk",
       .inputs = disk_inputs,
       .action = BuiltinAction{
           "image.disk",
           nlohmann::json{
               {"table", disk.table}, {"disk", plan.disk.text()}, {"partitions", layout}, {"boot_code", disk.boot_code}}
               .dump(),
           [config, plan](StepContext& context) { return write_disk(context, config, plan); }}});
  const OutputRef image{"image/disk", "image"};
  artifacts[disk.file] = image;

  // Only what the root filesystem's own bitmaps call free need not be written.
  const std::string root_name = plan.partitions[plan.root].config.name;
  graph.add({.id = "image/bmap",
             .inputs = {{"tools", filesystems},
                        {"disk", image},
                        {"root", OutputRef{"image/root", "image"}},
                        {"layout", OutputRef{"image/disk", "layout"}}},
             .action = BuiltinAction{
                 "image.bmap", nlohmann::json{{"file", disk.file}, {"root", root_name}}.dump(),
                 [file = disk.file, root_name](StepContext& context) {
                   const DiskLayout written = parse_layout(context.store().read(context.input("layout").digest));
                   std::vector<ByteRange> unused = ext4_free_ranges(image_tools(context), context.input("root"));
                   for (const auto& partition : written.partitions) {
                     if (partition.name != root_name) continue;
                     for (auto& range : unused) range.start += partition.start;
                   }
                   return Outputs{
                       {"bmap", context.store().put(make_bmap(context.store(), context.input("disk"), file, unused))}};
                 }}});
  artifacts[disk.file + ".bmap"] = {"image/bmap", "bmap"};

  if (disk.compress != "none") {
    graph.add({.id = "image/compressed",
               .inputs = {{"tools", packages.tools("compression")}, {"disk", image}},
               .action = CommandAction{.tools = "tools",
                                       .argv = compress_command(disk.compress, disk.compress_level, "/in/disk",
                                                                "/out/compressed"),
                                       .mounts = {{"disk", "/in/disk"}},
                                       .captures = {{"image", "/out/compressed"}}},
               .resource = Resource::Heavy});
    const OutputRef compressed{"image/compressed", "image"};
    const std::string file = disk.file + (disk.compress == "xz" ? ".xz" : ".zst");
    artifacts[file] = compressed;
    if (!config.imager.devices.empty()) {
      const ImagerEntry base{.name = config.name,
                             .description = config.description,
                             .url = config.imager.base_url + file,
                             .image = {},
                             .download = {},
                             .devices = config.imager.devices,
                             .source_date_epoch = epoch};
      graph.add({.id = "image/imager",
                 .inputs = {{"disk", image}, {"compressed", compressed}},
                 .action = BuiltinAction{"image.imager",
                                         nlohmann::json{{"name", base.name},
                                                        {"description", base.description},
                                                        {"url", base.url},
                                                        {"devices", base.devices},
                                                        {"epoch", epoch}}
                                             .dump(),
                                         [base](StepContext& context) {
                                           ImagerEntry entry = base;
                                           entry.image = context.input("disk"),
                                           entry.download = context.input("compressed");
                                           return Outputs{{"list", context.store().put(make_imager_list(entry))}};
                                         }}});
      artifacts["os_list.json"] = {"image/imager", "list"};
    }
  }

  // The manifest names every artifact so far; the checksum file names the manifest too.
  std::vector<Input> manifest_inputs{{"root", inputs.root},
                                     {"boot", inputs.boot},
                                     {"kernel", inputs.kernel},
                                     {"layout", OutputRef{"image/disk", "layout"}}};
  for (const auto& [file, output] : artifacts) manifest_inputs.push_back({"artifact/" + file, output});
  ManifestInput base{.defconfig = config.name,
                     .board = config.board,
                     .version = in.version,
                     .kernel_release = {},
                     .source_date_epoch = epoch,
                     .table = disk.table,
                     .layout = {},
                     .partitions = {},
                     .artifacts = {},
                     .packages = in.lock.target,
                     .components = {}};
  for (const auto& component : config.components) base.components.emplace_back(component.name, component.version);
  nlohmann::json parameters{{"name", config.name}, {"board", config.board},         {"version", in.version},
                            {"epoch", epoch},      {"components", base.components}, {"partitions", layout}};
  for (const auto& package : in.lock.target)
    parameters["packages"].push_back(package_identity(package) + "@" + package.sha256.hex());
  graph.add({.id = "image/manifest",
             .inputs = std::move(manifest_inputs),
             .action = BuiltinAction{
                 "image.manifest", parameters.dump(), [base, plan](StepContext& context) {
                   Store& store = context.store();
                   ManifestInput manifest = base;
                   const Tree root = get_tree(store, context.input("root").digest),
                              boot = get_tree(store, context.input("boot").digest);
                   const Tree kernel = get_tree(store, context.input("kernel").digest);
                   manifest.kernel_release = std::string(trim(store.read(kernel.find("release")->content)));
                   manifest.layout = parse_layout(store.read(context.input("layout").digest));
                   for (std::size_t i = 0; i < plan.partitions.size(); ++i) {
                     const auto& p = plan.partitions[i];
                     const std::string id = p.filesystem.text();
                     // blkid shows FAT's serial number as XXXX-XXXX in upper case.
                     const std::uint32_t serial = volume_id(p.filesystem);
                     const std::string uuid = p.config.filesystem == "vfat"
                                                  ? fmt::format("{:04X}-{:04X}", serial >> 16, serial & 0xffff)
                                                  : id;
                     manifest.partitions.push_back(
                         {p.config.name, p.config.filesystem, p.config.label, uuid, i == plan.root ? &root : &boot});
                   }
                   for (const auto& input : context.inputs()) {
                     if (input.name.starts_with("artifact/")) manifest.artifacts[input.name.substr(9)] = input.value;
                   }
                   return Outputs{{"manifest", store.put(make_manifest(manifest))}};
                 }}});
  artifacts["manifest.json"] = {"image/manifest", "manifest"};

  artifacts["SHA256SUMS"] = add_checksum_step(graph, "image/sums", artifacts);
  return result;
}

}  // namespace k8simg
