// Disk controllers and network cards of emulated PCs, for tests of the kernel's drivers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/machine.hpp"

namespace k8simg {

/// QEMU's arguments that connect the drive with the id "disk0" to a controller of this name, as the first device that
/// the firmware tries. Empty for "sd", and for "virtio" with sectors of 512 bytes: they need only the drive itself.
/// `sector_size`: bytes of a logical sector. Error{Usage} if it is not 512 and the controller has only these.
std::vector<std::string> controller_arguments(const std::string& controller, std::uint64_t sector_size);

/// Names that use_disk() knows: "virtio", "ide", "ahci", "nvme", ...
std::vector<std::string> disk_controllers();

/// Connects the machine's disk to another controller. Only for PCs with PCI.
/// Error{Usage} for a name that is not in disk_controllers(), for "ide" and a machine that is no PC, and for a machine
/// without PCI, whose disk is an SD card or a USB disk.
void use_disk(Machine& machine, const std::string& controller);

/// Replaces the machine's network card by another of QEMU's devices ("e1000", "rtl8139"). "usb-net" is connected to a
/// USB controller. Error{Usage} if the machine's arguments have no card with netdev "net0".
void use_network_card(Machine& machine, const std::string& device);

}  // namespace k8simg
