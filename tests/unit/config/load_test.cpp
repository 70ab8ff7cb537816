// Tests loading correct projects: values, positions, inheritance, lists, overrides.
#include "project.hpp"

using namespace k8simg;
using namespace test_project;
using Strings = std::vector<std::string>;

namespace {

/// "key = value  # file:line:column, ..." as `show` prints it.
std::string shown(const Config& config) {
  std::string text;
  for (const auto& setting : config.settings) {
    Strings places;
    for (const auto& at : setting.set_by)
      places.push_back(at.line ? at.file + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) : at.file);
    text += setting.key + " = " + setting.value + "  # " + join(places, ", ") + "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("a defconfig loads with its board, parents and components") {
  Project project;
  Config config = project.load();
  CHECK(config.name == "node");
  CHECK(config.board == "toy");
  CHECK(config.description == "A node");
  CHECK(config.parents == Strings{"base"});
  CHECK(config.project == project.path());
  CHECK(config.arch.triplet == "x86_64-linux-gnu");
  CHECK(config.packages == Strings{"systemd", "udev", "crun"});
  CHECK(config.tools.size() == tool_set_names.size());
  CHECK(config.tool_set("c").packages == Strings{"gcc"});
  CHECK(config.tool_set("files").packages == Strings{"linux-source-6.12"});
  CHECK_FALSE(config.tool_set("files").essential);
  CHECK(config.tool_set("qemu").packages.empty());
  CHECK_THROWS_AS(config.tool_set("hammers"), Error);
  CHECK(config.repositories.at(0).suites == Strings{"trixie"});
  CHECK(config.overlays == Strings{"base"});
  CHECK(config.kernel.fragments ==
        std::vector<std::filesystem::path>{"kernel-fragments/base.config", "boards/toy/kernel.config"});
  CHECK(config.kernel.cmdline == "console=ttyS0 rw");
  REQUIRE(config.kernel.required.size() == 2);
  CHECK(config.kernel.required[0].any_of == Strings{"CONFIG_CGROUPS"});
  CHECK(config.kernel.required[0].required);
  CHECK(config.kernel.required[1].any_of == Strings{"CONFIG_A", "CONFIG_B"});
  CHECK_FALSE(config.kernel.required[1].required);
  CHECK(config.boot_files.size() == 2);
  CHECK(config.boot_files[1].expand);
  REQUIRE(config.disk.partitions.size() == 1);
  CHECK(config.disk.partitions[0].free == 256u << 20);
  CHECK(config.disk.partitions[0].grow);
  CHECK(config.qemu.memory_mib == 512);
  CHECK_FALSE(config.source_date_epoch);
  CHECK(config.rootfs.judgements.empty());

  REQUIRE(config.components.size() == 1);
  const auto& engine = config.components[0];
  CHECK(engine.folder == "components/engine");
  CHECK(engine.tags == Strings{"small"});
  REQUIRE(engine.binaries.size() == 2);
  CHECK(engine.binaries[0].name == "all");
  CHECK(engine.binaries[0].checks.at(0).argv0 == "one");
  CHECK(engine.binaries[1].name == "tool");
  CHECK(engine.binaries[1].checks.at(0).expect == "usage");
}

namespace {

std::string patch_of(const std::string& file, const std::string& reason = "it is slow") {
  return "Reason: " + reason + "\n  and large\nGain: 10 %\nObsolete: v2\n\n--- a/" + file + "\n+++ b/" + file +
         "\t2026-11-29\n@@ -1 +1 @@\n--- a/x\n+++ b/../y\n";
}

std::vector<std::string> names_of(const std::vector<PatchConfig>& patches) {
  std::vector<std::string> names;
  for (const auto& patch : patches) names.push_back(patch.name);
  return names;
}

}  // namespace

TEST_CASE("patches are those of the component's folder, or the chosen ones, in the order of their names") {
  Project project;
  CHECK(project.load().components.at(0).patches.empty());
  CHECK(find_setting(project.load(), "components.engine.patches") == nullptr);
  project.write("components/engine/patches/0002-b.patch", patch_of("b.org/m/w.go"));
  project.write("components/engine/patches/0001-a.patch", patch_of("a.org/x/y/z.go"));
  const Config config = project.load();
  const auto& patches = config.components.at(0).patches;
  CHECK(names_of(patches) == std::vector<std::string>{"0001-a", "0002-b"});
  CHECK(patches[0].reason == "it is slow and large");
  CHECK(patches[0].gain == "10 %");
  CHECK(patches[0].obsolete == "v2");
  CHECK(patches[0].file == "components/engine/patches/0001-a.patch");
  // A changed line may begin like a line with a file name.
  CHECK(patches[0].files == std::vector<std::string>{"a.org/x/y/z.go"});
  REQUIRE(find_setting(config, "components.engine.patches") != nullptr);
  CHECK(find_setting(config, "components.engine.patches")->value == "[\"0001-a\", \"0002-b\"]");

  CHECK(project.load({"components.engine.patches=[]"}).components.at(0).patches.empty());
  CHECK(names_of(project.load({"components.engine.patches=[\"0002-b\"]"}).components.at(0).patches) ==
        std::vector<std::string>{"0002-b"});
  CHECK(project.mistakes({"components.engine.patches=[\"0002-c\"]"})
            .find("components/engine/patches has no 0002-c.patch (did you mean \"0002-b\"?)") != std::string::npos);
}

TEST_CASE("a patch without a reason, or that leaves its module, is a mistake with its line") {
  Project project;
  const auto mistakes = [&](const std::string& text) {
    project.write("components/engine/patches/0001-a.patch", text);
    return project.mistakes();
  };
  const std::string file = "components/engine/patches/0001-a.patch:";
  CHECK(mistakes("Reason: x\nGain: y\n--- a/m/f\n+++ b/m/f\n")
            .find(file + "1:1: the header of a patch must have Obsolete:") != std::string::npos);
  CHECK(mistakes("Reason: x\nReason: z\nGain: y\nObsolete: v\n--- a/m/f\n+++ b/m/f\n")
            .find(file + "2:1: Reason: appears twice") != std::string::npos);
  CHECK(mistakes("From: somebody\n--- a/m/f\n+++ b/m/f\n")
            .find(file + "1:1: the header of a patch may have Reason:, Gain: and Obsolete:") != std::string::npos);
  for (const char* path : {"b/../f", "/etc/passwd", "b/f", "b/m/../../f", "b//f", "/dev/null"}) {
    INFO(path);
    CHECK(
        mistakes(std::string("Reason: x\nGain: y\nObsolete: v\n--- a/m/f\n+++ ") + path + "\n").find(file + "5:1: ") !=
        std::string::npos);
  }
  CHECK(mistakes("Reason: x\nGain: y\nObsolete: v\n").find("the patch changes no file") != std::string::npos);
}

TEST_CASE("SOURCE_DATE_EPOCH is a time that every format of an image holds") {
  CHECK(parse_source_date_epoch("0") == 0);
  CHECK(parse_source_date_epoch("4294967295") == latest_epoch);
  for (const char* bad : {"", "4294967296", "99999999999", "9223372037000000000", "-1", "1.5", "0x10", " 1"}) {
    INFO(bad);
    CHECK_THROWS_AS(parse_source_date_epoch(bad), Error);
  }
}

TEST_CASE("every value is shown with the place that set it") {
  Project project;
  CHECK(shown(project.load({"qemu.memory=1024", "packages.install+=less"})) ==
        R"(arch.debian = "amd64"  # boards/toy/board.toml:5:10
arch.go = "amd64"  # boards/toy/board.toml:6:6
arch.kernel = "x86"  # boards/toy/board.toml:7:10
arch.triplet = "x86_64-linux-gnu"  # boards/toy/board.toml:8:11
board = "toy"  # defconfigs/node.toml:1:9
boot.files."loader/entry.conf".expand = true  # boards/toy/board.toml:27:10
boot.files."loader/entry.conf".from = "file"  # boards/toy/board.toml:25:8
boot.files."loader/entry.conf".source = "boards/toy/entry.conf"  # boards/toy/board.toml:26:10
boot.files.bzImage.from = "kernel"  # boards/toy/board.toml:21:8
components.enable = ["engine"]  # defconfigs/node.toml:9:10
components.engine.binary.all.check.1.argv = ["--version"]  # components/engine/component.toml:15:33
components.engine.binary.all.check.1.argv0 = "one"  # components/engine/component.toml:15:19
components.engine.binary.all.check.1.expect = "v1.0.0"  # components/engine/component.toml:15:57
components.engine.binary.all.install = "/usr/local/bin/all"  # components/engine/component.toml:12:11
components.engine.binary.all.link = "multicall"  # components/engine/component.toml:14:8
components.engine.binary.all.links = ["/usr/local/bin/one"]  # components/engine/component.toml:13:9
components.engine.binary.all.package = "."  # components/engine/component.toml:11:11
components.engine.binary.tool.check.1.argv = []  # components/engine/component.toml:28:8
components.engine.binary.tool.check.1.expect = "usage"  # components/engine/component.toml:29:10
components.engine.binary.tool.package = "example.org/tool"  # components/engine/component.toml:25:11
components.engine.build.tags = ["small"]  # components/engine/component.toml:7:8
components.engine.description = "An engine"  # components/engine/component.toml:3:15
components.engine.license = "Apache-2.0"  # components/engine/component.toml:4:11
components.engine.version = "v1.0.0"  # components/engine/component.toml:2:11
description = "A node"  # defconfigs/node.toml:3:15
disk.compress = "none"  # boards/toy/board.toml:32:12
disk.file = "disk.img"  # boards/toy/board.toml:30:8
disk.partition.root.filesystem = "ext4"  # boards/toy/board.toml:37:14
disk.partition.root.free = "256M"  # boards/toy/board.toml:39:8
disk.partition.root.grow = true  # boards/toy/board.toml:40:8
disk.partition.root.mount = "/"  # boards/toy/board.toml:38:9
disk.partition.root.type = "root"  # boards/toy/board.toml:36:8
disk.table = "gpt"  # boards/toy/board.toml:31:9
kernel.base = "allnoconfig"  # boards/toy/board.toml:12:8
kernel.cmdline = ["console=ttyS0", "rw"]  # boards/toy/board.toml:17:11
kernel.config = ["kernel.config"]  # boards/toy/board.toml:14:10
kernel.fragments = ["base"]  # boards/toy/board.toml:13:13
kernel.image = "arch/x86/boot/bzImage"  # boards/toy/board.toml:16:9
kernel.package = "linux-source-6.12"  # boards/toy/board.toml:11:11
kernel.targets = ["bzImage"]  # boards/toy/board.toml:15:11
overlays.use = ["base"]  # defconfigs/node.toml:12:7
packages.install = ["systemd", "udev", "crun", "less"]  # defconfigs/base.toml:10:11, defconfigs/node.toml:6:11, --set
qemu.binary = "qemu-system-x86_64"  # boards/toy/board.toml:43:10
qemu.cpus = 1  # boards/toy/board.toml:46:8
qemu.disk = "virtio"  # boards/toy/board.toml:47:8
qemu.firmware = ["bios"]  # boards/toy/board.toml:48:12
qemu.machine = "q35"  # boards/toy/board.toml:44:11
qemu.memory = 1024  # --set
repository.debian.sections = ["main"]  # defconfigs/base.toml:7:12
repository.debian.suites = ["trixie"]  # defconfigs/base.toml:6:10
system.hostname = "node"  # defconfigs/base.toml:20:12
system.timezone = "Etc/UTC"  # defconfigs/base.toml:21:12
tools.c.packages = ["gcc"]  # defconfigs/base.toml:13:12
tools.files.essential = false  # defconfigs/base.toml:16:13
tools.files.packages = ["linux-source-6.12"]  # defconfigs/base.toml:17:12
)");
}

TEST_CASE("a child overrides scalars, adds to lists and takes out of them") {
  Project project;
  project.write("defconfigs/small.toml", R"(extends = "node"
description = "A smaller node"
[packages]
install = ["!udev", "less"]
[kernel]
cmdline = ["!rw", "ro"]
fragments = ["vxlan"]
[system]
hostname = "small"
[[disk.partition]]
name = "root"
free = "1G"
[[disk.partition]]
name = "data"
type = "linux"
filesystem = "ext4"
mount = "/data"
create-on-device = true
)");
  Config config = project.load({}, "small");
  CHECK(config.parents == Strings{"node", "base"});
  CHECK(config.board == "toy");
  CHECK(config.packages == Strings{"systemd", "crun", "less"});
  CHECK(config.kernel.cmdline == "console=ttyS0 ro");
  CHECK(config.kernel.fragments == std::vector<std::filesystem::path>{"kernel-fragments/base.config",
                                                                      "kernel-fragments/vxlan.config",
                                                                      "boards/toy/kernel.config"});
  CHECK(config.rootfs.hostname == "small");
  REQUIRE(config.disk.partitions.size() == 2);
  CHECK(config.disk.partitions[0].free == 1u << 30);
  CHECK(config.disk.partitions[0].mount == "/");
  CHECK(config.disk.partitions[1].create_on_device);
}

TEST_CASE("a keymap brings the package that loads it") {
  Project project;
  CHECK(project.load().packages == Strings{"systemd", "udev", "crun"});
  CHECK(project.load({"system.keymap=us,ru(phonetic)"}).packages == Strings{"systemd", "udev", "crun", "kbd"});
  CHECK(project.load({"system.keymap=de", "packages.install+=kbd/trixie"}).packages ==
        Strings{"systemd", "udev", "crun", "kbd/trixie"});
}

TEST_CASE("a partition of the board is changed by its name") {
  Project project;
  project.append("defconfigs/node.toml", "[disk.partition.root]\nfree = \"1G\"\n");
  auto root = project.load().disk.partitions.at(0);
  CHECK(root.free == 1u << 30);
  CHECK(root.filesystem == "ext4");
}

TEST_CASE("--set replaces with = and adds with +=") {
  Project project;
  CHECK(project.load({"packages.install=less"}).packages == Strings{"less"});
  CHECK(project.load({"packages.install=[\"less\", \"tar\"]"}).packages == Strings{"less", "tar"});
  CHECK(project.load({"packages.install+=less"}).packages == Strings{"systemd", "udev", "crun", "less"});
  CHECK(project.load({"packages.install+=!udev"}).packages == Strings{"systemd", "crun"});
  CHECK(project.load({"packages.install+=[\"!udev\", \"less\"]"}).packages == Strings{"systemd", "crun", "less"});
  CHECK(project.load({"kernel.cmdline=console=ttyS1 quiet"}).kernel.cmdline == "console=ttyS1 quiet");
  CHECK(project.load({"system.hostname=12"}).rootfs.hostname == "12");
  CHECK(project.load({"system.hostname = \"quoted\""}).rootfs.hostname == "quoted");
  CHECK(project.load({"disk.partition.root.free=1G"}).disk.partitions[0].free == 1u << 30);
  CHECK(project.load({"disk.partition.root.grow=false"}).disk.partitions[0].grow == false);
  CHECK(project.load({"build.source-date-epoch=1700000000"}).source_date_epoch == 1700000000);
  CHECK(project.load({"boot.files.\"loader/entry.conf\".expand=false"}).boot_files[1].expand == false);
  CHECK(project.load({"rootfs.alternatives.awk=/usr/bin/mawk"}).rootfs.alternatives.at("awk") == "/usr/bin/mawk");
  auto separate = project.load({"components.engine.link=separate"}).components.at(0);
  REQUIRE(separate.binaries.size() == 2);
  CHECK(separate.binaries[0].name == "one");
  // Later overrides take precedence.
  CHECK(project.load({"qemu.memory=64", "qemu.memory=128"}).qemu.memory_mib == 128);
}

TEST_CASE("a board may bring packages and services of its own") {
  Project project;
  project.append("boards/toy/board.toml",
                 "[packages]\ninstall = [\"firmware-toy\"]\n[system.services]\nenable = [\"toy.service\"]\n");
  Config config = project.load();
  CHECK(config.packages == Strings{"firmware-toy", "systemd", "udev", "crun"});
  CHECK(config.rootfs.enable_units == Strings{"toy.service"});
}

TEST_CASE("script judgements are read from the shared table") {
  Project project;
  project.write("defconfigs/scripts.toml", "[[judgement]]\npackage = \"bash\"\nscript = \"postinst\"\nremainder = \"" +
                                               std::string(64, 'a') +
                                               "\"\nrule = \"sh\"\nreason = \"makes the link\"\n");
  Config config = project.load();
  REQUIRE(config.rootfs.judgements.size() == 1);
  CHECK(config.rootfs.judgements[0].package == "bash");
  CHECK(config.rootfs.judgements[0].rule == "sh");
}

TEST_CASE("defconfigs are listed without the abstract ones, broken ones too") {
  Project project;
  project.write("defconfigs/node.lock", "");
  project.write("defconfigs/broken.toml", "board = \n");
  project.write("defconfigs/scripts.toml", "");
  auto list = list_defconfigs(project.path());
  REQUIRE(list.size() == 2);
  CHECK(list[0].name == "broken");
  CHECK(list[0].description.find("cannot be read: defconfigs/broken.toml:1:") == 0);
  CHECK_FALSE(list[0].locked);
  CHECK(list[1].name == "node");
  CHECK(list[1].board == "toy");
  CHECK(list[1].description == "A node");
  CHECK(list[1].locked);
}

TEST_CASE("the project's own defconfigs load") {
  auto list = list_defconfigs(K8SIMG_SOURCE_DIR);
  REQUIRE_FALSE(list.empty());
  for (const auto& summary : list) {
    INFO(summary.name);
    Config config = load_config(summary.name, {K8SIMG_SOURCE_DIR, {}, disk_formats()});
    CHECK(config.board == summary.board);
    CHECK_FALSE(config.kernel.required.empty());
    for (const auto& fragment : config.kernel.fragments) CHECK(std::filesystem::exists(config.project / fragment));
  }
}

TEST_CASE("a password's hash and the password of a proxy are not shown") {
  Project project;
  project.append("defconfigs/node.toml",
                 "\n[[user]]\nname = \"anna\"\npassword-hash = \"$6$salt$0123456789abcdef0123456789\"\n[system.proxy]\n"
                 "https = \"http://"
                 "u:word@proxy.example:3128\"\n");
  const Config config = project.load();
  REQUIRE(config.rootfs.users.size() == 1);
  CHECK(config.rootfs.users[0].password_hash == "$6$salt$0123456789abcdef0123456789");
  CHECK(config.rootfs.proxy.https ==
        "http://"
        "u:word@proxy.example:3128");
  const std::string text = shown(config);
  CHECK(text.find("user.anna.password-hash = ***") != std::string::npos);
  CHECK(text.find("system.proxy.https = \"http://***@proxy.example:3128\"") != std::string::npos);
  CHECK(text.find("0123456789") == std::string::npos);
}
