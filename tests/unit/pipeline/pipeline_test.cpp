// Tests the complete pipeline: its steps, their inputs, and locks that do not match the configuration.
#include "pipeline/pipeline.hpp"

#include <set>

#include "pipeline/root.hpp"
#include "project.hpp"
#include "support/catch.hpp"
#include "support/deb.hpp"
#include "tree/archive.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

using Names = std::vector<std::string>;

/// Adds a step and all steps that it needs.
void needed(const StepGraph& graph, const std::string& id, std::set<std::string>& into) {
  const Step* step = graph.find(id);
  REQUIRE(step);
  if (!into.insert(id).second) return;
  for (const auto& input : step->inputs) {
    if (const auto* reference = std::get_if<OutputRef>(&input.source)) needed(graph, reference->step, into);
  }
}

std::string parameters(const StepGraph& graph, const std::string& id) {
  return std::get<BuiltinAction>(graph.find(id)->action).parameters;
}

}  // namespace

TEST_CASE("the artifacts of a build, each from a step that exists") {
  Project p;
  const Pipeline pipeline = make_pipeline(p.inputs());
  Names names;
  for (const auto& [name, output] : pipeline.artifacts) {
    names.push_back(name);
    CHECK(pipeline.graph.find(OutputRef(output).step));
  }
  CHECK(names == Names{"SHA256SUMS", "boot.vfat", "bzImage", "disk.img", "disk.img.bmap", "disk.img.zst",
                       "kernel.config", "manifest.json", "rootfs.ext4"});
  CHECK(pipeline.graph.targets().empty());
  p.config.disk.compress = "none";
  CHECK_FALSE(make_pipeline(p.inputs()).artifacts.contains("disk.img.zst"));
  p.config.disk.compress = "xz", p.config.disk.file = "sdcard.img";
  CHECK(make_pipeline(p.inputs()).artifacts.contains("sdcard.img.xz"));
}

TEST_CASE("formats of virtual machines are made by qemu-img of the tools, from the disk image and its identity alone") {
  Project p;
  p.config.tools[9].packages = {"qemu-utils"};
  p.lock_tools();
  p.config.disk.formats = {"qcow2", "vmdk", "vhdx"};
  const Pipeline pipeline = make_pipeline(p.inputs());
  for (const char* format : {"qcow2", "vmdk", "vhdx"}) {
    const std::string file = std::string("disk.") + format;
    REQUIRE(pipeline.artifacts.contains(file));
    const Step& step = *pipeline.graph.find(OutputRef(pipeline.artifacts.at(file)).step);
    CHECK(step.id == std::string("disk/") + format);
    CHECK(input_names(step) == Names{"tools", "disk"});
    CHECK(std::get<OutputRef>(step.inputs[0].source).step == "tools/qemu");
    CHECK(contains(parameters(pipeline.graph, step.id), "\"file\":\"" + file + "\""));
    // The records of the build list it.
    const auto listed = input_names(*pipeline.graph.find("disk/manifest"));
    CHECK(std::find(listed.begin(), listed.end(), "artifact/" + file) != listed.end());
    const auto sums = input_names(*pipeline.graph.find("disk/sums"));
    CHECK(std::find(sums.begin(), sums.end(), "file/" + file) != sums.end());
  }
}

TEST_CASE("a disk that no BIOS reads has no boot code, and nothing is installed for one") {
  Project p;
  p.config.disk.boot_code_package = "boot-loader", p.config.disk.boot_code = "usr/lib/mbr.bin";
  p.config.disk.boot_loaders = {{"syslinux", "syslinux"}};
  const auto has_boot_code = [](const Pipeline& pipeline) {
    const auto names = input_names(*pipeline.graph.find("disk/image"));
    return std::find(names.begin(), names.end(), "boot-code") != names.end();
  };
  const Pipeline small = make_pipeline(p.inputs());
  CHECK(has_boot_code(small));
  CHECK(contains(parameters(small.graph, "disk/boot"), "\"boot_loaders\":{\"syslinux\":\"syslinux\"}"));
  p.config.disk.sector_size = 4096;
  const Pipeline large = make_pipeline(p.inputs());
  CHECK_FALSE(has_boot_code(large));
  CHECK(contains(parameters(large.graph, "disk/boot"), "\"boot_loaders\":{}"));
  for (const char* step : {"disk/boot", "disk/image", "disk/manifest"})
    CHECK(contains(parameters(large.graph, step), "\"sector_size\":4096"));
}

