// `k8simg run NAME`: boots the built disk image in QEMU, with its console on this terminal.
#include <fmt/format.h>

#include "cli/machine.hpp"
#include "cli/verbs.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

void add_run(CLI::App& app, Options& options, Verb& run) {
  auto* verb =
      app.add_subcommand("run", "boot the built image in QEMU, console on this terminal (leave with Ctrl-A X)");
  struct Chosen {
    std::string name, firmware, disk_size, accel = "auto";
    Devices devices;
    int memory = 0, cpus = 0, ssh = 0;
  };
  auto chosen = std::make_shared<Chosen>();
  verb->add_option("defconfig", chosen->name, "name")->required();
  verb->add_option("--firmware", chosen->firmware, "bios, uefi or kernel (default: the board's first)");
  verb->add_option("--disk-size", chosen->disk_size,
                   "size of the machine's disk, such as 8G (default: twice the image)");
  verb->add_option("--memory", chosen->memory, "memory in MiB")->check(CLI::PositiveNumber);
  verb->add_option("--cpus", chosen->cpus, "number of processors")->check(CLI::PositiveNumber);
  verb->add_option("--ssh-port", chosen->ssh, "forward this port of 127.0.0.1 to the machine's SSH")
      ->check(CLI::Range(1, 65535));
  add_devices(*verb, chosen->devices);
  verb->add_option("--accel", chosen->accel, "auto, kvm or tcg")->check(CLI::IsMember({"auto", "kvm", "tcg"}));
  verb->add_option("--lock", options.lock_file, "the lock of the built image, if not defconfigs/NAME.lock");
  verb->callback([=, &run] {
    run = [=](Session& session) {
      const BuiltImage image = open_image(session, chosen->name, "run");
      const std::vector<std::string> firmware(chosen->firmware.empty() ? 0 : 1, chosen->firmware);
      Machine machine = image.config.qemu;
      use_devices(machine, chosen->devices);
      if (chosen->memory) machine.memory_mib = chosen->memory;
      if (chosen->cpus) machine.cpus = chosen->cpus;
      if (chosen->ssh && !machine.no_network.empty()) {
        throw Error(ErrorKind::Usage, fmt::format("the machine has no network for --ssh-port: {}", machine.no_network),
                    "log in on the console");
      }
      std::uint64_t disk_size = 2 * image.size;
      if (!chosen->disk_size.empty()) {
        const auto size = parse_size(chosen->disk_size);
        if (!size || *size < image.size)
          throw Error(ErrorKind::Usage,
                      fmt::format("--disk-size {}: not a size of at least the image's {}", chosen->disk_size,
                                  format_size(image.size)),
                      "write 8G or 16384M");
        disk_size = *size;
      }
      if (machine.power_of_two) disk_size = card_size(disk_size);
      const TempDir scratch(session.store().folder("scratch"), "run");
      Boot boot{.tools = image.tools,
                .image = image.disk,
                .sector_size = image.sector_size,
                .scratch = scratch.path(),
                .firmware = parse_firmware(firmware_of(image, firmware).at(0)),
                .boot_partition = image.boot_partition,
                .disk_size = disk_size,
                .kvm = choose_kvm(session, machine, image.tools, scratch.path(), chosen->accel),
                .interactive = true,
                .network = true};
      if (chosen->ssh) boot.forwards.push_back(fmt::format("tcp:127.0.0.1:{}-:22", chosen->ssh));
      session.reporter().message("changes are written to an overlay and are discarded at the end; leave with Ctrl-A X");
      const MachineResult result = run_machine(system_runner(), machine, boot, session.stop());
      if (result.exit_code == 0) return 0;
      Error error(ErrorKind::Step, fmt::format("QEMU ended with exit code {}", result.exit_code));
      if (!result.message.empty()) error.add_context("messages of QEMU:\n" + result.message);
      throw error;
    };
  });
}

}  // namespace k8simg
