// Compression of finished images with the tools tree's zstd and xz.
#include <fmt/format.h>

#include "image/image.hpp"
#include "image/tool.hpp"
#include "util/error.hpp"

namespace k8simg {

Value compress_blob(const ImageTools& tools, const Value& blob, const std::string& method, int level) {
  StepContext& context = tools.context;
  std::vector<std::string> argv;
  // Both cut the input into jobs whose size depends on the level alone, so the output is the same with any number of threads; only the
  // single-threaded modes differ, and these flags never choose them.
  if (method == "zstd") {
    argv = {"/usr/bin/zstd", "-q", fmt::format("-{}", level), "-T0", "--no-progress", "-f", "-o", "/out/compressed", "/in/blob"};
  } else if (method == "xz") {
    argv = {"/bin/sh", "-euc", fmt::format("exec /usr/bin/xz -{} -T+0 --block-size=16MiB --stdout /in/blob > /out/compressed", level)};
  } else {
    throw Error(ErrorKind::Usage, fmt::format("unknown compression \"{}\"", method), "use zstd, xz or none");
  }
  const auto folder = context.scratch() / "out";
  std::filesystem::create_directory(folder);
  run_tool(tools, argv, {{context.store().path(blob.digest), "/in/blob"}, {folder, "/out", true}}, 0);
  return context.store().put_file(folder / "compressed", true);
}

}  // namespace k8simg
