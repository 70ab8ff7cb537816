// Unpacks binary packages: a .deb's control files and data, without running anything. Format: deb(5), in ar(5).
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
  /// The package's files, without usr-merge and diversions.
  Tree data;
};

/// Every node gets `origin`: Origin::package(). File content goes into the store. Error{Fetch} naming the file and the
/// problem: not a .deb, truncated, a missing or damaged member, paths outside of the package, device files, names that
/// are too long, a package that unpacks to far more than its size, /DEBIAN among its files.
DebPackage read_deb(Store& store, const std::filesystem::path& deb, const Origin& origin);
/// The same for bytes in memory (fuzzed).
DebPackage read_deb_bytes(Store& store, std::string_view bytes, const Origin& origin,
                          const std::string& name_for_errors);

/// The package as one tree for the store: the data unchanged, and the control files as "DEBIAN/NAME".
Tree deb_tree(Store& store, const std::filesystem::path& deb, const Origin& origin);

/// Splits a tree of deb_tree().
DebPackage split_deb_tree(const Store& store, const Tree& tree);

}  // namespace k8simg
