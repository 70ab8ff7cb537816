// How each filesystem is read back: its own check, and what it holds besides what the manifest names. Kept apart from
// the writers of image/ on purpose.
#pragma once

#include <string>

#include "appliance/contents.hpp"

namespace k8simg {

struct ReadableFilesystem {
  const char* name;
  const char* check;          ///< command, before the device; "": it has none
  const char* mount_options;  ///< to read what lies there
  bool has_owners = true;     ///< and modes and extended attributes
  /// Whether the tools that make the filesystem put this path into it by themselves.
  bool (*made_by_tools)(const std::string& path, const PathState& state);
};

/// Of one that the table does not know: without a check.
const ReadableFilesystem& readable_filesystem(const std::string& name);

}  // namespace k8simg
