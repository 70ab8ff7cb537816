// Binary packages as data: a .deb's control members and its files, unpacked without running anything. Format: deb(5),
// with ar(5) around it.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "store/store.hpp"
#include "tree/tree.hpp"

namespace k8simg {

struct DebPackage {
  /// "control", "preinst", "postinst", "conffiles", "triggers", "md5sums", ...: name → content.
  std::map<std::string, std::string> control_files;
  /// The files as the package ships them: no usr-merge, no diversions.
  Tree data;
};

/// `origin` is given to every node: Origin::package(). File content goes into the store.
/// Error{Fetch} naming the file and what is wrong: not a .deb, cut short, a missing or damaged member, paths that leave
/// the package.
DebPackage read_deb(Store& store, const std::filesystem::path& deb, const Origin& origin);
/// The same for bytes in memory (fuzzed).
DebPackage read_deb_bytes(Store& store, std::string_view bytes, const Origin& origin,
                          const std::string& name_for_errors);

/// The whole package as the one tree that a build step stores: the data as it is, the control members as files
/// "DEBIAN/NAME". A package that ships /DEBIAN itself is refused: Error{Fetch}.
Tree deb_tree(Store& store, const std::filesystem::path& deb, const Origin& origin);

/// A tree from deb_tree() taken apart again.
DebPackage split_deb_tree(const Store& store, const Tree& tree);

}  // namespace k8simg
