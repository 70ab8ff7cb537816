// Adds containerd's folder to the root filesystem: containerd's code writes its databases, the files of snapshots come
// from the layers.
#include "pipeline/preload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "component/steps.hpp"
#include "graph/builtin.hpp"
#include "oci/snapshots.hpp"
#include "pipeline/programs.hpp"
#include "tree/archive.hpp"
#include "tree/mapped_file.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace {

constexpr const char* program = "containerd-preload";
constexpr const char* containerd_folder = "var/lib/containerd";
constexpr const char* snapshots_folder = "io.containerd.snapshotter.v1.overlayfs/snapshots";
constexpr const char* content_folder = "io.containerd.content.v1.content/";
constexpr const char* shared_folder = "usr/share/k8simg";
const Origin preload_origin = Origin::rule("images");

const TreePort preload_root{"root"}, store_port{"store"}, layout_in{"layout"}, preloaded_out{"tree"}, tools_in{"tools"},
    programs_in{"programs"};
const BlobPort list_in{"list"}, archive_in{"archive"};

struct Preload {
  std::int64_t epoch = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Preload, epoch)

/// Hard links must be equal in all of these.
using Inode =
    std::tuple<Digest, std::uint32_t, std::uint32_t, std::uint32_t, std::int64_t, std::map<std::string, std::string>>;
Inode inode_of(const Node& node) { return {node.content, node.mode, node.uid, node.gid, node.mtime, node.xattrs}; }

/// Adds files to the root filesystem. A file that equals one below /usr, or one of another layer, becomes a hard link.
class SharedFiles {
 public:
  explicit SharedFiles(Tree& root) : root_(root) {
    for (const auto& [path, node] : root.nodes()) {
      if (node.type != NodeType::File || node.size == 0) continue;
      origins_.try_emplace(node.content, node.origin);
      if (path.starts_with("usr/")) first_.try_emplace(inode_of(node), path);
    }
  }
  /// Records the origins of the contents of programs.
  void add_origins(const Tree& programs) {
    for (const auto& [path, node] : programs.nodes()) origins_.try_emplace(node.content, node.origin);
  }
  void set(const std::string& path, Node node) {
    node.link_group.clear();
    node.origin = preload_origin;
    if (node.type == NodeType::File && node.size > 0) {
      if (const auto known = origins_.find(node.content); known != origins_.end()) node.origin = known->second;
      const auto [same, fresh] = first_.try_emplace(inode_of(node), path);
      if (!fresh) {
        Node& first = *root_.find(same->second);
        if (first.link_group.empty()) first.link_group = same->second;
        node.link_group = first.link_group;
      }
    }
    root_.set(path, std::move(node));
  }

 private:
  Tree& root_;
  std::map<Inode, std::string> first_;
  std::map<Digest, Origin> origins_;
};

