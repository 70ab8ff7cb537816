// Tests that one run reports all mistakes in a project's files, each with file, line, column, key and the nearest name.
#include <fmt/format.h>

#include <string>

#include "project.hpp"

using namespace k8simg;
using namespace test_project;

TEST_CASE("an unknown key is named with its place and the nearest key") {
  Project project;
  project.append("defconfigs/node.toml", "\n[packges]\ninstall = [\"less\"]\n");
  CHECK(project.mistakes() == "defconfigs/node.toml:14:2: unknown key packges (did you mean \"packages\"?)");
}

TEST_CASE("an unknown key deep inside is named in full") {
  Project project;
  project.edit("boards/toy/board.toml", "grow = true", "gorw = true");
  CHECK(project.mistakes() ==
        "boards/toy/board.toml:40:1: unknown key disk.partition.root.gorw (did you mean \"grow\"?)");
  project.edit("boards/toy/board.toml", "gorw = true", "zzz = true");
  CHECK(project.mistakes() ==
        "boards/toy/board.toml:40:1: unknown key disk.partition.root.zzz (available: bootable, create-on-device, "
        "filesystem, free, grow, label, mount, size, type)");
}

TEST_CASE("a wrong type is named with what it should be") {
  Project project;
  project.edit("boards/toy/board.toml", "memory = 512", "memory = \"512\"");
  CHECK(project.mistakes() == "boards/toy/board.toml:45:10: qemu.memory must be a whole number, not a string");
  project.edit("boards/toy/board.toml", "memory = \"512\"", "memory = 512.5");
  CHECK(project.mistakes() ==
        "boards/toy/board.toml:45:10: qemu.memory must be a whole number, not a number with a fraction");
  project.edit("boards/toy/board.toml", "memory = 512.5", "memory = 0");
  CHECK(project.mistakes() == "boards/toy/board.toml:45:10: qemu.memory must be from 32 to 1048576, not 0");
}

TEST_CASE("wrong types of lists, flags, sizes and tables") {
  Project project;
  project.edit("defconfigs/node.toml", "install = [\"crun\"]", "install = \"crun\"");
  project.edit("boards/toy/board.toml", "grow = true", "grow = \"yes\"");
  project.edit("boards/toy/board.toml", "free = \"256M\"", "free = \"much\"");
  project.edit("defconfigs/base.toml", "[system]\nhostname = \"node\"\ntimezone = \"Etc/UTC\"\n", "");
  project.edit("defconfigs/base.toml", "abstract = true\n", "abstract = true\nsystem = 3\n");
  CHECK(project.mistakes() ==
        "boards/toy/board.toml:39:8: disk.partition.root.free must be a size such as \"256M\" or a number of bytes, "
        "not \"much\"\n"
        "boards/toy/board.toml:40:8: disk.partition.root.grow must be true or false, not a string\n"
        "defconfigs/base.toml:2:10: system must be a table, not a whole number\n"
        "defconfigs/node.toml:6:11: packages.install must be a list of strings, not a string");
}

TEST_CASE("an item of the wrong type is named by its own place") {
  Project project;
  project.edit("defconfigs/node.toml", "install = [\"crun\"]", "install = [\"crun\", 7]");
  CHECK(project.mistakes() ==
        "defconfigs/node.toml:6:20: packages.install must be a list of strings, but this is a whole number");
}

TEST_CASE("all mistakes of all files come at once") {
  Project project;
  project.edit("boards/toy/board.toml", "table = \"gpt\"", "table = \"gtp\"");
  project.edit("defconfigs/base.toml", "hostname = \"node\"", "hostname = \"No de\"");
  project.edit("defconfigs/node.toml", "[\"base\"]", "[\"bases\"]");
  project.edit("components/engine/component.toml", "license", "licence");
  project.edit("kernel-fragments/requirements.toml", "\"recommended\"", "\"optional\"");
  project.write("defconfigs/scripts.toml", "[[judgement]]\npackage = \"bash\"\n");
  CHECK(project.mistakes({"qemu.cpu+=1", "qemu.cpuz=1"}) ==
        "boards/toy/board.toml:31:9: disk.table must be \"gpt\" or \"dos\", not \"gtp\" (did you mean \"gpt\"?)\n"
        "defconfigs/base.toml:20:12: system.hostname must be a host name: up to 63 of a-z, 0-9 and -, not \"No de\"\n"
        "--set: unknown key qemu.cpuz (did you mean \"cpu\"?)\n"
        "defconfigs/node.toml:12:8: overlays.use: unknown overlay \"bases\" (did you mean \"base\"?)\n"
        "components/engine/component.toml:4:1: unknown key licence (did you mean \"license\"?)\n"
        "components/engine/component.toml:1:1: license is missing\n"
        "defconfigs/scripts.toml:1:1: judgement.1.script is missing\n"
        "defconfigs/scripts.toml:1:1: judgement.1.remainder is missing\n"
        "defconfigs/scripts.toml:1:1: judgement.1.reason is missing\n"
        "kernel-fragments/requirements.toml:9:9: requirement.2.level must be \"required\" or \"recommended\", not "
        "\"optional\"");
}

