// The table of filesystems that are read back.
#include "appliance/filesystems.hpp"

namespace k8simg {

namespace {

bool ext4_made(const std::string& path, const PathState& state) {
  return path == "/lost+found" && state.type == "directory" && state.mode == 0700u && state.uid == 0u &&
         state.gid == 0u && state.xattrs.empty();
}
bool vfat_made(const std::string& path, const PathState& state) {
  return path.ends_with("/ldlinux.sys") && state.type == "file";
}
bool nothing_made(const std::string&, const PathState&) { return false; }

constexpr ReadableFilesystem readable[] = {
    // "noload": the journal is not replayed.
    {"ext4", "e2fsck -f -n ", "ro,noload", true, ext4_made},
    {"vfat", "fsck.fat -n ", "ro", false, vfat_made},
};
constexpr ReadableFilesystem other{"", "", "ro", true, nothing_made};

}  // namespace

const ReadableFilesystem& readable_filesystem(const std::string& name) {
  for (const ReadableFilesystem& each : readable)
    if (name == each.name) return each;
  return other;
}

}  // namespace k8simg
