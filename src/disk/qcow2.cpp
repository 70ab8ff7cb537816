// Output format qcow2: the disk format of QEMU and of most clouds, which does not store clusters of zeros.
#include "disk/formats.hpp"

namespace k8simg {

namespace {

std::vector<std::string> qcow2_command(int, const std::string& input, const std::string& output) {
  return {"/usr/bin/qemu-img", "convert", "-f", "raw", "-O", "qcow2", input, output};
}

/// "disk.img" → "disk.qcow2".
std::string qcow2_file(const std::string& disk) { return disk.substr(0, disk.rfind(".img")) + ".qcow2"; }

}  // namespace

extern const OutputFormat qcow2;
const OutputFormat qcow2{
    .rules = {.name = "qcow2", .kind = OutputKind::Conversion, .tool_set = "qemu", .package = "qemu-utils"},
    .file = qcow2_file,
    .command = qcow2_command};

}  // namespace k8simg
