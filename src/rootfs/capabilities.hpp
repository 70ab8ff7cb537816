// Encodes the extended attribute security.capability.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace k8simg::rootfs {

/// "cap_net_raw+ep", "cap_a,cap_b=ep" (cap_from_text(3), without "-" and "all") as vfs_cap_data, version 2, 20 bytes;
/// nullopt if malformed.
std::optional<std::string> capability_attribute(std::string_view text);

}  // namespace k8simg::rootfs
