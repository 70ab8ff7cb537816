// Makes image layers from programs and files of the root filesystem, container images from layers, and their archive.
#include "pipeline/images.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <set>

#include "elf/elf.hpp"
#include "graph/builtin.hpp"
#include "oci/archive.hpp"
#include "pipeline/contents.hpp"
#include "pipeline/output.hpp"
#include "pipeline/programs.hpp"
#include "tree/mapped_file.hpp"
#include "tree/path.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

using SoftwareChange = ComponentSoftware::Change;
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(SoftwareChange, name, reason, files)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ComponentSoftware, name, version, license, changes)

namespace {

constexpr const char* program_folder = "usr/local/bin";
constexpr int archive_level = 19;

/// Selects files of a tree with everything that they need to run.
class Selection {
 public:
  Selection(const Store& store, const Tree& root, const std::string& triplet)
      : store_(store), root_(root), library_folders_{"usr/lib/" + triplet, "usr/lib"} {}

  void add(const std::string& path, const std::string& wanted_by) {
    queue_.push_back({path, wanted_by});
    while (!queue_.empty()) {
      const auto [next, by] = queue_.front();
      queue_.pop_front();
      take(next, by);
    }
  }
  Tree tree() && { return std::move(taken_); }

 private:
  struct Wanted {
    std::string path, by;
  };

  /// Takes a path and its folders. At the first symlink, takes the link and continues with its target.
  void take(const std::string& path, const std::string& by) {
    if (!seen_.insert(path).second) return;
    if (seen_.size() > root_.nodes().size() + 1000)
      throw Error(ErrorKind::Usage, fmt::format("/{} is a cycle of symlinks", path));
    std::string at;
    const auto parts = split(path, '/');
    for (std::size_t i = 0; i < parts.size(); ++i) {
      at += (at.empty() ? "" : "/") + parts[i];
      const Node* node = root_.find(at);
      if (!node)
        throw Error(ErrorKind::Usage, fmt::format("{} needs /{}, which the root filesystem does not have", by, path),
                    "add the package that has it to packages.install");
      taken_.set(at, *node);
      if (node->type == NodeType::Symlink) {
        std::string target = node->target.starts_with('/')
                                 ? node->target.substr(1)
                                 : (parent_of(at).empty() ? "" : std::string(parent_of(at)) + "/") + node->target;
        for (std::size_t rest = i + 1; rest < parts.size(); ++rest) target += "/" + parts[rest];
        queue_.push_back({normal(target), by});
        return;
      }
      if (node->type == NodeType::File && i + 1 == parts.size()) take_needs(at, *node);
    }
  }

  void take_needs(const std::string& path, const Node& node) {
    const MappedFile file(store_.path(node.content));
    if (!is_elf(file.bytes())) return;
    const std::string name = "/" + path;
    const ElfInfo info = read_elf(file.bytes(), name);
    if (!info.interpreter.empty()) queue_.push_back({normal(info.interpreter), name});
    const auto linkage = read_linkage(file.bytes(), name);
    if (!linkage) return;
    for (const auto& library : linkage->needed) {
      const auto folder = std::find_if(library_folders_.begin(), library_folders_.end(),
                                       [&](const std::string& each) { return root_.find(each + "/" + library); });
      if (folder == library_folders_.end()) {
        throw Error(ErrorKind::Usage,
                    fmt::format("{} needs {}, which the root filesystem does not have", name, library),
                    "add the package that has it to packages.install");
      }
      queue_.push_back({*folder + "/" + library, name});
    }
  }

  static std::string normal(const std::string& path) {
    std::vector<std::string> parts;
    for (const auto& part : split(path, '/')) {
      if (part == "..") {
        if (!parts.empty()) parts.pop_back();
      } else if (!part.empty() && part != ".") {
        parts.push_back(part);
      }
    }
    return join(parts, "/");
  }

