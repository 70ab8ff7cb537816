// Command lines for QEMU, and the probe for KVM.
#include "guest/qemu.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <chrono>

#include "guest/devices.hpp"
#include "process/sandbox.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

Command in_sandbox(const std::filesystem::path& tools, std::vector<std::string> argv, std::vector<SandboxBind> binds,
                   const std::filesystem::path& scratch, bool network, bool interactive) {
  binds.push_back({scratch, "/build", true});
  SandboxCommand command{.root = tools,
                         .argv = std::move(argv),
                         .environment = {},
                         .working_folder = "/build",
                         .binds = std::move(binds),
                         .network = network};
  command.interactive = interactive;
  return sandbox(command);
}

std::vector<std::string> machine_arguments(const Machine& machine, bool kvm) {
  std::vector<std::string> argv{"/usr/bin/" + machine.binary, "-machine", machine.model, "-accel", kvm ? "kvm" : "tcg"};
  if (!machine.cpu.empty()) argv.insert(argv.end(), {"-cpu", kvm ? "host" : machine.cpu});
  return argv;
}

/// Copies kernel, device tree and command line out of the image's boot partition, and returns QEMU's arguments for
/// them.
std::vector<std::string> kernel_arguments(CommandRunner& runner, const Boot& boot, std::stop_token stop) {
  const BootPartition& partition = boot.boot_partition;
  for (const auto& [source, target] :
       {std::pair{partition.kernel, "kernel"}, {partition.dtb, "dtb"}, {partition.cmdline, "cmdline"}}) {
    Command copy = in_sandbox(boot.tools,
                              {"/usr/bin/mcopy", "-n", "-i", fmt::format("/in/disk.img@@{}", partition.start),
                               "::" + source, std::string("/build/") + target},
                              {{boot.image, "/in/disk.img"}}, boot.scratch, false, false);
    copy.log = boot.scratch / "qemu.log";
    with_context("while taking " + source + " out of the boot partition",
                 [&] { run_checked(runner, copy, "mcopy", stop); });
  }
  std::string cmdline(trim(read_file(boot.scratch / "cmdline")));
  if (!partition.more_cmdline.empty()) cmdline += " " + partition.more_cmdline;
  for (const auto& [name, bytes] : boot.credentials)
    cmdline += " systemd.set_credential_binary=" + name + ":" + base64_encode(bytes);
  if (partition.cmdline_limit && cmdline.size() >= partition.cmdline_limit) {
    throw Error(ErrorKind::Usage,
                fmt::format("the kernel's command line has {} characters, of which the kernel reads {}", cmdline.size(),
                            partition.cmdline_limit - 1),
                "shorten kernel.cmdline or qemu.extra-cmdline");
  }
  return {"-kernel", "/build/kernel", "-dtb", "/build/dtb", "-append", cmdline};
}

/// The arguments for the disk, whose changes go to the overlay.
std::vector<std::string> disk_arguments(const Machine& machine, const Boot& boot) {
  const std::string overlay = "format=qcow2,file=/build/overlay.qcow2,cache=unsafe";
  const auto controller = controller_arguments(machine.disk, boot.sector_size);
  if (controller.empty()) return {"-drive", fmt::format("if={},{}", machine.sd_card() ? "sd" : "virtio", overlay)};
  std::vector<std::string> words{"-drive", "if=none,id=disk0," + overlay};
  words.insert(words.end(), controller.begin(), controller.end());
  return words;
}

/// The arguments for a further drive.
std::vector<std::string> drive_arguments(const Machine& machine, std::size_t index, const std::string& file) {
  const std::string drive = "format=raw,readonly=on,file=" + file;
  if (!machine.sd_card() && !machine.usb_disk()) return {"-drive", "if=virtio," + drive};
  // A USB stick, or a further unit of the USB disk.
  const std::string device =
      machine.sd_card() ? "usb-storage" : fmt::format("scsi-hd,bus=controller.0,lun={}", index + 1);
  return {"-drive", fmt::format("if=none,id=drive{},{}", index, drive), "-device",
          fmt::format("{},drive=drive{}", device, index)};
}

