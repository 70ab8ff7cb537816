// QEMU's monitor, asked over its socket what it says of a guest.
#pragma once

#include <filesystem>
#include <string>

namespace k8simg {

/// What the monitor (QMP) behind `socket` says: whether the guest runs, where its processors are, its network and its
/// disks; a line or several. Never throws and takes `seconds` at most: that it cannot be reached, or does not answer,
/// is an answer too.
std::string ask_monitor(const std::filesystem::path& socket, double seconds);

}  // namespace k8simg
