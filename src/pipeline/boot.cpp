// Collects the files of the boot partition from the kernel, packages and files of the board.
#include "pipeline/boot.hpp"

#include <fmt/format.h>

#include <set>

#include "disk/formats.hpp"
#include "graph/builtin.hpp"
#include "tree/tree.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/inside.hpp"
#include "util/text.hpp"

namespace k8simg {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(BootFile, path, from, source, expand)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(BootTarget, kernel_arch, root_partuuid, memory)

namespace {

const TreePort boot_kernel{"kernel"}, boot_tree{"tree"};
const TreeFamily package_tree_in{"package/"}, tool_tree_in{"tool/"};
const BlobFamily file_in{"file/"};

/// The input with the tree of a boot file's package.
TreePort package_port(const BootFile& file) {
  return (is_tool_file(file) ? tool_tree_in : package_tree_in)[package_of(file)];
}

struct BootTree {
  std::vector<BootFile> files;
  std::vector<std::pair<std::string, std::string>> values;  ///< for ${NAME} in files, in the order of messages
  std::string board;
  BootTarget target;
  std::int64_t epoch = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(BootTree, files, values, board, target, epoch)

/// Adds boot files to a tree.
struct Collector {
  StepContext& context;
  std::int64_t epoch;
  Tree boot{};

  void place(const std::string& path, const Node& node, const Origin& origin) {
    Node copy = node;
    copy.mode = 0755, copy.uid = copy.gid = 0, copy.mtime = epoch, copy.origin = origin;
    copy.link_group.clear();
    copy.xattrs.clear();
    check_free(path, origin);
    boot.set(path, copy);
  }

  /// Two globs may match files of the same name.
  void check_free(const std::string& path, const Origin& origin) const {
    if (const Node* other = boot.find(path)) {
      throw Error(ErrorKind::Step,
                  fmt::format("boot file {} comes from {} and from {}", path, other->origin.text(), origin.text()),
                  "check [[boot.files]] in the board's board.toml");
    }
  }

  [[noreturn]] void missing(const BootFile& file) const {
    const std::string what = file.from.starts_with("dtb:") ? "the kernel build has no " + file.from.substr(4)
                                                           : fmt::format("{} has no {}", file.from, file.source);
    throw Error(ErrorKind::Step, fmt::format("boot file {}: {}", file.path, what),
                "check [[boot.files]] in the board's board.toml")
        .about_setting("boot.files", file.path);
  }

  /// Takes one path of a tree, or every match of a glob if `path` ends in "/".
  void from_tree(const BootFile& file, const Tree& tree, const std::string& source, const Origin& origin) {
    if (!file.path.ends_with('/')) {
      const auto resolved = tree.resolve(source);
      const Node* node = resolved ? tree.find(*resolved) : nullptr;
      if (!node || node->type != NodeType::File) missing(file);
      return place(file.path, *node, origin);
    }
    bool any = false;
    for (const auto& [path, node] : tree.nodes()) {
      if (node.type != NodeType::File || !glob_match(source, path)) continue;
      place(file.path + path.substr(path.rfind('/') + 1), node, origin);
      any = true;
    }
    if (!any) missing(file);
  }
};

Outputs collect(StepContext& context, const BootTree& parameters) {
  Store& store = context.store();
  Collector collector{context, parameters.epoch};
  const Origin board = Origin::board(parameters.board);
  for (const BootFile& file : parameters.files) {
    if (file.from == "kernel") {
      collector.from_tree(file, read_tree(context, boot_kernel), "image", Origin::kernel());
    } else if (file.from.starts_with("dtb:")) {
      collector.from_tree(file, read_tree(context, boot_kernel), "dtbs/" + file.from.substr(4), Origin::kernel());
    } else if (const std::string package = package_of(file); !package.empty()) {
      collector.from_tree(file, read_tree(context, package_port(file)), file.source, Origin("package:" + package));
    } else {
      std::string text = store.read(file_in[file.source].in(context).digest);
      if (file.expand) text = expand(text, parameters.values, file.source);
      collector.check_free(file.path, board);
      collector.boot.add_file(store, file.path, text, 0755, board);
    }
  }
  collector.boot.add_missing_parents(board, parameters.epoch);
  // No emulator runs the firmware of some boards, so its files are checked here.
  check_boot_partition(collector.boot, store, parameters.target);
  return {boot_tree.give(put_tree(store, collector.boot))};
}

}  // namespace

TreeHandle add_boot_tree(StepGraph& graph, const PipelineInputs& in, PackageSteps& packages, const TreeHandle& kernel,
                         const DiskPlan& disk, std::int64_t epoch) {
  const Config& config = in.config;
  std::vector<Input> inputs{boot_kernel(kernel)};
  std::set<std::string> seen;
  std::string kernel_path;
  for (const BootFile& file : config.boot_files) {
    if (file.from == "kernel") kernel_path = file.path;
    if (const std::string package = package_of(file); !package.empty() && seen.insert(file.from).second)
      inputs.push_back(
          package_port(file)(is_tool_file(file) ? packages.tool_file(package) : packages.target_file(package)));
    if (file.from == "file" && seen.insert("file:" + file.source).second)
      inputs.push_back(file_in[file.source](BlobHandle(in.store.put(read_file(inside(config.project, file.source))))));
  }
  const std::string id = "boot/tree";
  graph.add({.id = id,
             .inputs = std::move(inputs),
             .action = builtin<collect>("boot.tree",
                                        {.files = config.boot_files,
                                         .values = {{"cmdline", config.kernel.cmdline},
                                                    {"root_partuuid", disk.root_partuuid},
                                                    {"kernel", kernel_path},
                                                    {"hostname", config.rootfs.hostname},
                                                    {"name", config.name},
                                                    {"board", config.board},
                                                    {"role", config.node_role}},
                                         .board = config.board,
                                         .target = {config.arch.kernel, disk.root_partuuid,
                                                    static_cast<std::uint64_t>(config.smallest_memory_mib()) << 20},
                                         .epoch = epoch})});
  return boot_tree.of(id);
}

}  // namespace k8simg
