// Finished images read back with libguestfs, independently of the code that wrote them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "process/command.hpp"

namespace k8simg {

/// What libguestfs boots its appliance with, all from the tools tree.
struct Appliance {
  std::filesystem::path kernel;           ///< SUPERMIN_KERNEL: a Debian kernel image
  std::string kernel_version;             ///< "6.12.57+deb13-amd64"
  std::filesystem::path modules;          ///< SUPERMIN_MODULES: .../lib/modules/VERSION with depmod's files
  std::filesystem::path cache;            ///< where the built appliance is kept
};

struct VerifyReport {
  std::uint64_t partitions = 0, paths = 0, bytes = 0;
  std::vector<std::string> differences;   ///< "root: /etc/passwd: mode 0644, manifest says 0600"
  bool ok() const { return differences.empty(); }
};

/// Partition table, fsck of every filesystem, then each path's type, mode, owner, capabilities, link target, device numbers and SHA-256 against manifest.json
/// (image/manifest.hpp describes it); paths that the manifest does not name are differences too. Error{Usage}: image or manifest missing or unreadable.
VerifyReport verify_image(const std::filesystem::path& image, const std::filesystem::path& manifest, const Appliance& appliance,
                          const std::function<void(const std::string&)>& progress);

}  // namespace k8simg