TEST_CASE("a lock without the package of a boot file is refused, with the file and the line that names it") {
  Project p;
  p.config.boot_files = {{"EFI/x.efi", "package:boot-loader", "usr/x.efi", false}};
  p.config.settings = {
      {.key = "boot.files.\"EFI/x.efi\".from", .value = "", .set_by = {{"boards/pc/board.toml", 36, 1}}}};
  const std::string text = failure([&] { make_pipeline(p.inputs()); });
  CHECK(contains(text,
                 "package boot-loader of boot file EFI/x.efi (boards/pc/board.toml:36) is not in it; "
                 "\"tool:boot-loader\" takes it from tools.files"));
  CHECK(contains(text, "k8simg lock pc"));
  p.lock.boot = {locked("boot-loader")};
  CHECK(make_pipeline(p.inputs()).graph.find("boot/tree"));
  p.config.boot_files[0].from = "package:bash";  // an installed one
  CHECK(make_pipeline(p.inputs()).graph.find("boot/tree"));
}

TEST_CASE("every step leads to an artifact, and the disk needs them all but what is published beside it") {
  Project p;
  const Pipeline pipeline = make_pipeline(p.inputs());
  std::set<std::string> reached;
  for (const auto& [name, output] : pipeline.artifacts) needed(pipeline.graph, OutputRef(output).step, reached);
  CHECK_FALSE(reached.contains("kernel/symbols"));  // a build does not need it; why does
  needed(pipeline.graph, OutputRef(pipeline.kernel_symbols).step, reached);
  for (const auto& step : pipeline.graph.steps()) {
    INFO(step.id);
    CHECK(reached.contains(step.id));
  }
  std::set<std::string> disk;
  needed(pipeline.graph, "disk/image", disk);
  for (const char* id : {"fetch/bash_1_amd64", "fetch/gcc_1_amd64", "component/etcd/check", "kernel/check",
                         "kernel/layer", "rootfs/tree", "boot/tree", "tools/c", "tools/go", "tools/filesystems"})
    CHECK(disk.contains(id));
}

TEST_CASE("the program that evaluates scripts is compiled only for a lock that names packages to evaluate") {
  Project p;
  p.write("components/maintscript/go.mod", "module m\n");
  p.write("components/maintscript/go.sum", "");
  p.write("components/maintscript/main.go", "package main\n");
  CHECK_FALSE(make_pipeline(p.inputs()).graph.find("component/maintscript/build"));
  p.lock.evaluated = {"bash"};
  const Pipeline pipeline = make_pipeline(p.inputs());
  std::set<std::string> tree, check;
  needed(pipeline.graph, "rootfs/tree", tree);
  CHECK(tree.contains("component/maintscript/check"));
  REQUIRE(pipeline.scripts);
  needed(pipeline.graph, OutputRef(pipeline.scripts).step, check);
  CHECK(check.contains("component/maintscript/check"));
  CHECK(check.contains("unpack/bash_1_amd64"));
  CHECK_FALSE(check.contains("kernel/build"));
  CHECK_FALSE(check.contains("component/etcd/check"));
  CHECK(parameters(pipeline.graph, "rootfs/tree").find("\"evaluate\":[\"bash\"]") != std::string::npos);
}

