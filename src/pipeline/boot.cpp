// Collects the files of the boot partition from the kernel, packages and the board's own files.
#include "pipeline/boot.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "image/boot_files_check.hpp"
#include "tree/tree.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/inside.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

/// What one boot file is taken from, once inputs are at hand.
struct Collector {
  StepContext& context;
  std::int64_t epoch;
  Tree boot{};

  void place(const std::string& path, const Node& node, const std::string& origin) {
    Node copy = node;
    copy.mode = 0755, copy.uid = copy.gid = 0, copy.mtime = epoch, copy.origin = origin;
    copy.link_group.clear();
    copy.xattrs.clear();
    check_free(path, origin);
    boot.set(path, copy);
  }

  /// Two globs may give the same name.
  void check_free(const std::string& path, const std::string& origin) const {
    if (const Node* other = boot.find(path)) {
      throw Error(ErrorKind::Step, fmt::format("boot file {} comes from {} and from {}", path, other->origin, origin),
                  "check [[boot.files]] in the board's board.toml");
    }
  }

  [[noreturn]] void missing(const BootFile& file) const {
    const std::string what = file.from.starts_with("dtb:") ? "the kernel built no " + file.from.substr(4)
                                                           : fmt::format("{} has no {}", file.from, file.source);
    throw Error(ErrorKind::Step, fmt::format("boot file {}: {}", file.path, what),
                "check [[boot.files]] in the board's board.toml");
  }

  /// From a tree: one path, or every match of a glob when `path` ends in "/".
  void from_tree(const BootFile& file, const Tree& tree, const std::string& source, const std::string& origin) {
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

std::map<std::string, Value> collect(StepContext& context, const std::vector<BootFile>& files,
                                     const std::vector<std::pair<std::string, std::string>>& values,
                                     const std::string& board, const FirmwareTarget& firmware, std::int64_t epoch) {
  Store& store = context.store();
  Collector collector{context, epoch};
  for (const BootFile& file : files) {
    if (file.from == "kernel") {
      collector.from_tree(file, get_tree(store, context.input("kernel").digest), "image", "kernel");
    } else if (file.from.starts_with("dtb:")) {
      collector.from_tree(file, get_tree(store, context.input("kernel").digest), "dtbs/" + file.from.substr(4),
                          "kernel");
    } else if (file.from.starts_with("package:")) {
      collector.from_tree(file, get_tree(store, context.input(file.from).digest), file.source, file.from);
    } else {
      std::string text = store.read(context.input(file.source).digest);
      if (file.expand) text = expand(text, values, file.source);
      collector.check_free(file.path, "board:" + board);
      collector.boot.add_file(store, file.path, text, 0755, "board:" + board);
    }
  }
  collector.boot.add_missing_parents("board:" + board, epoch);
  // The firmware of a Raspberry Pi, which no emulator runs: what would stop it is found here.
  if (collector.boot.find("config.txt")) check_firmware_files(collector.boot, store, firmware);
  return {{"tree", put_tree(store, collector.boot)}};
}

}  // namespace

OutputRef add_boot_tree(StepGraph& graph, const PipelineInputs& in, PackageSteps& packages, const OutputRef& kernel,
                        const DiskPlan& disk, std::int64_t epoch) {
  const Config& config = in.config;
  std::vector<Input> inputs{{"kernel", kernel}};
  std::set<std::string> seen{"kernel"};
  std::string kernel_path;
  nlohmann::json parameters = nlohmann::json::array();
  for (const BootFile& file : config.boot_files) {
    parameters.push_back({file.path, file.from, file.source, file.expand});
    if (file.from == "kernel") kernel_path = file.path;
    if (file.from.starts_with("package:") && seen.insert(file.from).second)
      inputs.push_back({file.from, packages.unpacked(file.from.substr(8))});
    if (file.from == "file" && seen.insert(file.source).second)
      inputs.push_back({file.source, in.store.put(read_file(inside(config.project, file.source)))});
  }
  const std::vector<std::pair<std::string, std::string>> values{{"cmdline", config.kernel.cmdline},
                                                                {"root_partuuid", disk.root_partuuid},
                                                                {"kernel", kernel_path},
                                                                {"hostname", config.hostname},
                                                                {"name", config.name},
                                                                {"board", config.board},
                                                                {"role", config.node_role}};
  const FirmwareTarget firmware{config.arch.kernel, disk.root_partuuid,
                                static_cast<std::uint64_t>(config.smallest_memory_mib()) << 20};
  graph.add({.id = "boot/tree",
             .inputs = std::move(inputs),
             .action = BuiltinAction{
                 "boot.tree",
                 nlohmann::json{{"files", parameters},
                                {"values", values},
                                {"arch", firmware.kernel_arch},
                                {"memory", firmware.memory},
                                {"epoch", epoch}}
                     .dump(),
                 [files = config.boot_files, values, board = config.board, firmware, epoch](StepContext& context) {
                   return collect(context, files, values, board, firmware, epoch);
                 }}});
  return {"boot/tree", "tree"};
}

}  // namespace k8simg
