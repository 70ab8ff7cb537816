// Tests boards that extend boards: precedence and positions of values, files of the boards' folders, and mistakes.
#include "project.hpp"

using namespace k8simg;
using namespace test_project;
using Strings = std::vector<std::string>;
using Paths = std::vector<std::filesystem::path>;

namespace {

/// The board toy extends family, which extends common.
struct Boards : Project {
  Boards() {
    edit("boards/toy/board.toml", "name = \"toy\"\n", "name = \"toy\"\nextends = \"family\"\n");
    write("boards/common/board.toml", R"(abstract = true
name = "common"

[kernel]
fragments = ["vxlan"]
config = ["kernel.config"]
cmdline = ["quiet", "panic=10"]
image = "common"

[tools.qemu]
packages = ["qemu-common"]
)");
    write("boards/common/kernel.config", "CONFIG_X86=n\nCONFIG_USB=y\n");
    write("boards/family/board.toml", R"(abstract = true
name = "family"
extends = "common"

[kernel]
config = ["more.config"]
cmdline = ["!quiet", "ro"]
targets = ["family"]

[[boot.files]]
path = "config.txt"
from = "board"
source = "boot/config.txt"

[[disk.partition]]
name = "boot"
type = "esp"
filesystem = "vfat"
mount = "/boot"
)");
    write("boards/family/more.config", "CONFIG_MMC=y\n");
    write("boards/family/boot/config.txt", "of the family\n");
  }
};

std::string position_of(const Config& config, const std::string& key) {
  const Setting* setting = find_setting(config, key);
  REQUIRE(setting);
  Strings places;
  for (const auto& at : setting->set_by) places.push_back(at.file + ":" + std::to_string(at.line));
  return setting->value + " " + join(places, " ");
}

const BootFile& boot_file(const Config& config, const std::string& path) {
  for (const auto& file : config.boot_files)
    if (file.path == path) return file;
  FAIL("no boot file " << path);
  return config.boot_files.front();
}

}  // namespace

TEST_CASE("the values of a base board come first and are changed as a defconfig would") {
  Boards project;
  REQUIRE(project.mistakes() == "");
  const Config config = project.load();
  CHECK(config.board == "toy");
  CHECK(config.parents == Strings{"base"});  // without boards
  CHECK(config.kernel.cmdline == "panic=10 ro console=ttyS0 rw");
  CHECK(config.kernel.targets == Strings{"bzImage"});
  CHECK(config.tool_set("qemu").packages == Strings{"qemu-common"});
  REQUIRE(config.disk.partitions.size() == 2);
  CHECK(config.disk.partitions[0].name == "boot");
  CHECK(position_of(config, "kernel.cmdline") ==
        "[\"panic=10\", \"ro\", \"console=ttyS0\", \"rw\"] boards/common/board.toml:7 boards/family/board.toml:7 "
        "boards/toy/board.toml:18");
  CHECK(position_of(config, "kernel.image") == "\"arch/x86/boot/bzImage\" boards/toy/board.toml:17");
  CHECK(position_of(config, "tools.qemu.packages") == "[\"qemu-common\"] boards/common/board.toml:11");
  for (const char* of_files : {"name", "extends", "abstract"}) CHECK_FALSE(find_setting(config, of_files));
}

TEST_CASE("a fragment of a board is that of every board of the chain, the base's first") {
  Boards project;
  CHECK(project.load().kernel.fragments == Paths{"kernel-fragments/vxlan.config", "kernel-fragments/base.config",
                                                 "boards/common/kernel.config", "boards/family/more.config",
                                                 "boards/toy/kernel.config"});
  project.remove("boards/toy/kernel.config");
  CHECK(project.load().kernel.fragments.back() == "boards/family/more.config");
  project.remove("boards/common/kernel.config");
  CHECK(project.mistakes() ==
        "boards/common/board.toml:6:11: kernel.config: boards/toy/kernel.config is missing, also in the boards that "
        "toy extends: family, common");
}

TEST_CASE("a boot file of the board is that of the nearest board which has it") {
  Boards project;
  const Config inherited = project.load();
  CHECK(boot_file(inherited, "config.txt").from == "file");
  CHECK(boot_file(inherited, "config.txt").source == "boards/family/boot/config.txt");
  CHECK(position_of(inherited, "boot.files.\"config.txt\".source") ==
        "\"boot/config.txt\" boards/family/board.toml:13");
  project.write("boards/toy/boot/config.txt", "of the toy\n");
  CHECK(boot_file(project.load(), "config.txt").source == "boards/toy/boot/config.txt");
  project.append("defconfigs/node.toml", "[boot.files.\"config.txt\"]\nexpand = true\n");
  CHECK(boot_file(project.load(), "config.txt").expand);

  project.edit("boards/family/board.toml", "boot/config.txt", "boot/cnfig.txt");
  CHECK(project.mistakes() ==
        "boards/family/board.toml:13:10: boot.files.\"config.txt\".source: boards/toy/boot/cnfig.txt is missing, also "
        "in the boards that toy extends: family, common");
  project.edit("boards/family/board.toml", "source = \"boot/cnfig.txt\"\n", "");
  CHECK(project.mistakes() ==
        "boards/family/board.toml:12:8: boot.files.\"config.txt\".from is \"board\", which needs source, a path in the "
        "board's folder");
}

