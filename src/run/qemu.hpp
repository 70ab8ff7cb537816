// A finished image in QEMU: the emulator from the tools tree, in the sandbox, over an overlay that leaves the image
// untouched.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "process/command.hpp"
#include "run/stall.hpp"

namespace k8simg {

/// The machine, as the board describes it.
struct Machine {
  std::string binary, model, cpu;  ///< "qemu-system-x86_64", "q35", "max"
  int memory_mib = 0, cpus = 0;
  bool sd_card = false;  ///< the disk is an SD card and further drives are USB sticks (/dev/sda, ...); else all are
                         ///< virtio (/dev/vda, ...)
  std::vector<std::string> arguments;  ///< devices; the network device uses netdev "net0"
  std::string uefi_code, uefi_vars;    ///< paths in the tools tree
};

/// Kernel: QEMU does not run the machine's own firmware and starts the kernel itself, taken with device tree and
/// command line from the boot partition.
enum class Firmware { Bios, Uefi, Kernel };
/// "bios", "uefi", "kernel"; Error{Usage} naming the known ones.
Firmware parse_firmware(const std::string& name);

/// What Firmware::Kernel takes out of the image.
struct BootPartition {
  std::uint64_t start = 0;  ///< bytes from the start of the disk
  std::string kernel, dtb,
      cmdline;               ///< paths on the FAT filesystem; `cmdline`: a file whose text is the kernel's command line
  std::string more_cmdline;  ///< words that only QEMU needs
  std::size_t cmdline_limit = 0;  ///< bytes that the kernel reads of its command line, the final zero included
};

/// A network that several machines share: nobody else reaches it, and it has no address to give.
struct Lan {
  std::filesystem::path
      folder;  ///< of all its machines: a socket for each but the first, which has the switch and connects to them
  int machine = 0, machines = 0;  ///< which of how many
};

struct Boot {
  std::filesystem::path tools;    ///< checked-out tools tree
  std::filesystem::path image;    ///< raw disk image, opened read-only
  std::filesystem::path scratch;  ///< writable folder: overlay, firmware variables, console.log
  Firmware firmware = Firmware::Bios;
  BootPartition boot_partition{};  ///< for Firmware::Kernel
  std::uint64_t disk_size = 0;     ///< bytes of the overlay (0: the image's): a larger disk for it to grow into
  bool kvm = false;
  bool interactive = false;  ///< console on this terminal; else to scratch/console.log
  bool network = false;  ///< user-mode NAT to the network of the host; else the same inside the sandbox, which has none
  bool isolated =
      false;  ///< a DHCP server that gives an address and nothing else: no router, no name server; not with `network`
  std::vector<std::string> forwards;  ///< "tcp:127.0.0.1:2222-:22", with `network`
  std::optional<Lan> lan;             ///< instead of a network of its own
  std::map<std::string, std::string>
      credentials;  ///< systemd credentials (name → bytes), through SMBIOS type 11 or the kernel's command line
  std::vector<std::filesystem::path> drives;  ///< further raw disks, read-only, named by drive_name()
  double timeout_seconds = 0;
  StallLimits stall{};  ///< when a guest that does nothing is given up; not with `interactive`
  bool again = false;   ///< the same disk as in the boot before, with all that it wrote; `scratch` must be the same
};

/// The guest's name of drive `index` (from 0): "vdb", or "sda" beside an SD card.
std::string drive_name(const Machine& machine, std::size_t index);

/// The next size that an emulated SD card can have: a power of two.
std::uint64_t card_size(std::uint64_t bytes);

struct MachineResult : CommandResult {
  std::string
      stalled;  ///< why the guest was given up, with what QEMU's monitor said, several lines; "" when it was not
  std::string message;  ///< the last lines that QEMU itself wrote to its standard error
};

/// Makes the overlay and runs QEMU until the guest powers off. Throws as CommandRunner does; a time-out and a stalled
/// guest are in the result.
MachineResult run_machine(CommandRunner& runner, const Machine& machine, const Boot& boot, std::stop_token stop = {});

/// Whether KVM really executes guest code here: boots a sector that leaves through the debug-exit port, within 10 s.
/// /dev/kvm being there proves nothing. `why_not` says what happened otherwise.
bool probe_kvm(CommandRunner& runner, const Machine& machine, const std::filesystem::path& tools,
               const std::filesystem::path& scratch, std::string& why_not);

}  // namespace k8simg
