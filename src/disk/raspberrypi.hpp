// What the firmware of a Raspberry Pi would stumble over, found without running it: config.txt, cmdline.txt and the
// files that they name.
#pragma once

#include <cstddef>
#include <string>

#include "disk/formats.hpp"

namespace k8simg {

/// COMMAND_LINE_SIZE of the kernel's architecture (arch/*/include/uapi/asm/setup.h): bytes, the final zero included.
std::size_t kernel_command_line_size(const std::string& kernel_arch);

/// Checks a boot partition if it has a config.txt. Throws Error{Step} that lists every mistake, a line each:
/// "FILE:LINE: what is wrong".
///
/// Format: "config.txt" in the Raspberry Pi documentation: KEY=VALUE, `include FILE`, `initramfs FILE ADDRESS`,
/// [filters], comments; what lies beyond 98 characters of a line is not read. Files: the start_file and fixup_file that
/// are chosen, bootcode.bin, the kernel, device trees, overlays, initramfs, the command line. Names are compared as FAT
/// does, without regard to case. Settings below a filter are checked as if it applied.
///
/// Kernel: no limit to its size is documented for the firmware, only where it is loaded (0x8000, or 0x200000 with 64
/// bits). Checked instead is what the kernel asks for: on arm, to lie in the first 128 MiB
/// (Documentation/arch/arm/booting.rst); on both, to have the memory that its header says, beside the GPU's; and to be
/// as long as its header says.
///
/// Command line: kernel_command_line_size() less the final zero and 300 that the firmware's own words may take; one
/// line.
void check_firmware_files(const Tree& boot, const Store& store, const BootTarget& target);

}  // namespace k8simg
