// Tests QEMU's command line: the guest's devices, and that the image is never writable.
#include "guest/qemu.hpp"

#include <algorithm>

#include "guest/devices.hpp"
#include "support/catch.hpp"
#include "support/step_context.hpp"
#include "util/text.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

/// Records commands and returns configured results.
class Recording : public CommandRunner {
 public:
  CommandResult run(const Command& command, std::stop_token) override {
    commands.push_back(command);
    if (!log_text.empty()) write_file_atomically(command.log, log_text);
    return {.exit_code = exit_code};
  }
  std::vector<Command> commands;
  std::string log_text;
  int exit_code = 0;
};

struct Fixture {
  TempDir folder{fs::temp_directory_path(), "qemu"};
  Recording runner;
  Machine machine{.binary = "qemu-system-x86_64",
                  .model = "q35",
                  .cpu = "max",
                  .memory_mib = 2048,
                  .cpus = 2,
                  .arguments = {"-device", "virtio-net-pci,netdev=net0"},
                  .uefi_code = "usr/share/OVMF/CODE.fd",
                  .uefi_vars = "usr/share/OVMF/VARS.fd"};
  Boot boot;

  Fixture() {
    fs::create_directories(folder.path() / "tools/usr/share/OVMF");
    fs::create_directory(folder.path() / "scratch");
    write_file_atomically(folder.path() / "tools/usr/share/OVMF/VARS.fd", "variables", 0444);
    boot.tools = folder.path() / "tools", boot.image = folder.path() / "disk.img",
    boot.scratch = folder.path() / "scratch";
  }
  /// The guest's command line, one word after the other.
  std::string line() {
    runner.commands.clear();
    run_machine(runner, machine, boot);
    REQUIRE(runner.commands.size() == 2);
    return " " + join(runner.commands[1].argv, " ") + " ";
  }
};

}  // namespace

TEST_CASE("the disk and the network card can be other devices") {
  Fixture f;
  CHECK(contains(f.line(), " if=virtio,format=qcow2,"));
  CHECK(drive_name(f.machine, 0) == "vdb");
  use_disk(f.machine, "megasas");
  use_network_card(f.machine, "e1000e");
  std::string line = f.line();
  CHECK(contains(line, " -drive if=none,id=disk0,format=qcow2,"));
  CHECK(contains(line, " -device megasas,id=controller -device scsi-hd,bus=controller.0,drive=disk0,bootindex=0 "));
  CHECK(contains(line, " -device e1000e,netdev=net0 "));
  CHECK_FALSE(contains(line, "virtio-net"));
  CHECK(drive_name(f.machine, 1) == "vdb");
  use_disk(f.machine, "sdhci-pci");
  CHECK(f.machine.power_of_two);
  use_network_card(f.machine, "usb-net");
  CHECK(contains(f.line(), " -device qemu-xhci,id=usbnet -device usb-net,bus=usbnet.0,netdev=net0 "));
  use_disk(f.machine, "ide");
  CHECK(contains(f.line(), " -machine pc "));
  CHECK_FALSE(f.machine.power_of_two);

  CHECK(contains(failure([&] { use_disk(f.machine, "scsi"); }), "ahci"));
  f.machine.arguments.clear();
  CHECK(contains(failure([&] { use_network_card(f.machine, "e1000"); }), "have no network card to replace"));
  f.machine.disk = "sd";
  CHECK(contains(failure([&] { use_disk(f.machine, "nvme"); }), "SD card"));
  f.machine.disk = "usb";
  CHECK(contains(failure([&] { use_disk(f.machine, "nvme"); }), "the disk of this board is a USB disk"));
  f.machine.disk = "virtio", f.machine.model = "virt", f.machine.binary = "qemu-system-aarch64";
  CHECK(
      contains(failure([&] { use_disk(f.machine, "ide"); }),
               "QEMU has the controller ide in its machine \"pc\" alone, and qemu-system-aarch64 has no such machine"));
  use_disk(f.machine, "nvme");
  CHECK(f.machine.model == "virt");
  for (const auto& name : disk_controllers()) CHECK(controller_arguments(name, 512).empty() == (name == "virtio"));
}

