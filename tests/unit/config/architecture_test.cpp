// Tests boards without kernel and disk: required and refused keys, and the releases of components.
#include "project.hpp"

using namespace k8simg;
using namespace test_project;
using Strings = std::vector<std::string>;

namespace {

/// A project whose defconfig "cpu" is an architecture.
struct Architecture : Project {
  Architecture() {
    write("boards/cpu/board.toml",
          "name = \"cpu\"\ndescription = \"A processor\"\n\n[arch]\ndebian = \"riscv64\"\ngo = \"riscv64\"\ncross = "
          "\"riscv64-linux-gnu-\"\ntriplet = \"riscv64-linux-gnu\"\n");
    write("defconfigs/cpu.toml", R"(board = "cpu"
description = "Programs"

[[repository]]
name = "debian"
suites = ["trixie"]
sections = ["main"]

[packages]
essential = false
install = ["nftables"]

[tools.c]
packages = ["gcc"]

[components]
enable = ["engine"]
)");
  }
  std::string wrong() const { return mistakes({}, "cpu"); }
};

}  // namespace

TEST_CASE("an architecture needs neither kernel nor disk, and is no machine") {
  Architecture project;
  const Config config = project.load({}, "cpu");
  CHECK_FALSE(config.is_machine());
  CHECK_FALSE(config.essential_packages);
  CHECK(config.arch.go == "riscv64");
  CHECK(config.arch.kernel.empty());
  CHECK(config.packages == Strings{"nftables"});
  CHECK(config.components.size() == 1);
  const Config machine = project.load();
  CHECK(machine.is_machine());
  CHECK(machine.essential_packages);
  const auto list = list_defconfigs(project.path());
  REQUIRE(list.size() == 2);
  CHECK(list[0].name == "cpu");
  CHECK_FALSE(list[0].machine);
  CHECK(list[1].machine);
}

TEST_CASE("what only a machine has is refused where it was written") {
  Architecture project;
  project.append("defconfigs/cpu.toml", "\n[overlays]\nuse = [\"base\"]\n\n[system]\nhostname = \"x\"\n");
  CHECK(project.wrong() ==
        "defconfigs/cpu.toml:19:2: overlays cannot be set here: the board \"cpu\" is an architecture, without kernel "
        "and disk\n"
        "defconfigs/cpu.toml:22:2: system cannot be set here: the board \"cpu\" is an architecture, without kernel and "
        "disk");
  CHECK(project.mistakes({"disk.file=x"}, "cpu").find("--set: disk cannot be set here") != std::string::npos);
}

TEST_CASE("a board with any part of a machine must have all of it") {
  Architecture project;
  project.append("boards/cpu/board.toml",
                 "\n[qemu]\nbinary = \"qemu-system-riscv64\"\nmachine = \"virt\"\nmemory = 512\ncpus = 1\ndisk = "
                 "\"virtio\"\nfirmware = [\"kernel\"]\n");
  const std::string wrong = project.wrong();
  for (const char* key : {"kernel.package", "disk.file", "system.hostname", "arch.kernel"})
    CHECK(wrong.find(std::string(key) + " is missing") != std::string::npos);
}

TEST_CASE("an unknown architecture is told the nearest") {
  Architecture project;
  project.edit("boards/cpu/board.toml", "go = \"riscv64\"", "go = \"riscv6\"");
  CHECK(project.wrong().find("arch.go must be ") != std::string::npos);
  CHECK(project.wrong().find("not \"riscv6\" (did you mean \"riscv64\"?)") != std::string::npos);
}

TEST_CASE("releases name programs that there are") {
  Project project;
  project.append("components/engine/component.toml",
                 "\n[[release]]\nname = \"engine-node\"\nfolder = \"engine/bin\"\nprograms = [\"one\", \"tool\"]\n");
  const Config config = project.load();
  REQUIRE(config.components.at(0).releases.size() == 1);
  CHECK(config.components[0].releases[0].folder == "engine/bin");
  CHECK(config.components[0].releases[0].programs == Strings{"one", "tool"});
  // The multi-call binary accepts any name; separate binaries do not.
  project.edit("components/engine/component.toml", "programs = [\"one\", \"tool\"]", "programs = [\"one\", \"tol\"]");
  CHECK(project.mistakes() == "");
  CHECK(project.mistakes({"components.engine.link=separate"}) ==
        "components/engine/component.toml:34:20: release.engine-node.programs: the component has no binary \"tol\" "
        "(did you mean \"tool\"?)");
  project.edit("components/engine/component.toml", "folder = \"engine/bin\"", "folder = \"../bin\"");
  CHECK(project.mistakes().find("release.engine-node.folder must ") != std::string::npos);
}