Outputs preload(StepContext& context, const Preload& parameters) {
  const std::int64_t epoch = parameters.epoch;
  Store& store = context.store();
  Tree root = read_tree(context, preload_root);
  const Tree prepared = read_tree(context, store_port);
  const Tree layout = read_tree(context, layout_in);
  SharedFiles files(root);
  for (const auto& [component, value] : program_in.all(context)) files.add_origins(get_tree(store, value.digest));

  const auto set_directory = [&](const std::string& path, std::uint32_t mode) {
    root.set(path, Node{.type = NodeType::Directory, .mode = mode, .mtime = epoch, .origin = preload_origin});
  };
  const std::string folder = std::string(containerd_folder) + "/";
  // The same modes as containerd's: only root has access.
  set_directory(containerd_folder, 0700);
  nlohmann::json snapshots;
  for (const auto& [path, node] : prepared.nodes()) {
    if (path == "snapshots.json") {
      snapshots = nlohmann::json::parse(store.read(node.content));
      continue;
    }
    Node copy = node;
    copy.origin = preload_origin, copy.mtime = epoch, copy.uid = copy.gid = 0;
    copy.mode = node.type == NodeType::Directory ? 0700 : path.starts_with(content_folder) ? 0444 : 0644;
    root.set(folder + path, std::move(copy));
  }
  set_directory(folder + snapshots_folder, 0700);
  SnapshotFolders folders(epoch);
  const auto dropped = [&](const std::string& path, const std::string& attribute) {
    context.log(fmt::format("{}: the extended attribute {} is left out", path, attribute));
  };
  for (const auto& snapshot : snapshots) {
    const std::string id = snapshot.at("id"), layer = snapshot.at("layer");
    const Node* blob = layout.find("blobs/sha256/" + layer.substr(layer.find(':') + 1));
    if (!blob)
      throw Error(ErrorKind::Internal,
                  fmt::format("snapshot {} is of layer {}, which is not in the layout", id, layer));
    const std::string at = fmt::format("{}{}/{}", folder, snapshots_folder, id);
    set_directory(at, 0700);
    set_directory(at + "/fs", 0755);
    const Tree content = read_tar_bytes(store, MappedFile(store.path(blob->content)).bytes(),
                                        {.origin = preload_origin}, "layer " + layer);
    for (const auto& [path, node] : folders.add(id, snapshot.value("parent", ""), content, dropped).nodes())
      files.set(at + "/fs/" + path, node);
    context.log(fmt::format("snapshot {}: {} paths of layer {}", id, content.nodes().size(), layer));
  }
  const auto set_file = [&](const std::string& name, const Value& content) {
    root.set(fmt::format("{}/{}", shared_folder, name), Node{.type = NodeType::File,
                                                             .mode = 0644,
                                                             .mtime = epoch,
                                                             .size = content.size,
                                                             .content = content.digest,
                                                             .origin = preload_origin});
  };
  set_file("images.list", list_in.in(context));
  set_file("images.sha256", store.put(preload_checksums(root)));
  root.add_missing_parents(preload_origin, epoch);
  return {preloaded_out.give(put_tree(store, root))};
}

}  // namespace

std::string preload_checksums(const Tree& tree) {
  const std::string folder = std::string(containerd_folder) + "/";
  std::string text;
  std::set<std::string> groups;
  for (const auto& [path, node] : tree.nodes()) {
    if (node.type != NodeType::File || !path.starts_with(folder) || path.ends_with(".db")) continue;
    if (!node.link_group.empty() && !groups.insert(node.link_group).second) continue;
    text += node.content.hex() + "  " + path + "\n";
  }
  return text;
}

TreeHandle add_preload_steps(StepGraph& graph, const Config& config, const TreeHandle& tools, const TreeHandle& root,
                             const PreloadedImages& images, const NamedTrees& programs, std::int64_t epoch) {
  const auto provider =
      std::find_if(config.components.begin(), config.components.end(), [](const ComponentConfig& component) {
        return std::any_of(component.binaries.begin(), component.binaries.end(),
                           [](const ComponentBinary& binary) { return binary.name == program; });
      });
  if (provider == config.components.end()) {
    throw Error(ErrorKind::Usage,
                fmt::format("images.preload is on, but no component of {} has the program {}", config.name, program),
                "enable the component containerd, or set images.preload to false");
  }
  const auto made =
      std::find_if(programs.begin(), programs.end(), [&](const auto& named) { return named.first == provider->name; });
  std::vector<std::string> argv = run_program(config.arch.go, program, fmt::format("/in/programs/{}", program));
  argv.insert(argv.end(), {"/in/archive", "/out/store", std::to_string(epoch)});
  const std::string store_id = "images/store", id = "rootfs/preloaded";
  graph.add({.id = store_id,
             .inputs = {tools_in(tools), programs_in(made->second), archive_in(images.tar)},
             .action = CommandAction{.tools = tools_in.name,
                                     .argv = std::move(argv),
                                     .mounts = {programs_in.mount("/in/programs"), archive_in.mount("/in/archive")},
                                     .captures = {store_port.capture("/out/store")}}});
  std::vector<Input> inputs{preload_root(root), store_port(store_port.of(store_id)), layout_in(images.layout),
                            list_in(images.list)};
  for (const auto& [component, tree] : programs) inputs.push_back(program_in[component](tree));
  graph.add({.id = id, .inputs = std::move(inputs), .action = builtin<preload>("images.preload", {.epoch = epoch})});
  return preloaded_out.of(id);
}

}  // namespace k8simg