TEST_CASE("the image is bound read-only and written through an overlay") {
  Fixture f;
  f.boot.disk_size = 4ull << 30;
  const std::string line = f.line();
  CHECK(contains(join(f.runner.commands[0].argv, " "),
                 "qemu-img create -q -f qcow2 -F raw -b /in/disk.img /build/overlay.qcow2 4294967296"));
  for (const auto& command : f.runner.commands) {
    const auto image = std::find(command.argv.begin(), command.argv.end(), f.boot.image.string());
    REQUIRE(image != command.argv.end());
    CHECK(*(image - 1) == "--ro-bind");
  }
  CHECK(contains(line, "format=qcow2,file=/build/overlay.qcow2"));
  CHECK(contains(line, " -machine q35 -accel tcg -cpu max "));
  CHECK(contains(line, " -m 2048 -smp 2 -nodefaults "));
  CHECK(contains(line, " -no-reboot "));
  CHECK(contains(line, " -netdev user,id=net0 "));
  CHECK(contains(line, " virtio-net-pci,netdev=net0 "));
  CHECK(contains(line, " -serial file:/build/console.log "));
  CHECK_FALSE(contains(line, "pflash"));
  CHECK_FALSE(contains(line, "/dev/kvm"));
}

TEST_CASE("a disk with sectors of 4096 bytes is a device that says so, before all other drives") {
  Fixture f;
  CHECK(contains(f.line(), " -drive if=virtio,format=qcow2,"));
  CHECK_FALSE(contains(f.line(), "block_size"));
  f.boot.sector_size = 4096;
  f.boot.drives = {"/images/a.tar"};
  const std::string line = f.line(),
                    device = "virtio-blk-pci,drive=disk0,bootindex=0,logical_block_size=4096,physical_block_size=4096 ";
  CHECK(
      contains(line, " -drive if=none,id=disk0,format=qcow2,file=/build/overlay.qcow2,cache=unsafe -device " + device));
  CHECK(line.find(device) < line.find("file=/in/drive0"));
  use_disk(f.machine, "nvme");
  CHECK(contains(f.line(), "serial=k8simg,bootindex=0,logical_block_size=4096,physical_block_size=4096 "));
  use_disk(f.machine, "ide");
  CHECK(contains(failure([&] { f.line(); }), "QEMU's ide has only disks with sectors of 512 bytes"));
}

TEST_CASE("a machine with one USB port has all disks on it, as units of one device") {
  Fixture f;
  f.machine.disk = "usb";
  f.boot.drives = {"/images/a.tar", "/images/b.tar"};
  const std::string line = f.line();
  CHECK(contains(line,
                 " -drive if=none,id=disk0,format=qcow2,file=/build/overlay.qcow2,cache=unsafe -device "
                 "usb-bot,id=controller,port=1 -device scsi-hd,bus=controller.0,lun=0,drive=disk0 "));
  CHECK(contains(line,
                 " -drive if=none,id=drive1,format=raw,readonly=on,file=/in/drive1 -device "
                 "scsi-hd,bus=controller.0,lun=2,drive=drive1 "));
  CHECK_FALSE(contains(line, "virtio,"));
  CHECK(drive_name(f.machine, 0) == "sdb");
  CHECK(drive_name(f.machine, 1) == "sdc");
}

TEST_CASE("a machine without a network is given no network") {
  Fixture f;
  CHECK(contains(f.line(), "net0"));
  f.machine.no_network = "not emulated";
  f.machine.arguments.clear();
  f.boot.forwards = {"tcp:127.0.0.1:2222-:22"};
  CHECK_FALSE(contains(f.line(), "net0"));
}

TEST_CASE("a converted disk image is the disk, and kernel and command line come from the plain one") {
  Fixture f;
  f.boot.conversion = "/output/disk.vmdk", f.boot.conversion_format = "vmdk";
  f.line();
  for (const auto& command : f.runner.commands) {
    const std::string words = join(command.argv, " ");
    CHECK(contains(words, "--ro-bind /output/disk.vmdk /in/disk.img"));
    CHECK_FALSE(contains(words, f.boot.image.string()));
  }
  CHECK(contains(join(f.runner.commands[0].argv, " "), "-F vmdk -b /in/disk.img /build/overlay.qcow2"));
  f.runner.commands.clear();
  f.boot.firmware = Firmware::Kernel;
  write_file_atomically(f.boot.scratch / "cmdline", "rw\n");
  run_machine(f.runner, f.machine, f.boot);
  REQUIRE(f.runner.commands.size() == 5);
  CHECK(contains(join(f.runner.commands[1].argv, " "), "--ro-bind " + f.boot.image.string() + " /in/disk.img"));
}

