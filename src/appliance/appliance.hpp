// Verifies disk images with libguestfs, independently of the code that writes them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "process/command.hpp"

namespace k8simg {

/// The appliance that libguestfs boots: a folder with kernel, initrd, root and README.fixed ("fixed appliance" in
/// guestfs-internals(1)).
struct Appliance {
  std::filesystem::path folder;
  std::filesystem::path scratch;  ///< for temporary files
  bool kvm = false;               ///< false: the processor is emulated (TCG)
  /// Builds a cached appliance again, in place. ApplianceSession calls it when the appliance does not start: files in
  /// the cache may be damaged. Empty if the appliance was built by this process.
  std::function<void()> rebuild;
};

/// Builds the appliance with the kernel of a checked-out tools tree (boot/vmlinuz-VERSION, usr/lib/modules/VERSION).
/// supermin makes it in a sandbox from the packages that libguestfs depends on, in about half a minute; it is cached in
/// `cache` until the tools tree or the machine's packages change. Needs no root and neither kernel nor /lib/modules of
/// the host. Temporary files are in `scratch`, a folder of the same filesystem that is emptied even if this process is
/// killed. `runner` and `progress` outlive the result, whose `rebuild` uses them. Error{Usage}: no kernel in the tools
/// tree, or no supermin. Error{Step}: supermin or depmod failed.
Appliance prepare_appliance(CommandRunner& runner, const std::filesystem::path& tools,
                            const std::filesystem::path& cache, const std::filesystem::path& scratch, bool kvm,
                            const std::function<void(const std::string&)>& progress, std::stop_token stop = {});

struct VerifyReport {
  std::uint64_t partitions = 0, paths = 0, bytes = 0;  ///< bytes: of file content
  std::vector<std::string> differences;                ///< "root: /etc/passwd: mode 0644, manifest says 0600"
  bool ok() const { return differences.empty(); }
};

/// Verifies the partition table, runs fsck on every filesystem, and compares each path's type, mode, owner, time,
/// extended attributes (file capabilities), symlink target, device numbers and SHA-256 with manifest.json (described in
/// disk/manifest.hpp). Paths that the manifest does not list are differences. If the digest of the whole image
/// differs, boot code, both copies of the partition table, and bytes outside of partitions and paths are compared with
/// the manifest's areas, and the differing field or byte is named. The image is opened read-only and mounted without
/// replaying its journal. Error{Usage}: image or manifest missing or malformed. Error{Step}: libguestfs does not start.
VerifyReport verify_image(const std::filesystem::path& image, const std::filesystem::path& manifest,
                          const Appliance& appliance, const std::function<void(const std::string&)>& progress,
                          std::stop_token stop = {});

}  // namespace k8simg
