// Finished images read back with libguestfs, independently of the code that wrote them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "process/command.hpp"

namespace k8simg {

/// What libguestfs boots: a folder with kernel, initrd, root and README.fixed ("fixed appliance" in
/// guestfs-internals(1)).
struct Appliance {
  std::filesystem::path folder;
  std::filesystem::path scratch;  ///< for what lies there while an image is read
  bool kvm = false;               ///< else the processor is emulated (TCG)
};

/// The appliance with the kernel of a checked-out tools tree (boot/vmlinuz-VERSION, usr/lib/modules/VERSION), made by
/// supermin in a sandbox from the packages that libguestfs depends on, and kept in `cache` until the kernel or the
/// machine's packages change: half a minute once. Needs no root and no kernel or /lib/modules of the host. What is made
/// on the way lies in `scratch`, a folder of the same filesystem that is emptied even if this process is killed.
/// Error{Usage}: no kernel in the tools tree, or no supermin. Error{Step}: supermin or depmod failed.
Appliance prepare_appliance(CommandRunner& runner, const std::filesystem::path& tools,
                            const std::filesystem::path& cache, const std::filesystem::path& scratch, bool kvm,
                            const std::function<void(const std::string&)>& progress, std::stop_token stop = {});

struct VerifyReport {
  std::uint64_t partitions = 0, paths = 0, bytes = 0;  ///< bytes: of file content
  std::vector<std::string> differences;                ///< "root: /etc/passwd: mode 0644, manifest says 0600"
  bool ok() const { return differences.empty(); }
};

/// Partition table, fsck of every filesystem, then each path's type, mode, owner, time, extended attributes (file
/// capabilities), link target, device numbers and SHA-256 against manifest.json (image/manifest.hpp describes it);
/// paths that the manifest does not name are differences too, and so is a digest of the whole image other than the
/// manifest's: then boot code, both copies of the partition table, and what belongs to no partition or no path are
/// compared with the manifest's areas, and the field or byte that differs is named. The image is opened read-only and
/// mounted without replaying its journal. Error{Usage}: image or manifest missing or malformed. Error{Step}: libguestfs
/// does not start.
VerifyReport verify_image(const std::filesystem::path& image, const std::filesystem::path& manifest,
                          const Appliance& appliance, const std::function<void(const std::string&)>& progress,
                          std::stop_token stop = {});

}  // namespace k8simg
