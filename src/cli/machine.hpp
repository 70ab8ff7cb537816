// Common parts of `run` and `test`: the built disk image of a defconfig, and the machine of its board.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/session.hpp"
#include "guest/qemu.hpp"
#include "tree/tree.hpp"

namespace CLI {
class App;
}

namespace k8simg {

struct BuiltImage {
  Config config;
  std::filesystem::path disk;   ///< output/NAME/disk.img
  std::filesystem::path tools;  ///< checked-out tools tree of the set "qemu"
  std::string kernel_release;   ///< from manifest.json
  std::int64_t epoch = 0;
  std::uint64_t size = 0;           ///< of the disk, in bytes
  std::uint64_t sector_size = 512;  ///< bytes of a logical sector of the disk
  std::uint64_t root_size = 0;      ///< of its root partition, in bytes
  Tree root;                        ///< the root filesystem's tree
  BootPartition boot_partition;     ///< for boards whose firmware QEMU does not run
};
/// Error{Usage} with the hint `k8simg build NAME` if the image does not exist. `verb`: for the error message if the
/// defconfig is an architecture.
BuiltImage open_image(Session& session, const std::string& defconfig, const std::string& verb);

/// The ways in which the machine starts from this disk: `chosen` if there are any, otherwise those of the board.
/// Error{Usage} for a BIOS and a disk whose sectors it cannot read, and if no way is left.
std::vector<std::string> firmware_of(const BuiltImage& image, const std::vector<std::string>& chosen);

/// Devices of the emulated machine instead of the board's; "" for the board's.
struct Devices {
  std::string disk, network_card;
};
/// Adds --disk and --network-card.
void add_devices(CLI::App& verb, Devices& devices);
void use_devices(Machine& machine, const Devices& devices);

/// Whether KVM is used. `wish`: "auto", "kvm" or "tcg". Reports why "auto" does not use KVM.
bool choose_kvm(Session& session, const Machine& machine, const std::filesystem::path& tools,
                const std::filesystem::path& scratch, const std::string& wish);

}  // namespace k8simg
