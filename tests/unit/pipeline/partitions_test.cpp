// Tests planning the disk: identifiers, mounts, definitions for systemd-repart, and refused disks.
#include "pipeline/partitions.hpp"

#include "disk/disk_image.hpp"
#include "process/command.hpp"
#include "project.hpp"
#include "support/catch.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

std::string text_of(Project& project, const Tree& tree, const std::string& path) {
  const Node* node = tree.find(path);
  REQUIRE(node);
  return project.context.store().read(node->content);
}

}  // namespace

TEST_CASE("a plan names root and boot, and every identifier follows from names alone") {
  Project p;
  p.config.disk.partitions.push_back(Project::partition("data", "linux", "ext4", "/var/lib"));
  p.config.disk.partitions.back().create_on_device = true;
  const DiskPlan plan = plan_disk(p.config);
  REQUIRE(plan.partitions.size() == 2);  // data is created on the device
  CHECK(plan.boot == 0);
  CHECK(plan.root == 1);
  CHECK(plan.partitions[1].type == "root-x86-64");
  CHECK(plan.partitions[0].type == "esp");
  CHECK(plan.root_partuuid == plan.partitions[1].partition.text());
  CHECK(plan.partitions[1].partition.text() != plan.partitions[1].filesystem.text());
  CHECK(plan_disk(p.config).disk.text() == plan.disk.text());
  p.config.name = "other";
  CHECK(plan_disk(p.config).disk.text() != plan.disk.text());
  CHECK(plan_disk(p.config).root_partuuid != plan.root_partuuid);
}

TEST_CASE("the root type follows the architecture; MBR has its own way of naming partitions") {
  Project p;
  p.config.arch.debian = "arm64";
  CHECK(plan_disk(p.config).partitions[1].type == "root-arm64");
  for (const auto& [architecture, type] : {std::pair{"ppc64el", "root-ppc64-le"},
                                           {"riscv64", "root-riscv64"},
                                           {"s390x", "root-s390x"},
                                           {"armhf", "root-arm"},
                                           {"armel", "root-arm"}}) {
    p.config.arch.debian = architecture;
    CHECK(plan_disk(p.config).partitions[1].type == type);
  }
  p.config.arch.debian = "mips64el";
  CHECK(contains(failure([&] { plan_disk(p.config); }), "no partition type is known for the root of mips64el"));
  p.config.arch.debian = "armel";
  p.config.disk.table = "dos";
  const DiskPlan plan = plan_disk(p.config);
  CHECK(plan.partitions[1].type == "root");
  CHECK(plan.root_partuuid == plan.disk.text().substr(0, 8) + "-02");
  CHECK(disk_mounts(p.config, plan)[0].source == "PARTUUID=" + plan.root_partuuid);
}

TEST_CASE("a disk needs exactly one root and one partition to boot from") {
  const auto refused = [](auto change) {
    Project p;
    change(p.config.disk.partitions);
    return failure([&] { plan_disk(p.config); });
  };
  using Partitions = std::vector<PartitionConfig>;
  CHECK(contains(refused([](Partitions& list) { list[1].mount = "/srv"; }),
                 "board pc has 0 partitions mounted at /, but needs exactly one"));
  CHECK(contains(refused([](Partitions& list) { list.push_back(list[1]); }), "2 partitions mounted at /"));
  CHECK(contains(refused([](Partitions& list) { list.erase(list.begin()); }), "0 vfat partitions to boot from"));
  CHECK(contains(refused([](Partitions& list) { list.push_back(list[0]); }), "2 vfat partitions to boot from"));
  CHECK(contains(refused([](Partitions& list) { list[1].create_on_device = true; }), "0 partitions mounted at /"));
  CHECK(contains(refused([](Partitions& list) { list.clear(); }), "but needs exactly one"));
}

TEST_CASE("mounts: outer ones first, what repart makes by its label") {
  Project p;
  auto& partitions = p.config.disk.partitions;
  partitions[1].grow = true;
  for (const char* mount : {"/var/lib/etcd", "/var"}) {
    partitions.push_back(Project::partition(std::string(mount) == "/var" ? "var" : "etcd", "linux", "ext4", mount));
    partitions.back().create_on_device = true;
  }
  partitions.push_back(Project::partition("spare", "linux", "ext4", ""));
  partitions.back().create_on_device = true;
  const DiskPlan plan = plan_disk(p.config);
  std::vector<std::string> lines;
  for (const auto& mount : disk_mounts(p.config, plan))
    lines.push_back(mount.source + " " + mount.path + " " + mount.filesystem + (mount.grow ? " grow" : ""));
  CHECK(lines == std::vector<std::string>{"PARTUUID=" + plan.root_partuuid + " / ext4 grow",
                                          "PARTUUID=" + plan.partitions[0].partition.text() + " /boot vfat",
                                          "PARTLABEL=var /var ext4", "PARTLABEL=etcd /var/lib/etcd ext4"});
}