TEST_CASE("paths that are left out unless a package is there") {
  Project p;
  p.config.exclude_paths_unless = {{"bash", {"/usr/share/b/**"}}, {"man-db", {"/usr/share/man/**"}}};
  CHECK(rootfs_options(p.config, p.lock, {}, 1).exclude == Names{"/usr/share/man/**"});
}

TEST_CASE("a package that target and tools share is fetched once, and only fetches may use the network of the host") {
  Project p;
  const Pipeline pipeline = make_pipeline(p.inputs());
  int fetches = 0;
  for (const auto& step : pipeline.graph.steps()) {
    const bool fetch = step.id.starts_with("fetch/");
    fetches += fetch;
    if (fetch) CHECK(step.known_outputs.at("deb").size == 10);
    const auto* command = std::get_if<CommandAction>(&step.action);
    CHECK((step.resource == Resource::Network) == (fetch || (command && command->network)));
  }
  CHECK(fetches == 6);  // bash, systemd; gcc, go, mke2fs; linux-source
}

TEST_CASE("a package that is a file of the project is read from there, and never fetched") {
  Project p;
  const std::string bytes = small_deb("own", "1");
  p.write("debs/own.deb", bytes);
  p.config.package_files = {"debs/own.deb"};
  CHECK(contains(failure([&] { make_pipeline(p.inputs()); }), "the package debs/own.deb is not in it"));
  LockedPackage own = locked("own");
  own.repository = own.suite = "", own.path = "debs/own.deb", own.size = bytes.size(), own.sha256 = sha256(bytes);
  p.lock.target.insert(p.lock.target.begin() + 1, own);
  const Pipeline pipeline = make_pipeline(p.inputs());
  CHECK_FALSE(pipeline.graph.find("fetch/own_1_amd64"));
  const Step* unpack = pipeline.graph.find("unpack/own_1_amd64");
  REQUIRE(unpack);
  CHECK(std::get<Value>(unpack->inputs.at(0).source) == Value{ValueKind::Blob, sha256(bytes), bytes.size()});
  // The step gives the package's tree.
  const auto outputs = p.context.run(*unpack, {{"deb", std::get<Value>(unpack->inputs.at(0).source)}});
  const Tree tree = get_tree(p.context.store(), outputs.at("tree").digest);
  REQUIRE(tree.find("usr/share/own"));
  CHECK(tree.find("usr/share/own")->origin == "package:own=1:amd64");

  p.write("debs/own.deb", small_deb("own", "1", "Section: other\n"));
  const std::string text = failure([&] { make_pipeline(p.inputs()); });
  CHECK(contains(text, "the package debs/own.deb changed"));
  CHECK(contains(text, "run `k8simg lock pc`"));
  // The lock alone is no reason to read another file.
  const PipelineInputs inputs = p.inputs();
  StepGraph graph;
  CHECK(
      contains(failure([&] { PackageSteps(graph, inputs).target(); }), "debs/own.deb is not the file that was locked"));
  p.config.package_files.clear();
  CHECK(contains(failure([&] { make_pipeline(p.inputs()); }), "packages.files does not name its package debs/own.deb"));
}

TEST_CASE("a package of the target is no tool, although name and version are equal") {
  Project p;
  p.lock.target[0].repository = "own", p.lock.target[0].sha256 = sha256("rebuilt");
  const Pipeline pipeline = make_pipeline(p.inputs());
  const auto unpacked = [&](const std::string& step) {
    for (const auto& input : pipeline.graph.find(step)->inputs)
      if (input.name == "package/bash=1:amd64") return std::get<OutputRef>(input.source).step;
    return std::string();
  };
  const auto fetched = [&](const std::string& step) {
    const auto from = std::get<OutputRef>(pipeline.graph.find(unpacked(step))->inputs.at(0).source).step;
    return pipeline.graph.find(from)->known_outputs.at("deb").digest;
  };
  CHECK(fetched("rootfs/tree") == sha256("rebuilt"));
  CHECK(fetched("tools/programs") == sha256("bash1"));
}