TEST_CASE("broken TOML is named by its place, in every file that is broken") {
  Project project;
  project.append("boards/toy/board.toml", "[broken\n");
  project.append("defconfigs/base.toml", "key = [1,\n");
  std::string mistakes = project.mistakes();
  CHECK(mistakes.find("boards/toy/board.toml:49:8: ") != std::string::npos);
  CHECK(mistakes.find("defconfigs/base.toml:2") != std::string::npos);
  // No key is reported as missing if a file that may have it could not be read.
  CHECK(mistakes.find("is missing") == std::string::npos);
}

TEST_CASE("characters beyond ASCII are refused in --set too") {
  CHECK(Project().mistakes({"\xEF\xBB\xBF=1"}).find("is not KEY=VALUE") != std::string::npos);
}

TEST_CASE("a board without required fields is told which") {
  Project project;
  project.edit("boards/toy/board.toml", "debian = \"amd64\"\n", "");
  project.edit("boards/toy/board.toml", "filesystem = \"ext4\"\n", "");
  project.edit("boards/toy/board.toml", "targets = [\"bzImage\"]\n", "");
  CHECK(project.mistakes() ==
        "boards/toy/board.toml:4:2: arch.debian is missing\n"
        "boards/toy/board.toml:9:2: kernel.targets is missing\n"
        "boards/toy/board.toml:32:1: disk.partition.root.filesystem is missing");
}

TEST_CASE("a board without a whole section") {
  Project project;
  std::string text = board_toml;
  project.write("boards/toy/board.toml", text.substr(0, text.find("[qemu]")));
  CHECK(project.mistakes().find("boards/toy/board.toml:1:1: qemu.binary is missing\n") == 0);
  project.write("boards/toy/board.toml",
                text.substr(0, text.find("[[disk.partition]]")) + text.substr(text.find("[qemu]")));
  CHECK(project.mistakes() ==
        "boards/toy/board.toml:29:2: disk.partition is missing: write at least one [[disk.partition]]");
}

TEST_CASE("unknown names are said with the nearest that exists") {
  Project project;
  SECTION("board") {
    project.edit("defconfigs/node.toml", "board = \"toy\"", "board = \"tyo\"");
    CHECK(project.mistakes() == "defconfigs/node.toml:1:9: board: unknown board \"tyo\" (did you mean \"toy\"?)");
  }
  SECTION("component") {
    project.edit("defconfigs/node.toml", "\"engine\"", "\"engin\"");
    CHECK(project.mistakes() ==
          "defconfigs/node.toml:9:11: components.enable: unknown component \"engin\" (did you mean \"engine\"?)");
  }
  SECTION("settings of a component") {
    project.append("defconfigs/node.toml", "[components.engin]\nlink = \"separate\"\n");
    CHECK(project.mistakes() == "defconfigs/node.toml:13:13: unknown key components.engin (did you mean \"engine\"?)");
  }
  SECTION("fragment") {
    project.append("defconfigs/node.toml", "[kernel]\nfragments = [\"vlxan\"]\n");
    CHECK(project.mistakes() ==
          "defconfigs/node.toml:14:14: kernel.fragments: unknown fragment \"vlxan\" (did you mean \"vxlan\"?)");
  }
  SECTION("parent") {
    project.edit("defconfigs/node.toml", "extends = \"base\"", "extends = \"bsae\"");
    CHECK(project.mistakes() ==
          "defconfigs/node.toml:2:11: extends: unknown defconfig \"bsae\" (did you mean \"base\"?)");
  }
  SECTION("partition") {
    project.append("defconfigs/node.toml", "[disk.partition.rot]\nfree = 0\n");
    CHECK(
        project.mistakes() ==
        "defconfigs/node.toml:13:17: disk.partition.rot: no disk.partition has this name (did you mean \"root\"?); to "
        "add one, write [[disk.partition]] with name = \"rot\"");
  }
  SECTION("defconfig") {
    CHECK(project.mistakes({}, "nod") == "unknown defconfig \"nod\" (did you mean \"node\"?)");
    CHECK(project.mistakes({}, "scripts").find("unknown defconfig") == 0);
    CHECK(project.mistakes({}, "../node").find("unknown defconfig") == 0);
  }
}