TEST_CASE("systemd-repart clears the active flag of the protective MBR, so it is set again") {
  Project p;
  Store& store = p.context.store();
  p.config.disk.protective_mbr_active = true;
  CHECK(repart_definitions(store, p.config, plan_disk(p.config)).empty());  // nothing writes the table
  p.config.disk.partitions[1].grow = true;
  const Tree tree = repart_definitions(store, p.config, plan_disk(p.config));
  CHECK(text_of(p, tree, "etc/systemd/system/systemd-repart.service.d/50-active-flag.conf") ==
        "[Service]\nExecStartPost=/usr/libexec/set-active-flag\n");
  CHECK(tree.find("usr/libexec/set-active-flag")->mode == 0755);
  p.config.disk.protective_mbr_active = false;
  CHECK_FALSE(repart_definitions(store, p.config, plan_disk(p.config)).find("usr/libexec/set-active-flag"));
}

TEST_CASE("the program that sets the active flag writes one byte of the disk with the root filesystem") {
  Project p;
  p.config.disk.protective_mbr_active = true;
  p.config.disk.partitions[1].grow = true;
  const Tree tree = repart_definitions(p.context.store(), p.config, plan_disk(p.config));
  const fs::path folder = p.context.folder() / "machine";
  fs::create_directories(folder / "devices/vda/vda2");
  fs::create_directories(folder / "class");
  fs::create_directory_symlink("../devices/vda/vda2", folder / "class/vda2");
  write_file_atomically(folder / "devices/vda/vda2/partition", "2\n");
  std::string disk(1000, 'd');
  write_file_atomically(folder / "vda", disk);
  std::string script = text_of(p, tree, "usr/libexec/set-active-flag");
  script = replace_all(script, "/sys/class/block", (folder / "class").string());
  script = replace_all(script, "\"of=/dev/$disk\"", "\"of=" + folder.string() + "/$disk\"");
  const auto run = [&](const std::string& source) {
    return system_runner()
        .run({.argv = {"/bin/sh", "-c", "findmnt() { echo " + source + "; }\n" + script},
              .environment = {{"PATH", "/usr/bin:/bin"}}})
        .exit_code;
  };
  CHECK(run("/dev/vda2") == 0);
  disk[446] = '\x80';
  CHECK(read_file(folder / "vda") == disk);
  CHECK(run("/dev/vdb") == 0);  // the whole disk is the filesystem
}

TEST_CASE("repart is told of what grows and of what is made on the device, and of nothing else") {
  Project p;
  Store& store = p.context.store();
  CHECK(repart_definitions(store, p.config, plan_disk(p.config)).empty());
  p.config.disk.partitions[1].grow = true;
  auto data = Project::partition("data", "linux", "ext4", "/data");
  data.create_on_device = true, data.size = 1 << 20;
  p.config.disk.partitions.push_back(data);
  data.name = "rest", data.size = 0, data.grow = true;
  p.config.disk.partitions.push_back(data);
  const Tree tree = repart_definitions(store, p.config, plan_disk(p.config));
  CHECK(text_of(p, tree, "etc/repart.d/50-root.conf") == "[Partition]\nType=root\nGrowFileSystem=yes\n");
  CHECK(text_of(p, tree, "etc/repart.d/51-data.conf") ==
        "[Partition]\nType=linux-generic\nLabel=data\nFormat=ext4\nCopyFiles=/data:/"
        "\nSizeMinBytes=1048576\nSizeMaxBytes=1048576\n");
  CHECK(
      text_of(p, tree, "etc/repart.d/52-rest.conf") ==
      "[Partition]\nType=linux-generic\nLabel=rest\nFormat=ext4\nCopyFiles=/data:/\nGrowFileSystem=yes\nWeight=4000\n");
  CHECK(tree.find("etc/repart.d")->type == NodeType::Directory);
  CHECK(tree.find("etc/repart.d/50-root.conf")->origin == "board:pc");
}
