// A small project: a config, a matching lock, and the files that both name.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "pipeline/packages.hpp"
#include "pipeline/partitions.hpp"
#include "pipeline/pipeline.hpp"
#include "support/recipe.hpp"
#include "support/step_context.hpp"
#include "tree/tree.hpp"

namespace k8simg::test {

inline LockedPackage locked(const std::string& name, const std::string& version = "1") {
  return {.name = name,
          .version = version,
          .architecture = "amd64",
          .source = name,
          .repository = "debian",
          .suite = "trixie",
          .path = "pool/" + name + ".deb",
          .size = 10,
          .sha256 = sha256(name + version)};
}

struct Project {
  TestContext context;
  NoDownloads downloader;
  Mirrors mirrors;
  Config config;
  Lock lock;

  Project() {
    config.name = "pc", config.board = "pc", config.project = context.folder() / "project",
    config.rootfs.hostname = "node";
    config.arch = {
        .debian = "amd64", .go = "amd64", .goarm = "", .kernel = "x86", .cross = "", .triplet = "x86_64-linux-gnu"};
    config.kernel.package = "linux-source";
    config.kernel.base = "allnoconfig";
    config.kernel.image = "arch/x86/boot/bzImage";
    config.kernel.targets = {"bzImage"};
    config.kernel.cmdline = "console=ttyS0 rw";
    config.kernel.fragments = {"kernel-fragments/base.config"};
    config.packages = {"bash", "systemd=1"};
    config.tools = {tool_set("appliance", {}),
                    tool_set("c", {"gcc"}),
                    tool_set("compression", {"bash"}),
                    tool_set("files", {"boot-loader", "linux-source"}),
                    tool_set("filesystems", {"bash", "mke2fs"}),
                    tool_set("go", {"go/trixie-backports"}),
                    tool_set("keymap", {}),
                    tool_set("locales", {}),
                    tool_set("programs", {"bash"}),
                    tool_set("qemu", {}),
                    tool_set("registry", {})};
    config.disk.file = "disk.img", config.disk.table = "gpt", config.disk.compress = "zstd",
    config.disk.compress_level = 3;
    config.disk.partitions = {partition("esp", "esp", "vfat", "/boot"), partition("root", "root", "ext4", "/")};
    config.overlays = {"base"};
    config.components = {
        {.name = "etcd",
         .version = "v3.7.2",
         .description = {},
         .license = {},
         .folder = "components/etcd",
         .tags = {},
         .ldflags = {},
         .binaries = {
             {.name = "etcd", .package = ".", .install = "/usr/bin/etcd", .links = {}, .link = {}, .checks = {}}}}};
    write("kernel-fragments/base.config", "CONFIG_NET=y\n");
    write("overlays/base/etc/motd", "hello\n");
    write("components/etcd/go.mod", "module x\n");
    write("components/etcd/go.sum", "");
    lock.defconfig = "pc", lock.date = 1763195591;
    lock.target = {locked("bash"), locked("systemd")};
    lock.components = {{"etcd", "v3.7.2", sha256("module x\n"), sha256("")}};
    lock_tools();
  }

  static ToolSet tool_set(const std::string& name, const std::vector<std::string>& packages) {
    return {.name = name, .packages = packages};
  }
  /// Locks each set with exactly its packages.
  void lock_tools() {
    lock.tools = {.date = lock.date, .suites = {}, .sets = {}, .packages = {}};
    std::set<std::string> names;
    for (const ToolSet& set : config.tools) {
      if (set.packages.empty()) continue;
      std::vector<std::string> packages;
      for (const auto& package : set.packages) packages.push_back(package.substr(0, package.find('/')));
      names.insert(packages.begin(), packages.end());
      lock.tools.sets.push_back({set, packages});
    }
    for (const auto& name : names) lock.tools.packages.push_back(locked(name));
  }

  static PartitionConfig partition(const std::string& name, const std::string& type, const std::string& filesystem,
                                   const std::string& mount) {
    PartitionConfig result;
    result.name = name, result.type = type, result.filesystem = filesystem, result.mount = mount, result.label = name;
    return result;
  }
  void write(const fs::path& file, const std::string& text) const {
    fs::create_directories((config.project / file).parent_path());
    write_file_atomically(config.project / file, text);
  }
  PipelineInputs inputs() {
    return {.config = config,
            .lock = lock,
            .store = context.store(),
            .downloader = downloader,
            .mirrors = mirrors,
            .version = "0.1.0",
            .environment_epoch = {}};
  }
  Value tree(const Tree& tree) { return put_tree(context.store(), tree); }
};

inline std::vector<std::string> input_names(const Step& step) {
  std::vector<std::string> names;
  for (const auto& input : step.inputs) names.push_back(input.name);
  return names;
}

/// Adds steps with these outputs, as sources of inputs.
inline void add_sources(StepGraph& graph, const std::vector<std::string>& ids) {
  for (const auto& id : ids) graph.add({.id = id, .inputs = {}, .action = BuiltinAction{"test.source", "{}", {}}});
}

}  // namespace k8simg::test
