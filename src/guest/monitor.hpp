// Queries QEMU's monitor about a guest.
#pragma once

#include <filesystem>
#include <string>

namespace k8simg {

/// The answers of the monitor (QMP) at `socket`: the guest's state, registers, network and disks, in one or more lines.
/// Never throws and takes at most `seconds`; if the monitor cannot be reached or does not answer, the result says so.
std::string ask_monitor(const std::filesystem::path& socket, double seconds);

}  // namespace k8simg
