// What `run` and `test` share: the built image of a defconfig and the machine that its board describes.
#pragma once

#include <filesystem>
#include <string>

#include "cli/session.hpp"
#include "guest/qemu.hpp"
#include "tree/tree.hpp"

namespace k8simg {

struct BuiltImage {
  Config config;
  std::filesystem::path disk;   ///< output/NAME/disk.img
  std::filesystem::path tools;  ///< checked-out tools tree of the set "qemu"
  std::string kernel_release;   ///< from manifest.json
  std::int64_t epoch = 0;
  std::uint64_t size = 0;        ///< bytes of the disk
  std::uint64_t root_size = 0;   ///< bytes of its root partition
  Tree root;                     ///< the root filesystem's tree
  BootPartition boot_partition;  ///< for boards whose firmware QEMU does not run
};
/// Error{Usage} naming `k8simg build NAME` when the image is not there.
/// `verb`: what is to be done with it, for the error when the defconfig is of an architecture.
BuiltImage open_image(Session& session, const std::string& defconfig, const std::string& verb);

/// "auto", "kvm" or "tcg"; says when it falls back, and why.
bool choose_kvm(Session& session, const Machine& machine, const std::filesystem::path& tools,
                const std::filesystem::path& scratch, const std::string& wish);

}  // namespace k8simg
