// Merged /usr: members of bin/, sbin/ and the lib folders move below usr/, as base-files' symlinks expect.
#pragma once

#include "tree/tree.hpp"

namespace k8simg {

/// Moves members (and link groups) of bin, sbin, lib, lib32, lib64, libo32, libx32 to usr/...; those names remain only
/// as symlinks (base-files has them). Folders and equal nodes are joined. A symlink that would point at itself is
/// removed, as by the usrmerge package. Symlink targets are not changed, as with dpkg. Error{Resolve} when bin/x and
/// usr/bin/x differ.
Tree usr_merged(const Tree& tree);

/// The path in merged /usr: "bin/sh" gives "usr/bin/sh". "bin" itself stays.
std::string usr_merged_path(std::string_view path);

}  // namespace k8simg