TEST_CASE("a step sees the tools of its set: another compiler runs no step of images again") {
  Project p;
  const auto tools = [](const StepGraph& graph) {
    std::map<std::string, std::string> found;
    for (const auto& step : graph.steps())
      for (const auto& input : step.inputs)
        if (input.name == "tools") found[step.id] = std::get<OutputRef>(input.source).step;
    return found;
  };
  const std::map<std::string, std::string> expected{{"component/etcd/build", "tools/go"},
                                                    {"component/etcd/check", "tools/programs"},
                                                    {"component/etcd/modules", "tools/go"},
                                                    {"disk/bmap", "tools/filesystems"},
                                                    {"disk/boot", "tools/filesystems"},
                                                    {"disk/compressed", "tools/compression"},
                                                    {"disk/root", "tools/filesystems"},
                                                    {"kernel/build", "tools/c"},
                                                    {"kernel/config", "tools/c"}};
  CHECK(tools(make_pipeline(p.inputs()).graph) == expected);
  CHECK(make_pipeline(p.inputs()).tools.size() == 5);
  // Without compression, the tools are not needed; with compression, missing tools are reported.
  p.config.tools[2].packages.clear();
  CHECK(contains(failure([&] { make_pipeline(p.inputs()); }),
                 "pc needs the tool set compression, which has no packages"));
  p.config.disk.compress = "none";
  CHECK_FALSE(make_pipeline(p.inputs()).tools.contains("compression"));
}

TEST_CASE("the tools know no date of an image, so that images of different dates share them") {
  Project p;
  PipelineInputs inputs = p.inputs();
  const std::string before = parameters(make_pipeline(inputs).graph, "tools/c");
  inputs.environment_epoch = 42;
  CHECK(parameters(make_pipeline(inputs).graph, "tools/c") == before);
}

TEST_CASE("the root filesystem takes packages in the lock's order, then the layers in the defconfig's") {
  Project p;
  p.write("overlays/more/etc/x", "x");
  p.config.overlays = {"more", "base"};
  const Pipeline pipeline = make_pipeline(p.inputs());
  CHECK(input_names(*pipeline.graph.find("rootfs/tree")) ==
        Names{"package/bash=1:amd64", "package/systemd=1:amd64", "layer/component:etcd", "layer/kernel",
              "layer/overlay:more", "layer/overlay:base", "layer/board:pc"});
}

TEST_CASE("the epoch: the defconfig's, else the caller's, else the lock's date") {
  Project p;
  PipelineInputs inputs = p.inputs();
  CHECK(contains(parameters(make_pipeline(inputs).graph, "boot/tree"), "\"epoch\":1763195591"));
  inputs.environment_epoch = 42;
  CHECK(contains(parameters(make_pipeline(inputs).graph, "boot/tree"), "\"epoch\":42"));
  p.config.source_date_epoch = 7;
  CHECK(contains(parameters(make_pipeline(inputs).graph, "boot/tree"), "\"epoch\":7"));
}

TEST_CASE("the same inputs give the same keys; a changed file changes what depends on it and nothing else") {
  Project p;
  const auto keys = [&] { return keys_of(make_pipeline(p.inputs()).graph); };
  const auto before = keys();
  CHECK(before == keys());
  p.write("kernel-fragments/base.config", "CONFIG_NET=y\nCONFIG_X=y\n");
  std::set<std::string> changed;
  for (const auto& [id, key] : keys()) {
    if (before.at(id) != key) changed.insert(id);
  }
  CHECK(changed == std::set<std::string>{"kernel/check", "kernel/request", "kernel/symbols"});
}