TEST_CASE("KVM, network, forwards and further drives only when asked for") {
  Fixture f;
  f.boot.kvm = f.boot.network = true;
  f.boot.forwards = {"tcp:127.0.0.1:2222-:22"};
  f.boot.drives = {"/images/a.tar", "/images/b.tar"};
  f.boot.timeout_seconds = 99;
  const std::string line = f.line();
  CHECK(contains(line, " -accel kvm -cpu host "));
  CHECK(contains(line, "--dev-bind /dev/kvm /dev/kvm"));
  CHECK(contains(line, " -netdev user,id=net0,hostfwd=tcp:127.0.0.1:2222-:22 "));
  CHECK(contains(line, "readonly=on,file=/in/drive0 "));
  CHECK(line.find("file=/in/drive0") < line.find("file=/in/drive1"));
  CHECK(f.runner.commands[1].timeout_seconds == 99);
}

TEST_CASE("an isolated machine is given an address and nothing else") {
  Fixture f;
  CHECK(contains(f.line(), " -netdev user,id=net0 "));
  f.boot.isolated = true;
  CHECK(contains(f.line(), " -netdev user,id=net0,restrict=on,ipv6=off "));
}

// While an accepted socket of QEMU is full, QEMU blocks: a worker that has stopped would stop the machine with the hub.
TEST_CASE(
    "machines of one network: the first has the switch and connects to the others, and each has a hardware address of "
    "its own") {
  Fixture f;
  f.boot.lan = Lan{.folder = "/run/network", .machine = 0, .machines = 3};
  std::string line = f.line();
  CHECK(contains(line, " --bind /run/network /in/lan "));
  CHECK(contains(line, " -netdev hubport,id=net0,hubid=0 "));
  CHECK(contains(line,
                 " -netdev stream,id=link1,server=off,reconnect-ms=1000,addr.type=unix,addr.path=/in/lan/1 -netdev "
                 "hubport,id=port1,hubid=0,netdev=link1 "));
  CHECK(contains(line,
                 " -netdev stream,id=link2,server=off,reconnect-ms=1000,addr.type=unix,addr.path=/in/lan/2 -netdev "
                 "hubport,id=port2,hubid=0,netdev=link2 "));
  CHECK(contains(line, " virtio-net-pci,netdev=net0,mac=52:54:00:12:34:56 "));
  CHECK_FALSE(contains(line, "netdev user"));
  f.boot.lan->machine = 2;
  line = f.line();
  CHECK(contains(line, " -netdev stream,id=net0,server=on,addr.type=unix,addr.path=/in/lan/2 "));
  CHECK(contains(line, " virtio-net-pci,netdev=net0,mac=52:54:00:12:34:58 "));
  CHECK_FALSE(contains(line, "hub"));
  CHECK_FALSE(contains(line, "netdev user"));
}

TEST_CASE("UEFI gets variables of its own, writable and fresh each time") {
  Fixture f;
  f.boot.firmware = Firmware::Uefi;
  CHECK(contains(
      f.line(),
      "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/CODE.fd -drive if=pflash,format=raw,file=/build/vars.fd"));
  const fs::path vars = f.boot.scratch / "vars.fd";
  CHECK((fs::status(vars).permissions() & fs::perms::owner_write) != fs::perms::none);
  write_file_atomically(vars, "changed by the guest");
  f.line();
  CHECK(read_file(vars) == "variables");
}

TEST_CASE("credentials go in by file, whatever is in them") {
  Fixture f;
  f.boot.credentials = {{"a.b", "x,y='z'\n"}, {"c", std::string("\0\xff", 2)}};
  const std::string line = f.line();
  CHECK(contains(line, " -smbios type=11,path=/build/credential0 -smbios type=11,path=/build/credential1 "));
  CHECK(read_file(f.boot.scratch / "credential0") == "io.systemd.credential.binary:a.b=" + base64_encode("x,y='z'\n"));
  CHECK(read_file(f.boot.scratch / "credential1") == "io.systemd.credential.binary:c=AP8=");
}