TEST_CASE("what no board of the chain says is missing in the one that is used") {
  Boards project;
  // The section [kernel] begins in the base board, and the partition is in the family.
  project.edit("boards/toy/board.toml", "base = \"allnoconfig\"\n", "");
  project.edit("boards/family/board.toml", "filesystem = \"vfat\"\n", "");
  project.edit("boards/toy/board.toml", "memory = 512\n", "");
  CHECK(project.mistakes() ==
        "boards/toy/board.toml:1:1: kernel.base is missing\n"
        "boards/toy/board.toml:1:1: disk.partition.boot.filesystem is missing\n"
        "boards/toy/board.toml:42:2: qemu.memory is missing");
}

TEST_CASE("a mistake in a base board is named with the file that has it") {
  Boards project;
  project.edit("boards/common/board.toml", "[tools.qemu]", "[tools.qemo]");
  project.edit("boards/family/board.toml", "\"!quiet\"", "\"!quite\"");
  CHECK(project.mistakes() ==
        "boards/common/board.toml:10:8: unknown key tools.qemo (did you mean \"qemu\"?)\n"
        "boards/family/board.toml:7:12: kernel.cmdline: \"!quite\" removes an item that is not in the list (did you "
        "mean \"quiet\"?)");
  project.write("boards/common/board.toml", "name = \"comon\"\n[broken\n");
  CHECK(project.mistakes().find("boards/common/board.toml:2:8: ") == 0);
}

TEST_CASE("each board of the chain has the name of its folder") {
  Boards project;
  project.edit("boards/common/board.toml", "name = \"common\"", "name = \"comon\"");
  project.edit("boards/toy/board.toml", "name = \"toy\"\n", "");
  CHECK(project.mistakes() ==
        "boards/toy/board.toml:1:1: name is missing\n"
        "boards/common/board.toml:2:8: name must be \"common\", the name of the folder, not \"comon\"");
}

TEST_CASE("a base board that is unknown, or a chain that goes in a circle, is an error") {
  Boards project;
  project.edit("boards/family/board.toml", "extends = \"common\"", "extends = \"comon\"");
  CHECK(project.mistakes() ==
        "boards/family/board.toml:3:11: extends: unknown board \"comon\" (did you mean \"common\"?)");
  project.edit("boards/family/board.toml", "extends = \"comon\"", "extends = \"toy\"");
  CHECK(project.mistakes() == "boards/family/board.toml:3:11: extends forms a cycle: toy → family → toy");
}

TEST_CASE("a defconfig cannot name an abstract board, and none is suggested") {
  Boards project;
  project.edit("defconfigs/node.toml", "board = \"toy\"", "board = \"family\"");
  CHECK(project.mistakes() ==
        "defconfigs/node.toml:1:9: board: \"family\" is abstract: name a board that extends it (available: "
        "toy)");
  project.edit("defconfigs/node.toml", "board = \"family\"", "board = \"x\"");
  CHECK(project.mistakes() == "defconfigs/node.toml:1:9: board: unknown board \"x\" (available: toy)");
}

TEST_CASE("a base board needs no defconfig, and a machine may be one by its base alone") {
  Boards project;
  const auto list = list_defconfigs(project.path());
  REQUIRE(list.size() == 1);
  CHECK(list[0].board == "toy");
  CHECK(list[0].machine);
  project.write("boards/toy/board.toml", "name = \"toy\"\nextends = \"family\"\n");
  CHECK(list_defconfigs(project.path()).at(0).machine);
  CHECK(project.mistakes().find("boards/toy/board.toml:1:1: disk.file is missing") != std::string::npos);
  project.write("boards/family/board.toml", "name = \"family\"\nabstract = true\n");
  CHECK_FALSE(list_defconfigs(project.path()).at(0).machine);
}

TEST_CASE("--set cannot change what a board extends") {
  Boards project;
  CHECK(project.mistakes({"extends=common"}) ==
        "--set: extends cannot be set here: it belongs in the board's board.toml or a defconfig");
}
