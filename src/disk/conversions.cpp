// Output formats qcow2, vmdk and vhdx: disk images of virtual machines, which do not store ranges of zeros. qemu-img
// of the tools tree writes them.
#include <fmt/format.h>

#include "disk/formats.hpp"
#include "disk/identify.hpp"

namespace k8simg {

namespace {

/// qemu-img's command line. `options`: of the format, for -o; "" for none.
std::vector<std::string> convert(const char* format, const std::string& options, const std::string& input,
                                 const std::string& output) {
  std::vector<std::string> argv{"/usr/bin/qemu-img", "convert", "-f", "raw", "-O", format};
  if (!options.empty()) argv.insert(argv.end(), {"-o", options});
  argv.insert(argv.end(), {input, output});
  return argv;
}

/// "disk.img" → "disk.qcow2".
std::string with_suffix(const std::string& disk, const char* suffix) {
  return disk.substr(0, disk.rfind(".img")) + suffix;
}

/// Both formats present a disk with sectors of 512 bytes: a VMDK has no field for their size, and QEMU reads and writes
/// no VHDX with others.
DiskMistakes check_sectors(const DiskConfig& disk, const char* format) {
  if (disk.sector_size == 512) return {};
  return {{"", "formats",
           fmt::format("has \"{}\", whose disks have sectors of 512 bytes, but disk.sector-size is {}", format,
                       disk.sector_size)}};
}

DiskMistakes check_vmdk(const DiskConfig& disk) { return check_sectors(disk, "vmdk"); }
DiskMistakes check_vhdx(const DiskConfig& disk) { return check_sectors(disk, "vhdx"); }

}  // namespace

extern const OutputFormat qcow2, vmdk, vhdx;
const OutputFormat qcow2{
    .rules = {.name = "qcow2", .kind = OutputKind::Conversion, .tool_set = "qemu", .package = "qemu-utils"},
    .file = [](const std::string& disk) { return with_suffix(disk, ".qcow2"); },
    .command = [](int, const std::string& input,
                  const std::string& output) { return convert("qcow2", "", input, output); }};
// The adapter is the one that VMware gives new Linux machines. QEMU's default is IDE.
const OutputFormat vmdk{
    .rules = {.name = "vmdk",
              .kind = OutputKind::Conversion,
              .tool_set = "qemu",
              .package = "qemu-utils",
              .check = check_vmdk},
    .file = [](const std::string& disk) { return with_suffix(disk, ".vmdk"); },
    .command = [](int, const std::string& input,
                  const std::string& output) { return convert("vmdk", "adapter_type=lsilogic", input, output); },
    .identify = identify_vmdk};
// Blocks of 1 MiB are Microsoft's advice for Linux, whose filesystems are spread over the disk. Larger ones store more
// zeros.
const OutputFormat vhdx{
    .rules = {.name = "vhdx",
              .kind = OutputKind::Conversion,
              .tool_set = "qemu",
              .package = "qemu-utils",
              .check = check_vhdx},
    .file = [](const std::string& disk) { return with_suffix(disk, ".vhdx"); },
    .command = [](int, const std::string& input,
                  const std::string& output) { return convert("vhdx", "block_size=1M", input, output); },
    .identify = identify_vhdx};

}  // namespace k8simg
