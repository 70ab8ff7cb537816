// Layers from programs and from parts of the root filesystem; images from layers; one archive of them all.
#include "pipeline/images.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>
#include <set>

#include "component/elf.hpp"
#include "image/image.hpp"
#include "oci/archive.hpp"
#include "pipeline/contents.hpp"
#include "pipeline/programs.hpp"
#include "tree/mapped_file.hpp"
#include "tree/path.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

constexpr const char* program_folder = "usr/local/bin";
constexpr int archive_level = 19;

/// Takes files out of a tree with all that they need to run.
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

  /// One path: its folders, and either the node or, at the first symlink, the link and where it leads.
  void take(const std::string& path, const std::string& by) {
    if (!seen_.insert(path).second) return;
    if (seen_.size() > root_.nodes().size() + 1000)
      throw Error(ErrorKind::Usage, fmt::format("/{} is behind a circle of links", path));
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
    if (node.size < 52) return;
    const MappedFile file(store_.path(node.content));
    if (!file.bytes().starts_with("\x7f"
                                  "ELF"))
      return;
    const std::string name = "/" + path;
    const ElfInfo info = read_elf(file.bytes(), name);
    if (!info.interpreter.empty()) queue_.push_back({normal(info.interpreter), name});
    for (const auto& library : needed_libraries(file.bytes(), info, name)) {
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

/// The programs of an image as a layer.
Tree program_layer(const Tree& programs, const ComponentConfig& component, const ImageConfig& image,
                   std::int64_t epoch) {
  const std::string origin = "component:" + component.name;
  const auto multicall = std::find_if(component.binaries.begin(), component.binaries.end(),
                                      [](const ComponentBinary& binary) { return binary.link == "multicall"; });
  Tree layer;
  const auto add = [&](const ImageConfig& of) {
    for (const auto& program : of.programs) add_program(layer, program_folder, programs, component, program, epoch);
  };
  add(image);
  if (multicall != component.binaries.end() && layer.find(fmt::format("{}/{}", program_folder, multicall->name))) {
    for (const auto& other : component.images) add(other);
  }
  layer.add_directory("tmp", 01777, origin);
  layer.find("tmp")->mtime = epoch;
  layer.add_missing_parents(origin, epoch);
  return layer;
}

/// The name of the input and output that has the files of the root filesystem for an image.
std::string files_of(const std::string& reference) { return "files/" + reference; }

/// Of each image that takes files of the root filesystem: its name, and the globs.
using RootFiles = std::vector<std::pair<std::string, std::vector<std::string>>>;

RootFiles root_files(const Config& config) {
  RootFiles list;
  for (const auto& component : config.components)
    for (const auto& image : component.images)
      if (!image.root.empty()) list.emplace_back(image_reference(component, image), image.root);
  return list;
}

/// A step of its own: a root filesystem that differs elsewhere gives the same files, and the images are not made again.
void add_files_step(StepGraph& graph, const RootFiles& files, const OutputRef& root, const std::string& triplet) {
  graph.add({.id = "images/files",
             .inputs = {{"root", root}},
             .action = BuiltinAction{"images.files", nlohmann::json{{"files", files}, {"triplet", triplet}}.dump(),
                                     [files, triplet](StepContext& context) {
                                       Store& store = context.store();
                                       const Tree tree = get_tree(store, context.input("root").digest);
                                       std::map<std::string, Value> outputs;
                                       for (const auto& [reference, globs] : files)
                                         with_context("while taking files for image " + reference, [&] {
                                           outputs[files_of(reference)] =
                                               put_tree(store, select_files(store, tree, globs, triplet));
                                         });
                                       return outputs;
                                     }}});
}

std::map<std::string, Value> make_archive(StepContext& context, const Config& config, std::int64_t epoch) {
  Store& store = context.store();
  std::vector<OciImage> images;
  std::string list;
  for (const auto& component : config.components) {
    if (component.images.empty()) continue;
    const Tree programs = get_tree(store, context.input("programs/" + component.name).digest);
    for (const auto& image : component.images) {
      const std::string reference = image_reference(component, image);
      with_context("while making image " + reference, [&] {
        OciImage made{
            .reference = reference,
            .architecture = config.arch.go,
            .variant = oci_variant(config.arch.go, config.arch.goarm),
            .layers = {program_layer(programs, component, image, epoch)},
            .entrypoint = {fmt::format("/{}/{}", program_folder, image.programs.front())},
            .user = image.user,
            .labels = {{"org.opencontainers.image.title", image.programs.front()},
                       {"org.opencontainers.image.description",
                        description_of(component, image) + " (rebuilt by k8simg, not upstream's image)"},
                       {"org.opencontainers.image.version", tag_of(component, image)},
                       {"org.opencontainers.image.licenses", component.license},
                       // The names are upstream's, for kubeadm asks for them; who made what is in it, this tells.
                       {"org.opencontainers.image.vendor", "k8simg"}}};
        if (!image.root.empty()) made.layers.push_back(get_tree(store, context.input(files_of(reference)).digest));
        made.contents = image_contents(store, component, made.layers);
        std::uint64_t bytes = 0;
        for (const auto& layer : made.layers) {
          for (const auto& [path, node] : layer.nodes()) bytes += node.size;
        }
        context.log(fmt::format("{}: {} layers, {} bytes of files, {} packages", reference, made.layers.size(), bytes,
                                made.contents.size()));
        images.push_back(std::move(made));
      });
    }
  }
  std::sort(images.begin(), images.end(),
            [](const OciImage& a, const OciImage& b) { return a.reference < b.reference; });
  for (const auto& image : images) list += image.reference + "\n";
  const Tree layout = make_oci_layout(store, images, epoch);
  return {{"archive", make_oci_archive(store, layout, epoch)},
          {"list", store.put(list)},
          {"layout", put_tree(store, layout)}};
}

nlohmann::json parameters(const Config& config, std::int64_t epoch) {
  nlohmann::json images = nlohmann::json::array();
  for (const auto& component : config.components) {
    for (const auto& image : component.images) {
      images.push_back({{"component", component.name},
                        {"reference", image_reference(component, image)},
                        {"programs", image.programs},
                        {"root", image.root},
                        {"user", image.user},
                        {"tag", tag_of(component, image)},
                        {"vendor", "k8simg"},
                        {"description", description_of(component, image)},
                        {"license", component.license}});
    }
  }
  // What the SBOMs say of changed modules.
  nlohmann::json edits = nlohmann::json::array();
  for (const auto& component : config.components)
    for (const auto& edit : component.edits)
      edits.push_back({component.name, component.version, edit.module, edit.file, edit.reason});
  return {{"images", images},
          {"edits", edits},
          {"goarch", config.arch.go},
          {"goarm", config.arch.goarm},
          {"triplet", config.arch.triplet},
          {"epoch", epoch}};
}

}  // namespace

std::string image_reference(const ComponentConfig& component, const ImageConfig& image) {
  return image.name + ":" + tag_of(component, image);
}

bool has_images(const Config& config) {
  return std::any_of(config.components.begin(), config.components.end(),
                     [](const ComponentConfig& component) { return !component.images.empty(); });
}

bool takes_root_files(const Config& config) { return !root_files(config).empty(); }

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
      throw Error(ErrorKind::Usage, fmt::format("nothing in the root filesystem is called {}", glob),
                  "check `root` of the component's [[image]], and packages.install of the defconfig");
  }
  return std::move(selection).tree();
}

