// The root filesystem while rules work on it: the tree, the packages it came from, and the accounts.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "rootfs/control.hpp"
#include "rootfs/rootfs.hpp"

namespace k8simg::rootfs {

struct Package {
  std::string name, version, architecture;
  Origin origin;
  Paragraph control;
  std::map<std::string, std::string> members;  ///< control members: "postinst", "conffiles", ...
  ScriptAnalysis preinst, postinst;
  Tree data;  ///< after the usr-merge

  /// dpkg's rule for the names of info files: "libc6:amd64" for Multi-Arch: same.
  std::string file_name() const;
};

struct User {
  std::string name;
  std::uint32_t uid = 0, gid = 0;
  std::string comment, home, shell, password;
  bool aged = false;     ///< base-passwd's accounts carry the ageing fields that shadowconfig writes
  bool expired = false;  ///< sysusers' "u!": fully locked
};
struct Group {
  std::string name;
  std::uint32_t gid = 0;
  std::vector<std::string> members;
};

struct Assembly {
  Store& store;
  const RootfsOptions& options;
  std::function<void(const std::string&)> log;
  std::vector<Package> packages;  ///< by name
  Tree tree;
  std::vector<User> users;
  std::vector<Group> groups;
  ScriptEvaluator evaluator = {};
  /// Units that evaluated scripts enable or mask.
  std::vector<std::string> enable = {}, enable_user = {}, mask = {};

  /// Some script of the package is evaluated.
  bool evaluates(std::string_view package) const;
  const Package* package(std::string_view name) const;
  const User& user(const std::string& name) const;  ///< Error{Internal} when no rule made it
  const Group& group(const std::string& name) const;
  /// Text of a file, symlinks followed; "" when absent.
  std::string text(std::string_view path) const;
  bool exists(std::string_view path) const;  ///< symlinks followed inside the tree
  /// Given by a component, an overlay, the kernel or a board: rules leave it alone.
  bool from_layer(std::string_view path) const;
  /// The defconfig's globs drop it (`keep` wins; layers are never dropped).
  bool excluded(std::string_view path) const;

  /// Write a node for rule `rule` unless a layer gave the path; missing parents are made. A package's node is replaced.
  void file(const std::string& rule, const std::string& path, std::string_view content, std::uint32_t mode = 0644,
            std::uint32_t uid = 0, std::uint32_t gid = 0);
  void link(const std::string& rule, const std::string& path, const std::string& target);
  void folder(const std::string& rule, const std::string& path, std::uint32_t mode = 0755, std::uint32_t uid = 0,
              std::uint32_t gid = 0);
  /// The same, only when nothing is there: what the scripts call install_from_default.
  void file_if_absent(const std::string& rule, const std::string& path, std::string_view content,
                      std::uint32_t mode = 0644, std::uint32_t uid = 0, std::uint32_t gid = 0);
  void link_if_absent(const std::string& rule, const std::string& path, const std::string& target);
  void folder_if_absent(const std::string& rule, const std::string& path, std::uint32_t mode = 0755,
                        std::uint32_t uid = 0, std::uint32_t gid = 0);
  /// Owner and mode of a path that is there; does nothing when it is not.
  void own(std::string_view path, std::uint32_t mode, std::uint32_t uid, std::uint32_t gid);

 private:
  void set(const std::string& rule, const std::string& path, Node node);
};

/// Leading slash off, "/usr/bin/x" → "usr/bin/x".
std::string relative(std::string_view path);

/// Takes the packages apart (control members out of DEBIAN/, usr-merge) and sorts them by name.
std::vector<Package> take_apart(const Store& store, std::vector<PackageTree> packages);
/// One tree of all packages; collisions are settled by Replaces or thrown.
Tree merge_packages(std::vector<Package>& packages);

}  // namespace k8simg::rootfs