  const Store& store_;
  const Tree& root_;
  std::vector<std::string> library_folders_;
  Tree taken_;
  std::set<std::string> seen_;
  std::deque<Wanted> queue_;
};

const std::string& tag_of(const ComponentConfig& component, const ImageConfig& image) {
  return image.tag.empty() ? component.version : image.tag;
}
const std::string& description_of(const ComponentConfig& component, const ImageConfig& image) {
  return image.description.empty() ? component.description : image.description;
}

/// Files of the root filesystem for an image; the name is the reference.
const TreeFamily files_port{"files/"};
const TreePort files_root{"root"}, layout_out{"layout"};
const BlobPort images_archive{"archive"}, images_list{"list"};

/// For each image that takes files from the root filesystem, its reference and its globs.
struct RootFiles {
  std::vector<std::pair<std::string, std::vector<std::string>>> files;
  std::string triplet;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RootFiles, files, triplet)

RootFiles root_files(const Config& config) {
  RootFiles list{.files = {}, .triplet = config.arch.triplet};
  for (const auto& component : config.components)
    for (const auto& image : component.images)
      if (!image.root.empty()) list.files.emplace_back(image_reference(component, image), image.root);
  return list;
}

/// This is a separate step so that images are not made again if the root filesystem changes in other files.
Outputs take_files(StepContext& context, const RootFiles& parameters) {
  Store& store = context.store();
  const Tree root = read_tree(context, files_root);
  Outputs outputs;
  for (const auto& entry : parameters.files)
    with_context("while taking files for image " + entry.first, [&] {
      const Tree files = select_files(store, root, entry.second, parameters.triplet);
      outputs.insert(files_port[entry.first].give(put_tree(store, files)));
    });
  return outputs;
}

struct ImageParameters {
  std::string reference, tag, description, user;
  std::vector<std::string> programs;
  bool takes_files = false;  ///< from the root filesystem
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ImageParameters, reference, tag, description, user, programs, takes_files)

struct ComponentImages {
  ComponentSoftware software;
  std::string multicall;  ///< the multi-call binary, or ""
  std::vector<ImageParameters> images;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ComponentImages, software, multicall, images)

struct Images {
  std::string goarch, goarm;
  std::vector<ComponentImages> components;
  std::int64_t epoch = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Images, goarch, goarm, components, epoch)

/// The programs of an image as a layer.
Tree program_layer(const Tree& programs, const ComponentImages& component, const ImageParameters& image,
                   std::int64_t epoch) {
  const Origin origin = Origin::component(component.software.name);
  Tree layer;
  const auto add = [&](const ImageParameters& of) {
    for (const auto& program : of.programs)
      add_program(layer, program_folder, programs, component.software.name, component.multicall, program, epoch);
  };
  add(image);
  // The layer of a multi-call binary has the program names of all images, so that the images share the layer.
  if (!component.multicall.empty() && layer.find(fmt::format("{}/{}", program_folder, component.multicall))) {
    for (const auto& other : component.images) add(other);
  }
  layer.add_directory("tmp", 01777, origin);
  layer.find("tmp")->mtime = epoch;
  layer.add_missing_parents(origin, epoch);
  return layer;
}

OciImage make_image(StepContext& context, const Images& parameters, const ComponentImages& component,
                    const ImageParameters& image, const Tree& programs) {
  Store& store = context.store();
  // The name is upstream's because kubeadm uses it. Vendor and description name k8simg.
  OciImage made{.reference = image.reference,
                .architecture = parameters.goarch,
                .variant = oci_variant(parameters.goarch, parameters.goarm),
                .layers = {program_layer(programs, component, image, parameters.epoch)},
                .entrypoint = {fmt::format("/{}/{}", program_folder, image.programs.front())},
                .user = image.user,
                .labels = {{"org.opencontainers.image.title", image.programs.front()},
                           {"org.opencontainers.image.description",
                            image.description + " (rebuilt by k8simg, not upstream's image)"},
                           {"org.opencontainers.image.version", image.tag},
                           {"org.opencontainers.image.licenses", component.software.license},
                           {"org.opencontainers.image.vendor", "k8simg"}}};
  if (image.takes_files) made.layers.push_back(read_tree(context, files_port[image.reference]));
  made.contents = image_contents(store, component.software, made.layers);
  std::uint64_t bytes = 0;
  for (const auto& layer : made.layers) {
    for (const auto& [path, node] : layer.nodes()) bytes += node.size;
  }
  context.log(fmt::format("{}: {} layers, {} bytes of files, {} packages", image.reference, made.layers.size(), bytes,
                          made.contents.size()));
  return made;
}

Outputs make_archive(StepContext& context, const Images& parameters) {
  Store& store = context.store();
  std::vector<OciImage> images;
  for (const auto& component : parameters.components) {
    const Tree programs = read_tree(context, program_in[component.software.name]);
    for (const auto& image : component.images) {
      images.push_back(with_context("while making image " + image.reference,
                                    [&] { return make_image(context, parameters, component, image, programs); }));
    }
  }
  std::sort(images.begin(), images.end(),
            [](const OciImage& a, const OciImage& b) { return a.reference < b.reference; });
  std::string list;
  for (const auto& image : images) list += image.reference + "\n";
  const Tree layout = make_oci_layout(store, images, parameters.epoch);
  return {images_archive.give(make_oci_archive(store, layout, parameters.epoch)), images_list.give(store.put(list)),
          layout_out.give(put_tree(store, layout))};
}

Images image_parameters(const Config& config, std::int64_t epoch) {
  Images all{.goarch = config.arch.go, .goarm = config.arch.goarm, .components = {}, .epoch = epoch};
  for (const auto& component : config.components) {
    if (component.images.empty()) continue;
    ComponentImages made{
        .software = {.name = component.name, .version = component.version, .license = component.license, .changes = {}},
        .multicall = multicall_binary(component),
        .images = {}};
    for (const auto& patch : component.patches)
      made.software.changes.push_back({patch.name, patch.reason, patch.files});
    for (const auto& image : component.images) {
      made.images.push_back({.reference = image_reference(component, image),
                             .tag = tag_of(component, image),
                             .description = description_of(component, image),
                             .user = image.user,
                             .programs = image.programs,
                             .takes_files = !image.root.empty()});
    }
    all.components.push_back(std::move(made));
  }
  return all;
}

}  // namespace

