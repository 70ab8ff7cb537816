// Tests the boards and defconfigs of this project: each can be loaded, and boards that share a base differ where they
// must.
#include <algorithm>

#include "cli/session.hpp"
#include "support/catch.hpp"
#include "support/step_context.hpp"

using namespace k8simg;
using test::contains;

namespace {

using Names = std::vector<std::string>;

Config config_of(const std::string& name) {
  Options options;
  options.project = K8SIMG_SOURCE_DIR;
  return Session(options, {}).config(name);
}

const BootFile* boot_file(const Config& config, const std::string& path) {
  for (const auto& file : config.boot_files)
    if (file.path == path) return &file;
  return nullptr;
}

}  // namespace

TEST_CASE("every defconfig of the project is complete") {
  int machines = 0;
  for (const auto& defconfig : list_defconfigs(K8SIMG_SOURCE_DIR)) {
    INFO(defconfig.name);
    const Config config = config_of(defconfig.name);
    if (config.qemu.binary.empty()) continue;  // an architecture
    ++machines;
    // A machine has a network device in QEMU, or says why not.
    const auto& words = config.qemu.arguments;
    const bool card =
        std::any_of(words.begin(), words.end(), [](const std::string& word) { return word.ends_with("netdev=net0"); });
    CHECK(card == config.qemu.no_network.empty());
  }
  CHECK(machines >= 9);
}

TEST_CASE("machines that start by UEFI share disk and command line, with a boot loader of their own") {
  const std::string common = "rootfstype=ext4 rootwait ro fsck.repair=yes panic=10 loglevel=4";
  const Config pc = config_of("pc"), arm64 = config_of("arm64"), riscv64 = config_of("riscv64");
  CHECK(pc.kernel.cmdline == "console=tty0 console=ttyS0,115200 " + common);
  CHECK(riscv64.kernel.cmdline == pc.kernel.cmdline);
  CHECK(arm64.kernel.cmdline == pc.kernel.cmdline + " console=hvc0 console=ttyAMA0,115200");
  for (const auto& [config, loader] : {std::pair{&pc, "BOOTX64"}, {&arm64, "BOOTAA64"}, {&riscv64, "BOOTRISCV64"}}) {
    INFO(config->name);
    const BootFile* file = boot_file(*config, std::string("EFI/BOOT/") + loader + ".EFI");
    REQUIRE(file);
    CHECK(is_tool_file(*file) == (config == &pc));  // the tools are of amd64
    REQUIRE(boot_file(*config, "loader/entries/k8simg.conf"));
    CHECK(boot_file(*config, "loader/entries/k8simg.conf")->source == "boards/uefi/boot/entry.conf");
    REQUIRE(config->disk.partitions.size() == 2);
    CHECK(config->disk.partitions[0].bootable == (config == &pc));
  }
}

TEST_CASE("Raspberry Pis have the firmware of their model, and one kernel configuration for each width") {
  for (const char* name : {"raspberrypi0", "raspberrypi2", "raspberrypi3-64", "raspberrypi4-64"}) {
    INFO(name);
    const Config config = config_of(name);
    const bool later = std::string(name) == "raspberrypi4-64", wide = config.arch.kernel == "arm64";
    CHECK((boot_file(config, "start4cd.elf") != nullptr) == later);
    CHECK((boot_file(config, "bootcode.bin") != nullptr) == !later);
    const auto& fragments = config.kernel.fragments;
    const Names last(fragments.end() - 3, fragments.end());
    const std::string board = "boards/" + std::string(name) + "/kernel.config";
    const std::string width = wide ? "boards/raspberrypi/arm64.config" : "boards/raspberrypi/arm32.config";
    CHECK(last == Names{"boards/raspberrypi/kernel.config", width, board});
    CHECK(config.qemu.usb_disk() == later);
  }
}
