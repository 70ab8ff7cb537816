// Moves paths below usr/.
#include "tree/usr_merge.hpp"

#include <array>

#include <fmt/format.h>

#include "tree/path.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace {

constexpr std::array<std::string_view, 7> merged_folders = {"bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"};

bool is_merged_folder(std::string_view name) {
  for (const auto folder : merged_folders) {
    if (name == folder) return true;
  }
  return false;
}

/// Whether a compatibility symlink such as usr/bin/x -> /bin/x would point at itself after the merge.
bool points_at_itself(const std::string& old_path, const std::string& path, const Node& node) {
  if (node.type != NodeType::Symlink || node.target.empty()) return false;
  auto target =
      node.target.front() == '/' ? node.target.substr(1) : std::string(parent_of(old_path)) + '/' + node.target;
  // ".." is resolved textually: the merged folders are real folders.
  std::string walked;
  while (!target.empty()) {
    const auto slash = target.find('/');
    const auto part = target.substr(0, slash);
    target = slash == target.npos ? std::string() : target.substr(slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      walked = parent_of(walked);
    } else {
      walked += walked.empty() ? part : '/' + part;
    }
  }
  const auto merged = usr_merged_path(walked);
  return merged == path && (merged != walked || path != old_path);
}

bool same_thing(const Node& first, const Node& second) {
  if (first.type != second.type) return false;
  if (first.type == NodeType::Directory) return true;
  if (first.type == NodeType::Symlink) return first.target == second.target;
  return first.mode == second.mode && first.uid == second.uid && first.gid == second.gid &&
         first.content == second.content && first.size == second.size && first.major == second.major &&
         first.minor == second.minor && first.xattrs == second.xattrs;
}

}  // namespace

std::string usr_merged_path(std::string_view path) {
  const auto slash = path.find('/');
  if (slash == path.npos || !is_merged_folder(path.substr(0, slash))) return std::string(path);
  return "usr/" + std::string(path);
}

Tree usr_merged(const Tree& tree) {
  Tree merged;
  for (const auto& [path, node] : tree.nodes()) {
    const bool folder_itself = is_merged_folder(path) && node.type == NodeType::Directory;
    auto new_path = folder_itself ? "usr/" + path : usr_merged_path(path);
    Node moved = node;
    if (!moved.link_group.empty()) moved.link_group = usr_merged_path(moved.link_group);
    if (points_at_itself(path, new_path, moved)) continue;  // only needed without merged /usr
    // Every merged folder sorts before "usr", so the present node came from the short name, and this one from usr/.
    if (const auto* present = merged.find(new_path); present != nullptr && !same_thing(*present, moved)) {
      throw Error(
          ErrorKind::Resolve,
          fmt::format("/{} ({}) and /{} ({}) differ, but have the same path in merged /usr", new_path.substr(4),
                      present->origin.text(), new_path, moved.origin.text()),
          "Exclude one of the two in the defconfig, or choose a version of the package that is made for merged /usr.");
    }
    merged.set(std::move(new_path), std::move(moved));
  }
  return merged;
}

}  // namespace k8simg