TEST_CASE("the reason of a patch is in the SBOM, and so in the key of the step that writes it") {
  Project p;
  p.write("components/etcd/patches/0001-a.patch", "");
  p.config.components[0].images.push_back({.name = "example.org/x", .programs = {"etcd"}});
  p.config.components[0].patches.push_back({.name = "0001-a",
                                            .file = "components/etcd/patches/0001-a.patch",
                                            .reason = "faster",
                                            .gain = {},
                                            .obsolete = {},
                                            .files = {"example.com/m/a.go"}});
  const std::string before = parameters(make_pipeline(p.inputs()).graph, "images/archive");
  p.config.components[0].patches[0].reason = "smaller";
  CHECK(parameters(make_pipeline(p.inputs()).graph, "images/archive") != before);
}

TEST_CASE("a checkout that a narrow umask made is refused before its overlays' files become secret") {
  Project p;
  p.write("defconfigs/pc.toml", "");
  make_pipeline(p.inputs());
  const fs::path file = p.config.project / "defconfigs/pc.toml";
  fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
  CHECK(contains(failure([&] { make_pipeline(p.inputs()); }), "chmod -R go+rX"));
  p.config.overlays.clear();
  make_pipeline(p.inputs());
}

TEST_CASE("a lock that was not made for this configuration is refused, with all that is missing") {
  Project p;
  p.config.packages.push_back("vim");
  p.config.packages.push_back("nano=7");
  p.config.tools[1].packages.push_back("clang/trixie-backports");
  p.config.components.push_back(
      {.name = "coredns",
       .version = "v1",
       .description = {},
       .license = {},
       .folder = "components/coredns",
       .tags = {},
       .ldflags = {},
       .binaries = {
           {.name = "coredns", .package = ".", .install = "/usr/bin/coredns", .links = {}, .link = {}, .checks = {}}}});
  const std::string text = failure([&] { make_pipeline(p.inputs()); });
  INFO(text);
  for (const char* part : {"package vim is not in it", "package nano=7 is not in it",
                           "the tool set c (gcc, clang/trixie-backports) is not in defconfigs/tools.lock",
                           "component coredns is not in it", "k8simg lock pc"})
    CHECK(contains(text, part));
  CHECK_FALSE(contains(text, "bash"));

  Project q;
  q.config.components[0].version = "v3.7.3";
  CHECK(contains(failure([&] { make_pipeline(q.inputs()); }),
                 "component etcd has version v3.7.3, but v3.7.2 in the lock"));
  q.config.components[0].version = "v3.7.2";
  q.write("components/etcd/go.mod", "module y\n");
  CHECK(contains(failure([&] { make_pipeline(q.inputs()); }), "component etcd: go.mod or go.sum changed"));
}

TEST_CASE("files of an overlay that a partition would hide are refused, with what to do instead") {
  Project p;
  p.config.disk.partitions[0].mount = "/boot/firmware";
  p.config.disk.partitions.push_back(Project::partition("data", "linux", "ext4", "/srv"));
  p.config.disk.partitions.back().create_on_device = true;
  p.write("overlays/more/boot/firmware.md", "beside the mount point");
  p.write("overlays/more/srv/page", "copied to the partition when it is made");
  p.config.overlays = {"base", "more"};
  fs::create_directories(p.config.project /
                         "overlays/more/boot/firmware/overlays");  // folders without files are allowed
  make_pipeline(p.inputs());
  p.write("overlays/more/boot/firmware/overlays/user.dtbo", "x");
  p.write("overlays/more/boot/firmware/user.txt", "x");
  const std::string text = failure([&] { make_pipeline(p.inputs()); });
  INFO(text);
  CHECK(contains(text, "overlay more has files that a mounted partition would hide"));
  CHECK(contains(text, "overlays/more/boot/firmware/overlays/user.dtbo: partition esp is mounted at /boot/firmware"));
  CHECK(contains(text, "overlays/more/boot/firmware/user.txt: partition esp"));
  CHECK(contains(text, "[[boot.files]]"));
  CHECK(contains(text,
                 "to boards/pc/boot/overlays/user.dtbo, and name it there (path = \"overlays/user.dtbo\", from = "
                 "\"board\", source = \"boot/overlays/user.dtbo\")"));
  CHECK_FALSE(contains(text, "firmware.md"));
  CHECK_FALSE(contains(text, "srv"));
  // The mount point itself.
  fs::remove_all(p.config.project / "overlays/more/boot");
  fs::create_directories(p.config.project / "overlays/more/boot");
  fs::create_symlink("../srv", p.config.project / "overlays/more/boot/firmware");
  CHECK(contains(failure([&] { make_pipeline(p.inputs()); }), "overlays/more/boot/firmware: partition esp"));
}