TEST_CASE("a chain of extends that bites its tail is an error") {
  Project project;
  project.append("defconfigs/base.toml", "");
  project.edit("defconfigs/base.toml", "abstract = true\n", "abstract = true\nextends = \"node\"\n");
  CHECK(project.mistakes() == "defconfigs/base.toml:2:11: extends forms a cycle: node → base → node");
  project.write("defconfigs/self.toml", "extends = \"self\"\n");
  CHECK(project.mistakes({}, "self") == "defconfigs/self.toml:1:11: extends forms a cycle: self → self");
}

TEST_CASE("abstract defconfigs and defconfigs without a board are not built") {
  Project project;
  CHECK(project.mistakes({}, "base").find("defconfigs/base.toml:1:12: \"base\" is abstract") != std::string::npos);
  project.edit("defconfigs/node.toml", "board = \"toy\"\n", "");
  CHECK(project.mistakes() == "defconfigs/node.toml:1:1: board is missing: set it to the name of a folder in boards/");
}

TEST_CASE("!x must take something out") {
  Project project;
  project.edit("defconfigs/node.toml", "[\"crun\"]", "[\"!udv\"]");
  CHECK(project.mistakes() ==
        "defconfigs/node.toml:6:12: packages.install: \"!udv\" removes an item that is not in the list (did you mean "
        "\"udev\"?)");
  project.edit("defconfigs/node.toml", "[\"!udv\"]", "[\"less\", \"!less\"]");
  CHECK(project.mistakes().find("defconfigs/node.toml:6:20: packages.install: \"!less\" removes an item") == 0);
  project.edit("defconfigs/node.toml", "[\"less\", \"!less\"]", "[\"less\", \"less\"]");
  CHECK(project.mistakes() == "defconfigs/node.toml:6:20: packages.install names \"less\" twice");
}

TEST_CASE("keys that belong elsewhere say so") {
  Project project;
  project.append("defconfigs/node.toml", "[arch]\ndebian = \"arm64\"\n");
  CHECK(project.mistakes() ==
        "defconfigs/node.toml:13:2: arch cannot be set here: it belongs in the board's board.toml");
  Project other;
  other.edit("boards/toy/board.toml", "name = \"toy\"", "name = \"toy\"\nboard = \"toy\"");
  CHECK(other.mistakes() == "boards/toy/board.toml:2:1: board cannot be set here: it belongs in a defconfig");
}

TEST_CASE("--set is checked like a file") {
  Project project;
  CHECK(project.mistakes({"foo"}) == "--set: \"foo\" is not KEY=VALUE or KEY+=VALUE");
  CHECK(project.mistakes({"=x"}) == "--set: \"=x\" is not KEY=VALUE or KEY+=VALUE");
  CHECK(project.mistakes({"a b=x"}).find("--set: \"a b=x\" is not KEY=VALUE: the key must be names with dots") == 0);
  CHECK(project.mistakes({"qemu.memory=1\nqemu.cpus=2"}).find("the value one line") != std::string::npos);
  CHECK(project.mistakes({"board=toy"}) == "--set: board cannot be set here: it belongs in a defconfig");
  CHECK(project.mistakes({"qemu.memory=much"}) == "--set: qemu.memory must be a whole number, not a string");
  CHECK(project.mistakes({"disk=gpt"}) == "--set: disk must be a table, not a string");
  CHECK(project.mistakes({"packages.install={}"}) == "--set: packages.install must be a list of strings, not a table");
}