/// The arguments for netdev "net0" and the rest of the network.
std::vector<std::string> network_arguments(const Machine& machine, const Boot& boot) {
  if (!machine.no_network.empty()) return {};
  if (!boot.lan) {
    std::string netdev = "user,id=net0";
    // ipv6=off: without an answering name server, programs repeat their queries, and QEMU keeps a socket for each,
    // which it polls at each wake-up.
    if (boot.isolated) netdev += ",restrict=on,ipv6=off";
    for (const auto& forward : boot.forwards) netdev += ",hostfwd=" + forward;
    return {"-netdev", netdev};
  }
  const auto link = [](int machine) { return fmt::format("addr.type=unix,addr.path=/in/lan/{}", machine); };
  // QEMU blocks completely (processors and monitor too) while a socket that it accepted is full, but not for one that
  // it connected. A stopped worker must not block the machine with the switch, so that machine connects.
  if (boot.lan->machine > 0) return {"-netdev", "stream,id=net0,server=on," + link(boot.lan->machine)};
  // QEMU's hub connects this machine with each other machine, which may start later. QEMU's DHCP server cannot be part
  // of it: it would act as router for packets to other machines and reject them.
  std::vector<std::string> words{"-netdev", "hubport,id=net0,hubid=0"};
  for (int machine = 1; machine < boot.lan->machines; ++machine) {
    for (const auto& netdev : {fmt::format("stream,id=link{},server=off,reconnect-ms=1000,{}", machine, link(machine)),
                               fmt::format("hubport,id=port{0},hubid=0,netdev=link{0}", machine)})
      words.insert(words.end(), {"-netdev", netdev});
  }
  return words;
}

/// The board's devices. On a shared network each machine gets its own MAC address instead of QEMU's default.
std::vector<std::string> device_arguments(const Machine& machine, const Boot& boot) {
  std::vector<std::string> words = machine.arguments;
  for (auto& word : words) {
    if (boot.lan && word.ends_with("netdev=net0"))
      word += fmt::format(",mac=52:54:00:12:34:{:02x}", 0x56 + boot.lan->machine);
  }
  return words;
}

}  // namespace

Firmware parse_firmware(const std::string& name) {
  if (name == "bios") return Firmware::Bios;
  if (name == "uefi") return Firmware::Uefi;
  if (name == "kernel") return Firmware::Kernel;
  throw Error(ErrorKind::Usage, fmt::format("unknown firmware \"{}\"", name), "bios, uefi and kernel are known");
}

std::string drive_name(const Machine& machine, std::size_t index) {
  // The first virtio or USB disk is the machine's own, unless it has another controller.
  const char first = machine.disk == "virtio" || machine.usb_disk() ? 'b' : 'a';
  return (machine.sd_card() || machine.usb_disk() ? "sd" : "vd") + std::string(1, static_cast<char>(first + index));
}

std::uint64_t card_size(std::uint64_t bytes) { return std::bit_ceil(bytes); }

