// Tests the tree of the boot partition: files from the kernel, packages and the board, globs, and expanded values.
#include "pipeline/boot.hpp"

#include "project.hpp"
#include "support/catch.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

struct BootFixture {
  Project project;
  Tree kernel, loader;

  BootFixture() {
    Store& store = project.context.store();
    kernel.add_file(store, "image", "the kernel", 0644, "");
    kernel.add_file(store, "dtbs/board.dtb", "a tree", 0644, "");
    loader.add_file(store, "usr/lib/loader/start.elf", "start", 0644, "package:x");
    loader.find("usr/lib/loader/start.elf")->uid = 7;
    loader.add_file(store, "usr/lib/loader/fixup.dat", "fixup", 0644, "package:x");
    loader.add_file(store, "usr/lib/loader/deep/start.elf", "deep", 0644, "package:x");
    loader.add_symlink("usr/lib/loader/link.elf", "start.elf", "package:x");
    loader.add_directory("usr/lib/loader/folder.elf", 0755, "package:x");
    project.write(
        "boards/pc/entry.conf",
        "linux /${kernel}\noptions root=PARTUUID=${root_partuuid} ${cmdline}\n# ${hostname} ${name} ${board} $5\n");
  }
  void add(const std::string& path, const std::string& from, const std::string& source = "", bool expand = false) {
    project.config.boot_files.push_back({path, from, source, expand});
  }

  Tree make() {
    StepGraph graph;
    graph.add({.id = "kernel/build", .action = BuiltinAction{}});
    const PipelineInputs inputs = project.inputs();
    PackageSteps packages(graph, inputs);
    add_boot_tree(graph, inputs, packages, TreePort{"kernel"}.of("kernel/build"), plan_disk(project.config),
                  1763195591);
    const Step& step = *graph.find("boot/tree");
    std::vector<RecordedInput> given;
    for (const auto& input : step.inputs) {
      if (const auto* known = std::get_if<Value>(&input.source))
        given.push_back({input.name, *known});
      else if (input.name == "kernel")
        given.push_back({input.name, project.tree(kernel)});
      else
        given.push_back({input.name, project.tree(loader)});
    }
    return get_tree(project.context.store(), project.context.run(step, given).at("tree").digest);
  }
  std::string text(const Tree& tree, const std::string& path) {
    const Node* node = tree.find(path);
    REQUIRE(node);
    return project.context.store().read(node->content);
  }
};

}  // namespace

TEST_CASE("each file comes from where the board says, as root's, with its provenance") {
  BootFixture f;
  f.add("vmlinuz", "kernel");
  f.add("board.dtb", "dtb:board.dtb");
  f.add("EFI/BOOT/start.elf", "tool:boot-loader", "usr/lib/loader/start.elf");
  f.add("link.elf", "tool:boot-loader", "usr/lib/loader/link.elf");
  f.add("plain.conf", "file", "boards/pc/entry.conf");
  const Tree tree = f.make();
  CHECK(f.text(tree, "vmlinuz") == "the kernel");
  CHECK(f.text(tree, "board.dtb") == "a tree");
  CHECK(f.text(tree, "EFI/BOOT/start.elf") == "start");
  CHECK(f.text(tree, "link.elf") == "start");  // FAT has no links
  CHECK(contains(f.text(tree, "plain.conf"), "${kernel}"));
  CHECK(tree.find("vmlinuz")->origin == "kernel");
  CHECK(tree.find("EFI/BOOT/start.elf")->origin == "package:boot-loader");
  CHECK(tree.find("plain.conf")->origin == "board:pc");
  CHECK(tree.find("EFI/BOOT")->type == NodeType::Directory);
  for (const auto& [path, node] : tree.nodes()) {
    INFO(path);
    CHECK(node.uid == 0);
    CHECK(node.type != NodeType::Symlink);
  }
}

TEST_CASE("values are filled in where the board asks for it") {
  BootFixture f;
  f.add("bzImage", "kernel");
  f.add("loader/entry.conf", "file", "boards/pc/entry.conf", true);
  CHECK(f.text(f.make(), "loader/entry.conf") ==
        "linux /bzImage\noptions root=PARTUUID=" + plan_disk(f.project.config).root_partuuid +
            " console=ttyS0 rw\n# node pc pc $5\n");
  f.project.write("boards/pc/entry.conf", "${root}\n");
  const std::string text = failure([&] { f.make(); });
  CHECK(contains(text, "boards/pc/entry.conf"));
  CHECK(contains(text, "root"));
}

TEST_CASE("a glob fills a folder with files, by their last name") {
  BootFixture f;
  f.add("firmware/", "tool:boot-loader", "usr/lib/loader/*.elf");
  f.add("firmware/", "tool:boot-loader", "usr/lib/loader/*.dat");
  const Tree tree = f.make();
  CHECK(f.text(tree, "firmware/start.elf") == "start");
  CHECK(f.text(tree, "firmware/fixup.dat") == "fixup");
  CHECK(tree.nodes().size() == 3);  // including the folder; neither link nor folder matched
}