TEST_CASE("values that do not fit each other") {
  Project project;
  auto mistake = [&](const std::string& set) { return project.mistakes({set}); };
  CHECK(mistake("disk.partition.root.filesystem=vfat") ==
        "--set: disk.partition.root.filesystem cannot be \"vfat\": the root filesystem needs owners and modes");
  CHECK(mistake("disk.partition.root.mount=/data") ==
        "boards/toy/board.toml:34:8: disk.partition: no partition has mount = \"/\"");
  CHECK(mistake("disk.partition.root.label=a-label-that-is-too-long").find("is longer than 16 characters") !=
        std::string::npos);
  CHECK(mistake("disk.compress=zstd") ==
        "--set: disk.compress is \"zstd\", which needs disk.compress-level from 1 to 19");
  CHECK(mistake("disk.boot-code=x.bin").find("disk.boot-code needs disk.boot-code-package") != std::string::npos);
  CHECK(mistake("qemu.firmware=uefi").find("qemu.firmware has \"uefi\", which needs") != std::string::npos);
  CHECK(mistake("qemu.disk=floppy").find("qemu.disk must be \"virtio\" or \"sd\" or \"usb\"") != std::string::npos);
  CHECK(mistake("qemu.no-network=not emulated") == "");
  CHECK(project.mistakes({"qemu.no-network=not emulated", "qemu.arguments=[\"-device\", \"e1000,netdev=net0\"]"}) ==
        "--set: qemu.no-network says that the machine has no network, but qemu.arguments have \"e1000,netdev=net0\" "
        "(--set)");
  CHECK(mistake("kernel.cmdline+=root=/dev/sda1").find("must not have root=") != std::string::npos);
  CHECK(mistake("kernel.package=linux-source-6.13")
            .find("--set: kernel.package is \"linux-source-6.13\", which tools.files.packages does not name (did you "
                  "mean \"linux-source-6.12\"?)") == 0);
  CHECK(mistake("packages.exclude=crun") ==
        "--set: packages.exclude: \"crun\" is in packages.install too (defconfigs/node.toml:6:12)");
  CHECK(mistake("components.engine.link=multi").find("must be \"multicall\" or \"separate\"") != std::string::npos);
  CHECK(mistake("boot.files.bzImage.from=dtb:toy.dtb").find("names the DTB \"toy.dtb\", which is not in kernel.dtbs") !=
        std::string::npos);
  CHECK(mistake("boot.files.bzImage.from=package:firmware").find("needs source") != std::string::npos);
  CHECK(mistake("boot.files.bzImage.from=nowhere").find("must be \"kernel\", \"dtb:NAME\"") != std::string::npos);
  CHECK(mistake("boot.files.bzImage.from=tool:").find("\"package:NAME\", \"tool:NAME\"") != std::string::npos);
  CHECK(project.mistakes({"boot.files.bzImage.from=package:Firm_ware", "boot.files.bzImage.source=a"}) ==
        "--set: boot.files.bzImage.from must be the name of a Debian package, not \"Firm_ware\"");
  // A package of the target's architecture is looked for when the lock is made; a tool must be named.
  CHECK(project.mistakes({"boot.files.bzImage.from=package:firmware", "boot.files.bzImage.source=a"}) == "");
  CHECK(project.mistakes({"boot.files.bzImage.from=tool:linux-source-6.12", "boot.files.bzImage.source=a"}) == "");
  CHECK(project.mistakes({"boot.files.bzImage.from=tool:linux-source-6.13", "boot.files.bzImage.source=a"}) ==
        "--set: boot.files.bzImage.from is \"linux-source-6.13\", which tools.files.packages does not name (did you "
        "mean \"linux-source-6.12\"?)");
  CHECK(project.mistakes({"disk.boot-code=x.bin", "disk.boot-code-package=boot"})
            .find("disk.boot-code-package is \"boot\", which tools.files.packages does not name") != std::string::npos);
  CHECK(mistake("qemu.dtb=bzImag") ==
        "--set: qemu.dtb is \"bzImag\", which is not in boot.files (did you mean \"bzImage\"?)");
  CHECK(mistake("qemu.dtb=bzImage") == "");
  CHECK(mistake("disk.partition.root.size=2T") == "");
  CHECK(project.mistakes({"disk.table=dos", "disk.partition.root.size=2T"})
            .find("disk.partition.root.size is larger than 2 TiB, the limit of disk.table = \"dos\"") !=
        std::string::npos);
  CHECK(project.mistakes({"disk.table=dos", "disk.partition.root.free=3T"})
            .find("disk.partition.root.free is larger than") != std::string::npos);
  CHECK(mistake("rootfs.exclude=usr/share/doc").find("must be an absolute path or glob") != std::string::npos);
  CHECK(mistake("packages.install+=Bad_Name").find("must be the name of a Debian package") != std::string::npos);
  CHECK(mistake("system.services.enable=networkd").find("must be a systemd unit with its suffix") != std::string::npos);
  CHECK(project.mistakes({"system.services.enable=a.service", "system.services.mask=a.service"})
            .find("system.services.mask: \"a.service\" is in system.services.enable too") != std::string::npos);
}

