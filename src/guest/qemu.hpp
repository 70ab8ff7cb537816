// Runs an image in QEMU: the emulator from the tools tree, in the sandbox, with an overlay so that the image is not
// changed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "guest/stall.hpp"
#include "model/machine.hpp"
#include "process/command.hpp"

namespace k8simg {

/// Kernel: QEMU does not emulate the machine's firmware. It starts the kernel, with device tree and command line from
/// the boot partition.
enum class Firmware { Bios, Uefi, Kernel };
/// "bios", "uefi", "kernel"; Error{Usage} naming the known ones.
Firmware parse_firmware(const std::string& name);

/// The files of the image for Firmware::Kernel.
struct BootPartition {
  std::uint64_t start = 0;  ///< bytes from the start of the disk
  std::string kernel, dtb,
      cmdline;               ///< paths on the FAT filesystem; `cmdline`: a file whose text is the kernel's command line
  std::string more_cmdline;  ///< additional parameters for QEMU
  std::size_t cmdline_limit = 0;  ///< maximum size of the kernel's command line, including the final zero byte
};

/// A private network of several machines, without DHCP.
struct Lan {
  std::filesystem::path
      folder;  ///< with a socket for each machine except the first, which has the switch and connects to them
  int machine = 0, machines = 0;  ///< index and number of machines
};

struct Boot {
  std::filesystem::path tools;         ///< checked-out tools tree
  std::filesystem::path image;         ///< raw disk image, opened read-only
  std::uint64_t sector_size = 512;     ///< bytes of a logical sector of the disk
  std::filesystem::path conversion{};  ///< the same disk in another format, used as the disk; empty: `image` is
  std::string conversion_format{};     ///< QEMU's name of that format: "vmdk"
  std::filesystem::path scratch;       ///< writable folder: overlay, firmware variables, console.log
  Firmware firmware = Firmware::Bios;
  BootPartition boot_partition{};  ///< for Firmware::Kernel
  std::uint64_t disk_size = 0;  ///< size of the overlay in bytes, for growing the root filesystem; 0: the image's size
  bool kvm = false;
  bool interactive = false;  ///< console on this terminal; otherwise in scratch/console.log
  bool network = false;      ///< user-mode NAT to the host's network; otherwise to the sandbox, which has none
  bool isolated = false;     ///< DHCP assigns only an address, no router and no name server; not with `network`
  std::vector<std::string> forwards;  ///< "tcp:127.0.0.1:2222-:22", with `network`
  std::optional<Lan> lan;             ///< instead of a separate network
  std::map<std::string, std::string>
      credentials;  ///< systemd credentials (name → bytes), through SMBIOS type 11 or the kernel's command line
  std::vector<std::filesystem::path> drives;  ///< further raw disks, read-only, named by drive_name()
  double timeout_seconds = 0;
  StallLimits stall{};  ///< when to give up an idle guest; not with `interactive`
  bool again = false;   ///< reuse the overlay of the previous boot in the same `scratch`
};

/// The guest's name of drive `index` (from 0): "vdb", "vda" beside a disk on another controller, "sda" with an SD card,
/// or "sdb" with a USB disk.
std::string drive_name(const Machine& machine, std::size_t index);

/// The next valid size of an emulated SD card: a power of two.
std::uint64_t card_size(std::uint64_t bytes);

struct MachineResult : CommandResult {
  std::string stalled;  ///< why the guest was given up, with the monitor's answers, several lines; "" if it was not
  std::string message;  ///< the last lines of QEMU's standard error
};

/// Creates the overlay and runs QEMU until the guest powers off. Throws like CommandRunner; a timeout and a stalled
/// guest are part of the result.
MachineResult run_machine(CommandRunner& runner, const Machine& machine, const Boot& boot, std::stop_token stop = {});

/// Whether KVM can execute guest code: boots a sector that exits through the debug-exit port, within 10 s. An existing
/// /dev/kvm is not sufficient. Otherwise `why_not` has the reason.
bool probe_kvm(CommandRunner& runner, const Machine& machine, const std::filesystem::path& tools,
               const std::filesystem::path& scratch, std::string& why_not);

}  // namespace k8simg