TEST_CASE("what is not there is named, with the boot file that wants it") {
  const auto refused = [](const std::string& path, const std::string& from, const std::string& source) {
    BootFixture f;
    f.add(path, from, source);
    return failure([&] { f.make(); });
  };
  CHECK(contains(refused("a", "tool:boot-loader", "usr/lib/nothing"),
                 "boot file a: tool:boot-loader has no usr/lib/nothing"));
  CHECK(contains(refused("a/", "tool:boot-loader", "usr/*.bin"), "boot file a/: tool:boot-loader has no usr/*.bin"));
  CHECK(contains(refused("a", "tool:boot-loader", "usr/lib/loader"), "boot file a"));
  CHECK(contains(refused("a", "dtb:other.dtb", ""), "boot file a: the kernel build has no other.dtb"));
  CHECK(contains(refused("a", "package:absent", "x"), "the lock of pc has no package absent"));
  CHECK(contains(refused("a", "package:absent", "x"), "k8simg lock pc"));
  // The tools have it, but they are of another architecture.
  CHECK(contains(refused("a", "package:boot-loader", "x"), "the lock of pc has no package boot-loader"));
  CHECK(contains(refused("a", "tool:bash", "x"), "the tool set files of pc has no package bash"));
  CHECK(contains(refused("a", "file", "boards/pc/absent.conf"), "absent.conf"));
}

TEST_CASE("a package of the target's architecture: an installed one, one that the lock has for this, and no tool") {
  BootFixture f;
  LockedPackage loader = locked("boot-loader");
  loader.architecture = "arm64", loader.sha256 = sha256("for arm64");
  f.project.lock.boot = {loader};
  f.add("a", "package:boot-loader", "usr/lib/loader/start.elf");
  f.add("b", "tool:boot-loader", "usr/lib/loader/fixup.dat");
  f.add("c", "package:systemd", "usr/lib/loader/start.elf");
  StepGraph graph;
  graph.add({.id = "kernel/build", .action = BuiltinAction{}});
  const PipelineInputs inputs = f.project.inputs();
  PackageSteps packages(graph, inputs);
  add_boot_tree(graph, inputs, packages, TreePort{"kernel"}.of("kernel/build"), plan_disk(f.project.config), 1);
  std::map<std::string, std::string> from;
  for (const auto& input : graph.find("boot/tree")->inputs) from[input.name] = std::get<OutputRef>(input.source).step;
  CHECK(from.at("package/boot-loader") == "unpack/boot-loader_1_arm64");
  CHECK(from.at("tool/boot-loader") == "unpack/boot-loader_1_amd64");
  CHECK(from.at("package/systemd") == "unpack/systemd_1_amd64");
  CHECK(graph.find("fetch/boot-loader_1_arm64")->known_outputs.at("deb").digest == sha256("for arm64"));
  const Tree tree = f.make();
  for (const char* path : {"a", "b"}) CHECK(tree.find(path)->origin == "package:boot-loader");
}

TEST_CASE("an error about a boot file leads to the line that names it") {
  BootFixture f;
  f.add("a", "tool:boot-loader", "usr/lib/nothing");
  try {
    f.make();
    FAIL("no error");
  } catch (const Error& error) {
    REQUIRE(error.setting());
    CHECK(error.setting()->table == "boot.files");
    CHECK(error.setting()->entry == "a");
  }
}

TEST_CASE("two sources for one boot file are refused") {
  BootFixture f;
  f.add("firmware/", "tool:boot-loader", "usr/lib/loader/**");
  CHECK(contains(failure([&] { f.make(); }),
                 "boot file firmware/start.elf comes from package:boot-loader and from package:boot-loader"));
  f.project.config.boot_files.clear();
  f.add("x", "kernel");
  f.add("x", "file", "boards/pc/entry.conf");
  CHECK(contains(failure([&] { f.make(); }), "boot file x comes from kernel and from board:pc"));
}

TEST_CASE("a boot partition with a config.txt is checked as the firmware would read it") {
  BootFixture f;
  f.project.config.arch.kernel = "arm";
  f.project.config.qemu.memory_mib = 512;
  f.kernel.add_file(f.project.context.store(), "image", std::string(4096, 'k'), 0644, "");
  f.project.write("boards/pc/config.txt", "kernel=${kernel}\n");
  f.project.write("boards/pc/cmdline.txt", "root=PARTUUID=${root_partuuid} ${cmdline}\n");
  f.add("kernel.img", "kernel");
  f.add("board.dtb", "dtb:board.dtb");
  f.add("start.elf", "tool:boot-loader", "usr/lib/loader/start.elf");
  f.add("fixup.dat", "tool:boot-loader", "usr/lib/loader/fixup.dat");
  f.add("bootcode.bin", "tool:boot-loader", "usr/lib/loader/start.elf");
  f.add("config.txt", "file", "boards/pc/config.txt", true);
  f.add("cmdline.txt", "file", "boards/pc/cmdline.txt", true);
  CHECK(f.text(f.make(), "config.txt") == "kernel=kernel.img\n");
  f.project.write("boards/pc/config.txt", "kernel=vmlinuz\n");
  f.project.config.kernel.cmdline += " " + std::string(1000, 'x');
  const std::string text = failure([&] { f.make(); });
  CHECK(contains(text, "config.txt:1: kernel: the boot partition has no vmlinuz"));
  CHECK(contains(text, "cmdline.txt:1: has "));
}
