// The machine that QEMU emulates, as the board describes it.
#pragma once

#include <string>
#include <vector>

namespace k8simg {

struct Machine {
  std::string binary, model, cpu;  ///< "qemu-system-x86_64", "q35", "max"
  int memory_mib = 0, cpus = 0;
  /// "virtio": all disks are virtio (/dev/vda, ...); "sd": the disk is an SD card and further drives are USB sticks
  /// (/dev/sda, ...); "usb": the disk and further drives are one USB device with several units (/dev/sda, ...), for
  /// machines with one USB port. With any other controller (guest/devices.hpp), further drives are virtio disks.
  std::string disk = "virtio";
  std::vector<std::string> arguments;  ///< further devices; the network device uses netdev "net0"
  std::vector<std::string> firmware;   ///< "bios", "uefi", "kernel" (take kernel and DTB from the boot partition): how
                                       ///< `test` boots, first is `run`'s default
  std::string uefi_code, uefi_vars;    ///< paths in the tools tree
  std::string dtb;                     ///< boot-partition path, for "kernel"
  std::string extra_cmdline;           ///< for "kernel"
  bool power_of_two = false;           ///< pad the overlay (SD cards)
  std::string no_network;              ///< why the machine has no network device; "" if it has one

  bool sd_card() const { return disk == "sd"; }
  bool usb_disk() const { return disk == "usb"; }
};

}  // namespace k8simg