MachineResult run_machine(CommandRunner& runner, const Machine& machine, const Boot& boot, std::stop_token stop) {
  const auto log = boot.scratch / "qemu.log", console = boot.scratch / "console.log",
             monitor = boot.scratch / "monitor";
  for (const auto& file : {log, console, monitor}) std::filesystem::remove(file);  // files of an earlier boot
  const SandboxBind disk{boot.conversion.empty() ? boot.image : boot.conversion, "/in/disk.img"};
  if (!boot.again) {
    const std::string format = boot.conversion.empty() ? "raw" : boot.conversion_format;
    std::vector<std::string> create{
        "/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-F", format, "-b", disk.inside, "/build/overlay.qcow2"};
    if (boot.disk_size) create.push_back(std::to_string(boot.disk_size));
    Command overlay = in_sandbox(boot.tools, create, {disk}, boot.scratch, false, false);
    overlay.log = log;
    run_checked(runner, overlay, "qemu-img", stop);
  }

  std::vector<std::string> argv = machine_arguments(machine, boot.kvm);
  const auto add = [&](std::initializer_list<std::string> words) { argv.insert(argv.end(), words); };
  std::vector<SandboxBind> binds{disk};
  if (boot.kvm) binds.push_back({"/dev/kvm", "/dev/kvm", true, true});
  add({"-m", std::to_string(machine.memory_mib), "-smp", std::to_string(machine.cpus), "-nodefaults"});
  // A test counts a guest that restarts by itself as ended. A person may restart it.
  if (!boot.interactive) add({"-no-reboot"});
  const auto disk_words = disk_arguments(machine, boot);
  argv.insert(argv.end(), disk_words.begin(), disk_words.end());
  for (std::size_t i = 0; i < boot.drives.size(); ++i) {
    const std::string inside = fmt::format("/in/drive{}", i);
    binds.push_back({boot.drives[i], inside});
    const auto drive_words = drive_arguments(machine, i, inside);
    argv.insert(argv.end(), drive_words.begin(), drive_words.end());
  }
  if (boot.firmware == Firmware::Uefi) {
    std::filesystem::copy_file(boot.tools / machine.uefi_vars, boot.scratch / "vars.fd",
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::permissions(boot.scratch / "vars.fd", std::filesystem::perms::owner_write,
                                 std::filesystem::perm_options::add);
    add({"-drive", "if=pflash,format=raw,readonly=on,file=/" + machine.uefi_code, "-drive",
         "if=pflash,format=raw,file=/build/vars.fd"});
  }
  if (boot.lan) binds.push_back({boot.lan->folder, "/in/lan", true});
  for (const auto& words : {network_arguments(machine, boot), device_arguments(machine, boot)})
    argv.insert(argv.end(), words.begin(), words.end());
  if (boot.firmware == Firmware::Kernel) {
    const auto kernel = kernel_arguments(runner, boot, stop);
    argv.insert(argv.end(), kernel.begin(), kernel.end());
  }
  int number = 0;
  for (const auto& [name, bytes] : boot.credentials) {
    if (boot.firmware == Firmware::Kernel) break;  // no SMBIOS there
    // Passed in a file, because a value on the command line cannot contain commas and may be too long.
    const std::string file = fmt::format("credential{}", number++);
    write_file_atomically(boot.scratch / file, "io.systemd.credential.binary:" + name + "=" + base64_encode(bytes));
    add({"-smbios", "type=11,path=/build/" + file});
  }
  if (boot.interactive) {
    // -nographic would give the machine no serial port beside -nodefaults.
    add({"-display", "none", "-serial", "mon:stdio"});
  } else {
    add({"-display", "none", "-serial", "file:/build/console.log"});
    add({"-chardev", "socket,id=monitor,path=/build/monitor,server=on,wait=off", "-mon",
         "chardev=monitor,mode=control"});
  }
  Command command = in_sandbox(boot.tools, argv, std::move(binds), boot.scratch, boot.network, boot.interactive);
  command.log = log;
  command.timeout_seconds = boot.timeout_seconds;

  std::stop_source ending;
  const std::stop_callback interrupted(stop, [&] { ending.request_stop(); });
  StallWatch watch(boot.stall, console, monitor, [&] { ending.request_stop(); });
  if (!boot.interactive) command.started = [&](int pid) { watch.begin(pid); };
  const auto started = std::chrono::steady_clock::now();
  MachineResult result;
  try {
    static_cast<CommandResult&>(result) = runner.run(command, ending.get_token());
  } catch (const Error& error) {
    result.stalled = watch.description();
    if (error.kind() != ErrorKind::Interrupted || stop.stop_requested() || result.stalled.empty()) throw;
    result.exit_code = 128 + SIGTERM;
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  }
  result.message = tail_of(log, 20);
  return result;
}

bool probe_kvm(CommandRunner& runner, const Machine& machine, const std::filesystem::path& tools,
               const std::filesystem::path& scratch, std::string& why_not) {
  if (access("/dev/kvm", R_OK | W_OK) != 0) {
    why_not = std::filesystem::exists("/dev/kvm") ? "/dev/kvm may not be opened by this user" : "there is no /dev/kvm";
    return false;
  }
  if (machine.binary != "qemu-system-x86_64") {
    why_not = "the machine is of another architecture";
    return false;
  }
  if (!std::filesystem::exists(tools / "usr/bin" / machine.binary)) {
    why_not = "the tools tree has no " + machine.binary + " to try it with";
    return false;
  }
  // mov $0x10,%al; out %al,$0xf4: QEMU leaves with status (0x10 << 1) | 1.
  std::string sector(512, '\0');
  const unsigned char code[] = {0xb0, 0x10, 0xe6, 0xf4, 0xf4, 0xeb, 0xfd};
  std::copy(std::begin(code), std::end(code), sector.begin());
  sector[510] = static_cast<char>(0x55), sector[511] = static_cast<char>(0xaa);
  const auto disk = scratch / "kvm-probe.img";
  write_file_atomically(disk, sector);
  std::vector<std::string> argv = machine_arguments(machine, true);
  for (const char* word : {"-m", "64", "-nodefaults", "-display", "none", "-no-reboot", "-drive",
                           "if=ide,format=raw,file=/build/kvm-probe.img", "-device", "isa-debug-exit,iobase=0xf4"})
    argv.emplace_back(word);
  Command command = in_sandbox(tools, argv, {{"/dev/kvm", "/dev/kvm", true, true}}, scratch, false, false);
  command.log = scratch / "kvm-probe.log";
  command.timeout_seconds = 10;
  const CommandResult result = runner.run(command);
  if (result.exit_code == 33) return true;
  why_not = result.timed_out ? "/dev/kvm is there, but a guest that should leave at once hangs"
                             : fmt::format("/dev/kvm is there, but QEMU ends with {}: {}", result.exit_code,
                                           trim(tail_of(command.log, 1)));
  return false;
}

}  // namespace k8simg