TEST_CASE("a machine whose firmware QEMU does not run gets kernel, device tree and command line out of the image") {
  Fixture f;
  f.machine.disk = "sd";
  f.boot.firmware = Firmware::Kernel;
  f.boot.boot_partition = {.start = 1048576,
                           .kernel = "kernel.img",
                           .dtb = "zero.dtb",
                           .cmdline = "cmdline.txt",
                           .more_cmdline = "console=ttyAMA0",
                           .cmdline_limit = 100};
  f.boot.credentials = {{"a", "b"}};
  f.boot.drives = {"/images/a.tar"};
  write_file_atomically(f.boot.scratch / "cmdline", "root=PARTUUID=1-02 rw\n");
  run_machine(f.runner, f.machine, f.boot);
  REQUIRE(f.runner.commands.size() == 5);
  CHECK(contains(join(f.runner.commands[1].argv, " "), "mcopy -n -i /in/disk.img@@1048576 ::kernel.img /build/kernel"));
  CHECK(contains(join(f.runner.commands[2].argv, " "), "::zero.dtb /build/dtb"));
  const auto& argv = f.runner.commands[4].argv;
  CHECK(std::find(argv.begin(), argv.end(),
                  "root=PARTUUID=1-02 rw console=ttyAMA0 systemd.set_credential_binary=a:Yg==") != argv.end());
  const std::string line = join(argv, " ");
  CHECK(contains(line, "-drive if=sd,format=qcow2,"));
  CHECK(contains(line, "if=none,id=drive0,format=raw,readonly=on,file=/in/drive0 -device usb-storage,drive=drive0"));
  CHECK_FALSE(contains(line, "smbios"));
  CHECK(drive_name(f.machine, 1) == "sdb");
  CHECK(drive_name(Machine{}, 1) == "vdc");

  write_file_atomically(f.boot.scratch / "cmdline", std::string(80, 'x'));
  CHECK(contains(failure([&] { run_machine(f.runner, f.machine, f.boot); }), "of which the kernel reads 99"));
}

TEST_CASE("a machine that nobody sits at has a monitor to be asked by, one at a terminal has QEMU's own") {
  Fixture f;
  CHECK(contains(
      f.line(),
      " -chardev socket,id=monitor,path=/build/monitor,server=on,wait=off -mon chardev=monitor,mode=control "));
  f.boot.interactive = true;
  const std::string line = f.line();
  CHECK_FALSE(contains(line, "monitor"));
  CHECK(contains(line, " -display none -serial mon:stdio "));
  CHECK_FALSE(contains(line, "-no-reboot"));
  CHECK(f.runner.commands[1].log == f.boot.scratch / "qemu.log");
}

TEST_CASE("what QEMU says when it ends is in the result, and nothing of an earlier boot") {
  Fixture f;
  write_file_atomically(f.boot.scratch / "qemu.log", "of the boot before\n");
  write_file_atomically(f.boot.scratch / "console.log", "of the boot before\n");
  f.runner.log_text = "qemu-system-x86_64: could not load PC BIOS 'bios-256k.bin'\n";
  const MachineResult result = run_machine(f.runner, f.machine, f.boot);
  CHECK(result.message == "qemu-system-x86_64: could not load PC BIOS 'bios-256k.bin'");
  CHECK(result.stalled.empty());
  CHECK_FALSE(fs::exists(f.boot.scratch / "console.log"));
}

TEST_CASE("an SD card's size is a power of two") {
  CHECK(card_size(700ull << 20) == 1ull << 30);
  CHECK(card_size(1ull << 30) == 1ull << 30);
}

TEST_CASE("an overlay that cannot be made is an error, an emulator's exit code is an answer") {
  Fixture f;
  f.runner.exit_code = 1;
  CHECK(contains(failure([&] { run_machine(f.runner, f.machine, f.boot); }), "qemu-img"));
  CHECK(f.runner.commands.size() == 1);
}