TEST_CASE("sectors of 4096 bytes, the protective MBR, and formats of virtual machines") {
  Project project;
  const auto mistakes = [&](std::vector<std::string> set) {
    set.insert(set.begin(), {"qemu.firmware=kernel", "tools.qemu.packages+=qemu-utils"});
    return project.mistakes(set);
  };
  CHECK(mistakes({"disk.sector-size=4096"}) == "");
  CHECK(mistakes({"disk.sector-size=512"}) == "");
  CHECK(mistakes({"disk.sector-size=520"}) == "--set: disk.sector-size must be 512 or 4096, not 520");
  CHECK(mistakes({"disk.sector-size=4K"}).find("disk.sector-size must be a whole number") != std::string::npos);
  CHECK(mistakes({"disk.sector-size=4096", "disk.table=dos"}) ==
        "--set: disk.sector-size is 4096, which needs disk.table = \"gpt\"");
  CHECK(mistakes({"disk.sector-size=4096", "qemu.disk=sd"}).find("SD cards (qemu.disk = \"sd\") have sectors of 512") !=
        std::string::npos);
  CHECK(project.mistakes({"disk.sector-size=4096"}) ==
        "--set: disk.sector-size is 4096, from which a BIOS cannot start, and qemu.firmware has nothing else");
  CHECK(mistakes({"disk.protective-mbr-active=true"}) == "");
  CHECK(mistakes({"disk.protective-mbr-active=true", "disk.table=dos"})
            .find("disk.protective-mbr-active needs disk.table = \"gpt\"") != std::string::npos);
  CHECK(mistakes({R"(disk.formats=["qcow2", "vmdk", "vhdx"])"}) == "");
  CHECK(mistakes({R"(disk.formats=["vdi"])"}) ==
        "--set: disk.formats must be \"qcow2\" or \"vmdk\" or \"vhdx\", not \"vdi\"");
  CHECK(project.mistakes({R"(disk.formats=["vhdx"])"}) ==
        "--set: disk.formats has \"vhdx\", which needs \"qemu-utils\" in tools.qemu.packages");
  CHECK(mistakes({"disk.sector-size=4096", R"(disk.formats=["qcow2"])"}) == "");
  for (const char* format : {"vmdk", "vhdx"})
    CHECK(mistakes({"disk.sector-size=4096", fmt::format("disk.formats=[\"{}\"]", format)}) ==
          fmt::format("--set: disk.formats has \"{}\", whose disks have sectors of 512 bytes, but disk.sector-size is "
                      "4096",
                      format));
}

