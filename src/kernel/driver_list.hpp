// Driver lists: the drivers of a board's kernel, with the hardware that they are for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernel/fragment.hpp"

namespace k8simg {

/// Reads a driver list, a TOML file of the project's own format:
///
///     [[driver]]
///     symbol = "CONFIG_E1000E"
///     module = "e1000e"                     # the name that lsmod and modules.builtin use
///     build = "module"                      # or "built-in"
///     hardware = "Intel 82571 to I219"
///     needs = ["CONFIG_NET_VENDOR_INTEL=y"] # further lines of the kernel configuration (=n: switched off)
///     firmware = "firmware-misc-nonfree"    # the Debian package with its firmware
///     qemu = "e1000e"                       # the device of QEMU that tests use it with
///     ids = ["pci 8086: 105e 10d3"]         # BUS VENDOR: DEVICES, or BUS: IDS
///
/// The requests are those of `symbol` and `needs`; their fragment is `name`, their line that of the entry. `needs` and
/// `symbol` cannot contradict an earlier entry. Error{Usage} lists all mistakes with FILE:LINE.
std::vector<KernelRequest> parse_driver_list(std::string_view text, const std::string& name);

}  // namespace k8simg
