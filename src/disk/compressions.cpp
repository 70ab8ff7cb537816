// Output formats zstd, xz and gzip: compress disk images with programs of the tools tree.
//
// zstd and xz split the input into jobs whose size depends only on the level, so the output is the same with any number
// of threads. Only the single-threaded modes differ, which these flags never select.
#include <fmt/format.h>

#include "disk/formats.hpp"

namespace k8simg {

namespace {

std::vector<std::string> zstd_command(int level, const std::string& input, const std::string& output) {
  return {"/usr/bin/zstd", "-q", fmt::format("-{}", level), "-T0", "--no-progress", "-f", "-o", output, input};
}

/// For programs that only write to standard output.
std::vector<std::string> shell_command(const char* program, int level, const std::string& input,
                                       const std::string& output) {
  return {"/bin/sh", "-euc", program, "sh", fmt::format("-{}", level), input, output};
}

std::vector<std::string> xz_command(int level, const std::string& input, const std::string& output) {
  return shell_command("exec /usr/bin/xz \"$1\" -T+0 --block-size=16MiB --stdout \"$2\" > \"$3\"", level, input,
                       output);
}

/// Stores no name and no time of the input.
std::vector<std::string> gzip_command(int level, const std::string& input, const std::string& output) {
  return shell_command("exec /usr/bin/gzip \"$1\" -n -c \"$2\" > \"$3\"", level, input, output);
}

DiskMistakes check_zstd(const DiskConfig& disk) {
  if (disk.compress_level >= 1 && disk.compress_level <= 19) return {};
  return {{"", "compress", "is \"zstd\", which needs disk.compress-level from 1 to 19"}};
}
DiskMistakes check_xz(const DiskConfig& disk) {
  if (disk.compress_level <= 9) return {};
  return {{"", "compress-level", "must be from 0 to 9 for xz"}};
}

}  // namespace

extern const OutputFormat zstd, xz, gzip;
const OutputFormat zstd{.rules = {.name = "zstd", .tool_set = "compression", .check = check_zstd},
                        .file = [](const std::string& disk) { return disk + ".zst"; },
                        .command = zstd_command};
const OutputFormat xz{.rules = {.name = "xz", .tool_set = "compression", .check = check_xz},
                      .file = [](const std::string& disk) { return disk + ".xz"; },
                      .command = xz_command};
const OutputFormat gzip{
    .rules = {.name = "gzip", .kind = OutputKind::Archive, .tool_set = "compression", .check = nullptr},
    .file = [](const std::string& archive) { return archive + ".gz"; },
    .command = gzip_command};

}  // namespace k8simg
