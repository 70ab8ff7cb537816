// The usr-merge: members of bin/, sbin/ and the lib folders move below usr/, as base-files' symlinks expect.
#pragma once

#include "tree/tree.hpp"

namespace k8simg {

/// Moves members (and link groups) of bin, sbin, lib, lib32, lib64, libo32, libx32 to usr/...; those names stay only as
/// symlinks (base-files ships them). Folders join; equal nodes join; a symlink that would end up pointing at itself is
/// dropped, as the usrmerge package does. Symlink targets stay as they are, as with dpkg. Error{Resolve} when bin/x and
/// usr/bin/x differ.
Tree usr_merged(const Tree& tree);

/// The path after the merge: "bin/sh" gives "usr/bin/sh". "bin" itself stays.
std::string usr_merged_path(std::string_view path);

}  // namespace k8simg