std::string image_reference(const ComponentConfig& component, const ImageConfig& image) {
  return image.name + ":" + tag_of(component, image);
}

bool has_images(const Config& config) {
  return std::any_of(config.components.begin(), config.components.end(),
                     [](const ComponentConfig& component) { return !component.images.empty(); });
}

bool takes_root_files(const Config& config) { return !root_files(config).files.empty(); }

Tree select_files(const Store& store, const Tree& root, const std::vector<std::string>& globs,
                  const std::string& triplet) {
  Selection selection(store, root, triplet);
  for (const auto& glob : globs) {
    bool matched = false;
    for (const auto& [path, node] : root.nodes()) {
      if (!glob_match(glob, "/" + path)) continue;
      matched = true;
      selection.add(path, "the image");
    }
    if (!matched)
      throw Error(ErrorKind::Usage, fmt::format("no file of the root filesystem matches {}", glob),
                  "check `root` of the component's [[image]], and packages.install of the defconfig");
  }
  return std::move(selection).tree();
}

ImageSteps add_image_steps(StepGraph& graph, const Config& config, const TreeHandle& tools, const TreeHandle& root,
                           const NamedTrees& programs, std::int64_t epoch) {
  const std::string files_id = "images/files", archive_id = "images/archive";
  std::vector<Input> inputs;
  for (const auto& [component, tree] : programs) inputs.push_back(program_in[component](tree));
  if (const RootFiles parameters = root_files(config); !parameters.files.empty()) {
    graph.add(
        {.id = files_id, .inputs = {files_root(root)}, .action = builtin<take_files>("images.files", parameters)});
    for (const auto& [reference, globs] : parameters.files)
      inputs.push_back(files_port[reference](files_port[reference].of(files_id)));
  }
  graph.add({.id = archive_id,
             .inputs = std::move(inputs),
             .action = builtin<make_archive>("images.archive", image_parameters(config, epoch))});
  const BlobHandle tar = images_archive.of(archive_id);
  const BlobHandle compressed =
      add_output_step(graph, "images/compressed", tools, tar, {images_archive, images_archive, "zstd", archive_level});
  return {compressed, images_list.of(archive_id), layout_out.of(archive_id), tar};
}

}  // namespace k8simg
