// Checks paths of a project. A symlink in a foreign project could name any file of the user who builds it, for reading,
// writing or removal.
#include "util/inside.hpp"

#include <algorithm>
#include <system_error>

#include "util/error.hpp"

namespace k8simg {

namespace fs = std::filesystem;

namespace {

bool starts_with(const fs::path& path, const fs::path& root) {
  return std::mismatch(root.begin(), root.end(), path.begin(), path.end()).first == root.end();
}

}  // namespace

bool is_inside(const fs::path& relative) {
  if (relative.empty() || relative.is_absolute()) return false;
  return std::none_of(relative.begin(), relative.end(),
                      [](const fs::path& part) { return part.empty() || part == "." || part == ".."; });
}

fs::path inside(const fs::path& root, const fs::path& relative, const std::string& hint) {
  if (!is_inside(relative))
    throw Error(ErrorKind::Usage, "\"" + relative.string() + "\" does not name anything inside " + root.string(),
                "write a relative path without \"..\"");
  std::error_code error;
  const fs::path real_root = fs::weakly_canonical(root, error);
  fs::path walked = root;
  for (const auto& part : relative) {
    walked /= part;
    if (!fs::is_symlink(fs::symlink_status(walked, error))) continue;
    // A dangling symlink is refused too: its target may be created later.
    const fs::path target = fs::canonical(walked, error);
    if (error || !starts_with(target, real_root))
      throw Error(ErrorKind::Usage,
                  walked.string() + " is a symbolic link that points outside of " + root.string() + ", to " +
                      fs::read_symlink(walked, error).string(),
                  hint);
  }
  return root / relative;
}

}  // namespace k8simg
