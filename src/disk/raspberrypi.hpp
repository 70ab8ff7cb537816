// Checks config.txt, cmdline.txt and the files that they name by the rules of the Raspberry Pi's firmware.
#pragma once

#include <cstddef>
#include <string>

#include "disk/formats.hpp"

namespace k8simg {

/// COMMAND_LINE_SIZE of the kernel's architecture (arch/*/include/uapi/asm/setup.h): bytes, including the final zero.
std::size_t kernel_command_line_size(const std::string& kernel_arch);

/// Checks a boot partition if it has a config.txt. Error{Step} lists every mistake, one per line: "FILE:LINE: MESSAGE".
///
/// Format: "config.txt" in the Raspberry Pi documentation: KEY=VALUE, `include FILE`, `initramfs FILE ADDRESS`,
/// [filters], comments. Only 98 characters of a line are read. Checked files: the chosen start_file and fixup_file,
/// bootcode.bin, the kernel, device trees, overlays, initramfs, the command line. Names are compared as on FAT, without
/// regard to case. Settings after a filter are checked as if it applied.
///
/// Kernel: the firmware's documentation has no size limit, only the load address (0x8000, or 0x200000 with 64 bits).
/// The kernel's own requirements are checked: on arm, it is in the first 128 MiB (Documentation/arch/arm/booting.rst).
/// On both, the memory that its header states is available without the GPU's, and the file has the size that its header
/// states.
///
/// Command line: one line of at most kernel_command_line_size() bytes, less the final zero and 300 bytes for words that
/// the firmware adds.
void check_firmware_files(const Tree& boot, const Store& store, const BootTarget& target);

}  // namespace k8simg
