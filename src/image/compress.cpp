// Compression of finished images with the tools tree's zstd, xz and gzip.
#include <fmt/format.h>

#include "image/image.hpp"
#include "util/error.hpp"

namespace k8simg {

// Both cut the input into jobs whose size depends on the level alone, so the output is the same with any number of
// threads; only the single-threaded modes differ, and these flags never choose them.
std::vector<std::string> compress_command(const std::string& method, int level, const std::string& input,
                                          const std::string& output) {
  if (method == "zstd")
    return {"/usr/bin/zstd", "-q", fmt::format("-{}", level), "-T0", "--no-progress", "-f", "-o", output, input};
  if (method == "xz") {
    return {"/bin/sh",
            "-euc",
            "exec /usr/bin/xz \"$1\" -T+0 --block-size=16MiB --stdout \"$2\" > \"$3\"",
            "sh",
            fmt::format("-{}", level),
            input,
            output};
  }
  // Without the name and time of what it compresses.
  if (method == "gzip")
    return {"/bin/sh", "-euc", "exec /usr/bin/gzip \"$1\" -n -c \"$2\" > \"$3\"", "sh", fmt::format("-{}", level),
            input,     output};
  throw Error(ErrorKind::Usage, fmt::format("unknown compression \"{}\"", method), "use zstd, xz, gzip or none");
}

}  // namespace k8simg
