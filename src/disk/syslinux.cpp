// Boot method syslinux: starts PCs with a BIOS from a FAT partition. The board lists its menu and modules in
// [[boot.files]].
#include "disk/formats.hpp"
#include "disk/tool.hpp"

namespace k8simg {

namespace {

/// The mtools build of syslinux writes into the image file, so it needs neither a mount nor root.
void install_syslinux(const ImageTools& tools, const SandboxBind& image, const std::string& folder,
                      std::int64_t epoch) {
  run_tool(tools, {"/usr/bin/syslinux", "--install", "--directory", folder, image.inside}, {image}, epoch);
}

}  // namespace

extern const BootMethod syslinux;
const BootMethod syslinux{.name = "syslinux", .install = install_syslinux};

}  // namespace k8simg
