// Reads the locks of a defconfig from their files.
#include <fmt/format.h>

#include "lock/lock.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

ToolsLock load_tools_lock(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return {};
  return ToolsLock::parse(read_file(file), file.filename().string());
}

Lock load_lock(const std::filesystem::path& file, const std::filesystem::path& tools_file) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored))
    throw Error(ErrorKind::Usage,
                fmt::format("{} is missing: it has the packages and modules of the build", file.string()),
                fmt::format("make it with `k8simg lock {}`", file.stem().string()));
  Lock lock = Lock::parse(read_file(file), file.filename().string());
  if (std::filesystem::is_regular_file(tools_file, ignored)) lock.tools = load_tools_lock(tools_file);
  return lock;
}

}  // namespace k8simg