TEST_CASE("an image of the user's: where it is from, and what it needs") {
  const std::string digest(64, 'a');
  const auto mistakes = [&](const std::string& lines) {
    Project project;
    project.append("defconfigs/node.toml", "\n[images]\npreload = true\n[[image.extra]]\n" + lines + "\n");
    return project.mistakes();
  };
  const auto has = [&](const std::string& lines, const std::string& message) {
    INFO(lines << "\n" << mistakes(lines));
    CHECK(mistakes(lines).find("defconfigs/node.toml:16:") == 0);
    CHECK(mistakes(lines).find(message) != std::string::npos);
  };
  CHECK(mistakes("from = \"docker://registry.example/app:1@sha256:" + digest + "\"") == "");
  CHECK(mistakes("from = \"oci:boards/toy\"") == "");
  CHECK(mistakes("from = \"docker-archive:boards/toy/entry.conf\"\nname = \"app:1\"") == "");
  has("from = \"docker://registry.example/app:1\"", "needs the digest of the image");
  has("from = \"docker://registry.example/app@sha256:" + digest.substr(1) + "\"", "needs the digest of the image");
  has("from = \"registry.example/app\"", "must be \"oci:FILE\", \"docker-archive:FILE\" or");
  has("from = \"oci:none.tar\"", "none.tar is missing");
  has("from = \"docker-archive:boards/toy\"", "boards/toy is missing");
  has("from = \"oci:../app.tar\"", "must be a relative path");
  has("from = \"oci:/app.tar\"", "must be a relative path");
  has("from = \"oci:\"", "must be a relative path");
  CHECK(mistakes("from = \"oci:boards/toy\"\nname = \"app\"")
            .find("must be the name of a container image with its tag") != std::string::npos);
  CHECK(mistakes("name = \"app:1\"").find("from is missing in this [[image.extra]]") != std::string::npos);
  Project project;
  project.append("defconfigs/node.toml", "\n[[image.extra]]\nfrom = \"oci:boards/toy\"\n");
  CHECK(project.mistakes().find("defconfigs/node.toml:14:") == 0);
  CHECK(project.mistakes().find("image.extra.\"oci:boards/toy\" needs images.preload = true") != std::string::npos);
  project.append("defconfigs/node.toml", "[images]\npreload = true\n");
  // `show` prints it, and an error of a step finds its place.
  CHECK(where_set(project.load().settings, "image.extra", "oci:boards/toy") == "defconfigs/node.toml:15");
}

TEST_CASE("keymaps and locales have the form of one, and an error of a step finds the place of such a key") {
  Project project;
  project.edit("defconfigs/base.toml", "timezone = \"Etc/UTC\"\n",
               "timezone = \"Etc/UTC\"\nkeymap = \"de(nodeadkeys),us\"\nlocale = \"sr_RS@latin\"\n");
  CHECK(project.mistakes() == "");
  CHECK(where_set(project.load().settings, "system.keymap", "") == "defconfigs/base.toml:22");
  CHECK(where_set(project.load().settings, "system", "").empty());
  for (const char* bad : {"", "de(", "de()", "(nodeadkeys)", "de,", "de us", "a,b,c,d,e", "../de", "de(no)x"})
    CHECK(project.mistakes({fmt::format("system.keymap=\"{}\"", bad)})
              .starts_with("--set: system.keymap must be a keyboard layout such as \"de\" or \"de(nodeadkeys)\""));
  for (const char* bad : {"", ".UTF-8", "de_DE.UTF-8 UTF-8", "../de_DE"})
    CHECK(project.mistakes({fmt::format("system.locale=\"{}\"", bad)})
              .starts_with("--set: system.locale must be a locale such as \"de_DE.UTF-8\", not"));
}

TEST_CASE("what the audit allows needs a reason, and is known by its path") {
  Project project;
  const std::string allow = "[[audit.allow]]\npath = \"/usr/lib/libfast.so.1\"\n";
  project.append("boards/toy/board.toml", allow);
  CHECK(project.mistakes().find("audit.allow.\"/usr/lib/libfast.so.1\".reason is missing") != std::string::npos);
  project.append("boards/toy/board.toml", "reason = \"asks the processor\"\n");
  CHECK(project.mistakes() == "");
  const auto config = project.load();
  REQUIRE(config.audit_allow.size() == 1);
  CHECK(config.audit_allow[0].path == "/usr/lib/libfast.so.1");
  CHECK(config.audit_allow[0].reason == "asks the processor");
}

TEST_CASE("files that are named must be there") {
  Project project;
  project.remove("boards/toy/kernel.config");
  project.remove("boards/toy/entry.conf");
  project.remove("components/engine/go.sum");
  project.remove("kernel-fragments/requirements.toml");
  std::string mistakes = project.mistakes();
  CHECK(mistakes.find("boards/toy/board.toml:14:11: kernel.config: boards/toy/kernel.config is missing") !=
        std::string::npos);
  CHECK(mistakes.find(
            "boards/toy/board.toml:26:10: boot.files.\"loader/entry.conf\".source: boards/toy/entry.conf is missing") !=
        std::string::npos);
  CHECK(mistakes.find("components/engine/component.toml:1:1: components/engine/go.sum is missing") !=
        std::string::npos);
  CHECK(mistakes.find("kernel-fragments/requirements.toml:1:1: cannot be read") != std::string::npos);
}

