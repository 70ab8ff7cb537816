// The arguments of QEMU for disk controllers and network cards. QEMU's documentation: "Device Emulation"; the
// properties of each device: `qemu-system-x86_64 -device NAME,help`.
#include "guest/devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

struct Controller {
  std::vector<std::string> devices;  ///< arguments of -device
  const char* model = "";            ///< the machine that has the controller, if not the board's
  bool power_of_two = false;         ///< SD cards
  bool of_board = false;             ///< only a board can choose it
};

Controller scsi(const std::string& adapter) {
  return {{adapter + ",id=controller", "scsi-hd,bus=controller.0,drive=disk0,bootindex=0"}};
}

const std::map<std::string, Controller>& controllers() {
  static const std::map<std::string, Controller> list{
      {"virtio", {}},
      {"ide", {{"ide-hd,bus=ide.0,drive=disk0,bootindex=0"}, "pc"}},
      {"ahci", {{"ich9-ahci,id=controller", "ide-hd,bus=controller.0,drive=disk0,bootindex=0"}}},
      {"nvme", {{"nvme,drive=disk0,serial=k8simg,bootindex=0"}}},
      {"virtio-scsi", scsi("virtio-scsi-pci")},
      {"pvscsi", scsi("pvscsi")},
      {"lsi53c895a", scsi("lsi53c895a")},
      {"mptsas1068", scsi("mptsas1068")},
      {"megasas", scsi("megasas")},
      {"megasas-gen2", scsi("megasas-gen2")},
      {"sdhci-pci", {{"sdhci-pci,id=controller", "sd-card,drive=disk0"}, "", true}},
      {"usb-storage", {{"qemu-xhci,id=usb", "usb-storage,bus=usb.0,drive=disk0,bootindex=0"}}},
      {"usb-uas",
       {{"qemu-xhci,id=usb", "usb-uas,id=controller,bus=usb.0", "scsi-hd,bus=controller.0,drive=disk0,bootindex=0"}}},
      // On the port itself: QEMU's hubs, which it adds for further devices, are slow ones of USB 1.1.
      {"usb", {{"usb-bot,id=controller,port=1", "scsi-hd,bus=controller.0,lun=0,drive=disk0"}, "", false, true}},
  };
  return list;
}

}  // namespace

std::vector<std::string> controller_arguments(const std::string& controller, std::uint64_t sector_size) {
  std::vector<std::string> arguments;
  const auto found = controllers().find(controller);
  if (found == controllers().end() || (found->second.devices.empty() && sector_size == 512)) return arguments;
  std::vector<std::string> devices = found->second.devices;
  if (devices.empty()) devices = {"virtio-blk-pci,drive=disk0,bootindex=0"};
  if (sector_size != 512) {
    std::string& disk = devices.back();
    if (disk.starts_with("ide-") || disk.starts_with("sd-"))
      throw Error(
          ErrorKind::Usage,
          fmt::format("QEMU's {} has only disks with sectors of 512 bytes, the image has {}", controller, sector_size),
          "choose another --disk, such as nvme");
    disk += fmt::format(",logical_block_size={0},physical_block_size={0}", sector_size);
  }
  for (const auto& device : devices) arguments.insert(arguments.end(), {"-device", device});
  return arguments;
}

std::vector<std::string> disk_controllers() {
  std::vector<std::string> names;
  for (const auto& [name, controller] : controllers())
    if (!controller.of_board) names.push_back(name);
  return names;
}

void use_disk(Machine& machine, const std::string& controller) {
  const auto found = controllers().find(controller);
  if (found == controllers().end() || found->second.of_board)
    throw Error(ErrorKind::Usage, fmt::format("unknown disk controller \"{}\"", controller),
                "the known ones are: " + join(disk_controllers(), ", "));
  if (machine.sd_card() || machine.usb_disk()) {
    throw Error(ErrorKind::Usage,
                fmt::format("the disk of this board is {}", machine.sd_card() ? "an SD card" : "a USB disk"),
                "leave the disk controller out");
  }
  if (*found->second.model && machine.binary != "qemu-system-x86_64") {
    throw Error(ErrorKind::Usage,
                fmt::format("QEMU has the controller {} in its machine \"{}\" alone, and {} has no such machine",
                            controller, found->second.model, machine.binary),
                "choose another disk controller, such as nvme");
  }
  machine.disk = controller;
  if (*found->second.model) machine.model = found->second.model;
  machine.power_of_two = found->second.power_of_two;
}

void use_network_card(Machine& machine, const std::string& device) {
  const auto card = std::find_if(machine.arguments.begin(), machine.arguments.end(),
                                 [](const std::string& word) { return word.ends_with("netdev=net0"); });
  if (card == machine.arguments.end())
    throw Error(ErrorKind::Usage, "the board's qemu.arguments have no network card to replace",
                "a card is a device that ends with \"netdev=net0\"");
  if (device.starts_with("usb-")) {
    *card = device + ",bus=usbnet.0,netdev=net0";
    machine.arguments.insert(card - 1, {"-device", "qemu-xhci,id=usbnet"});
  } else {
    *card = device + ",netdev=net0";
  }
}

}  // namespace k8simg