ImageSteps add_image_steps(StepGraph& graph, const Config& config, const OutputRef& tools, const OutputRef& root,
                           const std::vector<Input>& programs, std::int64_t epoch) {
  std::vector<Input> inputs = programs;
  if (const RootFiles files = root_files(config); !files.empty()) {
    add_files_step(graph, files, root, config.arch.triplet);
    for (const auto& [reference, globs] : files)
      inputs.push_back({files_of(reference), OutputRef{"images/files", files_of(reference)}});
  }
  graph.add({.id = "images/archive",
             .inputs = std::move(inputs),
             .action = BuiltinAction{
                 "images.archive", parameters(config, epoch).dump(),
                 [config, epoch](StepContext& context) { return make_archive(context, config, epoch); }}});
  graph.add({.id = "images/compressed",
             .inputs = {{"tools", tools}, {"archive", OutputRef{"images/archive", "archive"}}},
             .action = CommandAction{.tools = "tools",
                                     .argv = compress_command("zstd", archive_level, "/in/archive", "/out/compressed"),
                                     .mounts = {{"archive", "/in/archive"}},
                                     .captures = {{"archive", "/out/compressed"}}},
             .resource = Resource::Heavy});
  return {{"images/compressed", "archive"},
          {"images/archive", "list"},
          {"images/archive", "layout"},
          {"images/archive", "archive"}};
}

}  // namespace k8simg