TEST_CASE("components are held against their own schema") {
  Project project;
  const std::string file = "components/engine/component.toml";
  SECTION("name") {
    project.edit(file, "name = \"engine\"", "name = \"other\"");
    CHECK(project.mistakes() == file + ":1:8: name must be \"engine\", the name of the folder, not \"other\"");
  }
  SECTION("check without expectation") {
    project.edit(file, ", expect = \"v1.0.0\"", "");
    CHECK(project.mistakes() == file + ":15:9: binary.all.check.1.expect is missing");
  }
  SECTION("two binaries of one name") {
    project.edit(file, "name = \"one\"", "name = \"all\"");
    CHECK(project.mistakes() == file + ":18:8: binary \"all\" is defined twice");
  }
  SECTION("binary without name") {
    project.edit(file, "name = \"one\"\n", "");
    CHECK(project.mistakes() == file + ":17:1: name is missing in this [[binary]]");
  }
  SECTION("no binary of that link mode") {
    project.edit(file, "link = \"separate\"\n", "");
    CHECK(project.mistakes({"components.engine.link=separate"}) ==
          "--set: components.engine.link: " + file + " has no binary with link = \"separate\"");
  }
}

TEST_CASE("entries of the root filesystem are called after absolute paths") {
  Project project;
  project.append("defconfigs/node.toml",
                 "\n[[rootfs.mode]]\npath = \"etc/key\"\nmode = \"0600\"\n\n[[rootfs.mode]]\npath = "
                 "\"/etc/../key\"\nmode = \"600\"\n"
                 "\n[[rootfs.replace]]\npath = \"usr/bin/x\"\nreason = \"ours\"\n\n[[audit.allow]]\npath = "
                 "\"lib/x\"\nreason = \"ours\"\n");
  const std::string text = project.mistakes();
  INFO(text);
  CHECK(text.find("defconfigs/node.toml:14:1: rootfs.mode.path must be an absolute path or glob such as "
                  "\"/usr/share/doc/**\", not \"etc/key\"") != std::string::npos);
  CHECK(text.find(
            "rootfs.mode.path must be an absolute path or glob such as \"/usr/share/doc/**\", not \"/etc/../key\"") !=
        std::string::npos);
  CHECK(text.find("a mode of four octal digits, such as \"0600\", not \"600\"") != std::string::npos);
  CHECK(text.find("rootfs.replace.path must be an absolute path") != std::string::npos);
  CHECK(text.find("audit.allow.path must be an absolute path") != std::string::npos);
}

TEST_CASE("users, certificates, mirrors and proxies are checked") {
  Project project;
  project.append(
      "defconfigs/node.toml",
      "\n[[user]]\nname = \"Anna\"\n[[user]]\nname = \"berta\"\nuid = 10\npassword-hash = \"secret\"\n"
      "comment = \"a:b\"\n[containerd.mirrors]\n\"docker.io/library\" = [\"https://a.example\"]\n"
      "\"docker.io\" = [\"a.example\"]\n[system.proxy]\nhttps = \"proxy.example:3128\"\nno-proxy = [\"a b\"]\n"
      "[system]\nca-certificates = [\"ca/absent.pem\"]\n");
  const std::string mistakes = project.mistakes();
  INFO(mistakes);
  const auto has = [&](const std::string& text) { return mistakes.find(text) != std::string::npos; };
  CHECK(has("user.name must be an account's name"));
  CHECK(has("user.berta.uid must be from 1000 to 59999, not 10"));
  CHECK(has("user.berta.password-hash must be a password's hash"));
  CHECK(has("user.berta.comment must be one line without \":\""));
  CHECK(has("containerd.mirrors.\"docker.io/library\" must be a registry"));
  CHECK(has("containerd.mirrors.\"docker.io\" must be a URL"));
  CHECK(has("system.proxy.https must be a URL"));
  CHECK(has("system.proxy.no-proxy must be a host"));
  CHECK(has("system.ca-certificates: ca/absent.pem is missing"));
  CHECK_FALSE(has("secret"));
}
