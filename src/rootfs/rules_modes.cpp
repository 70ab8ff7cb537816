// Rule modes: sets the modes and owners of [[rootfs.mode]], for files of overlays, because git stores neither.
#include <fmt/format.h>

#include <charconv>
#include <map>
#include <optional>

#include "rootfs/rules.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg::rootfs {

namespace {

/// The number in passwd(5) or group(5): the third field.
std::optional<std::uint32_t> number_of(const Assembly& assembly, const std::string& file, const std::string& name) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error == std::errc{} && end == name.data() + name.size() && number != UINT32_MAX)
    return number;  // -1 is not a valid number
  for (const auto& line : split(assembly.text(file), '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 3 || fields[0] != name) continue;
    const auto [last, failed] = std::from_chars(fields[2].data(), fields[2].data() + fields[2].size(), number);
    if (failed == std::errc{} && last == fields[2].data() + fields[2].size()) return number;
  }
  return std::nullopt;
}

std::uint32_t known_number(const Assembly& assembly, const PathMode& mode, const std::string& file,
                           const std::string& name) {
  if (const auto number = number_of(assembly, file, name)) return *number;
  throw Error(ErrorKind::Usage,
              fmt::format("rootfs.mode.path {}: owner \"{}\": /{} has no \"{}\"", mode.path, mode.owner, file, name),
              "use a name of the image, or a number")
      .about_setting("rootfs.mode", mode.path);
}

}  // namespace

void modes(Assembly& assembly) {
  for (const auto& mode : assembly.options.modes) {
    std::optional<std::uint32_t> user, group;
    if (const auto colon = mode.owner.find(':'); colon != std::string::npos) {
      user = known_number(assembly, mode, "etc/passwd", mode.owner.substr(0, colon));
      group = known_number(assembly, mode, "etc/group", mode.owner.substr(colon + 1));
    }
    bool matched = false;
    std::vector<std::pair<std::string, Node>> changed;
    for (const auto& [path, node] : assembly.tree.nodes()) {
      if (node.type == NodeType::Symlink || !glob_match(relative(mode.path), path)) continue;
      matched = true;
      Node copy = node;
      copy.mode = mode.mode;
      if (node.type == NodeType::Directory)
        copy.mode |= (mode.mode & 0444) >> 2;  // like chmod's X: read permission gives search permission
      if (user) copy.uid = *user, copy.gid = *group;
      changed.emplace_back(path, std::move(copy));
    }
    if (!matched)
      throw Error(
          ErrorKind::Usage, fmt::format("rootfs.mode.path {}: no file of the root filesystem matches", mode.path),
          "correct the path; it must be absolute, with /usr/bin, /usr/sbin and /usr/lib for /bin, /sbin and /lib")
          .about_setting("rootfs.mode", mode.path);
    for (auto& [path, node] : changed) assembly.tree.set(path, std::move(node));
  }
}

}  // namespace k8simg::rootfs