TEST_CASE("a partition of the image without content is refused") {
  Project p;
  p.config.disk.partitions.push_back(Project::partition("data", "linux", "ext4", "/data"));
  CHECK(contains(failure([&] { make_pipeline(p.inputs()); }), "partition data has no content in the image"));
}

TEST_CASE("the kernel's layer: its modules where modprobe looks, as root's") {
  Project p;
  Store& store = p.context.store();
  Tree built;
  built.add_file(store, "release", "6.12.1\n", 0644, "");
  built.add_file(store, "image", "x", 0644, "");
  built.add_file(store, "modules/modules.builtin", "kernel/net/vxlan.ko\n", 0600, "");
  built.find("modules/modules.builtin")->uid = 1000;
  built.add_directory("modules/kernel", 0700, "");
  StepGraph graph;
  graph.add({.id = "kernel/build", .action = BuiltinAction{}});
  add_kernel_layer(graph, TreePort{"kernel"}.of("kernel/build"), 5);
  const Tree layer =
      get_tree(store, p.context.run(*graph.find("kernel/layer"), {{"kernel", p.tree(built)}}).at("tree").digest);
  const Node* file = layer.find("usr/lib/modules/6.12.1/modules.builtin");
  REQUIRE(file);
  CHECK(file->mode == 0644);
  CHECK(file->uid == 0);
  CHECK(file->mtime == 5);
  CHECK(file->origin == "kernel");
  CHECK(layer.find("usr/lib/modules/6.12.1/kernel")->mode == 0755);
  for (const auto& [path, node] : layer.nodes()) CHECK_FALSE(contains(path, "image"));
}

TEST_CASE("package inputs become packages again, whatever is in a version") {
  Project p;
  const Value empty = p.tree(Tree());
  const Step none{.id = "x",
                  .inputs = {},
                  .action = BuiltinAction{.function = {}, .parameters = {}, .run = [](StepContext& context) {
                                            std::string seen;
                                            for (const auto& package : read_packages(context))
                                              seen += package.name + "|" + package.version + "|" +
                                                      package.architecture + "\n";
                                            return std::map<std::string, Value>{{"out", context.store().put(seen)}};
                                          }}};
  const auto outputs = p.context.run(none, {{"package/systemd=257.9-1~deb13u1:amd64", empty},
                                            {"package/tzdata=1:2025b-5+deb13u1:all", empty},
                                            {"layer/overlay:base", empty}});
  CHECK(p.context.store().read(outputs.at("out").digest) ==
        "systemd|257.9-1~deb13u1|amd64\ntzdata|1:2025b-5+deb13u1|all\n");
}

TEST_CASE("checksums: one line for each artifact, as sha256sum reads them") {
  Project p;
  const Pipeline pipeline = make_pipeline(p.inputs());
  const auto outputs =
      p.context.run(*pipeline.graph.find("disk/sums"),
                    {{"file/bzImage", p.context.store().put("a")}, {"file/disk.img", p.context.store().put("b")}});
  CHECK(p.context.store().read(outputs.at("sums").digest) ==
        sha256("a").hex() + "  bzImage\n" + sha256("b").hex() + "  disk.img\n");
}
