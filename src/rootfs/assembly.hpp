// The root filesystem while rules are applied: the tree, its packages and its accounts.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/paragraph.hpp"
#include "rootfs/rootfs.hpp"

namespace k8simg::rootfs {

struct Package {
  std::string name, version, architecture;
  Origin origin;
  std::shared_ptr<const std::string> control_text;  ///< the control file
  ControlParagraph control;                         ///< views into control_text
  std::map<std::string, std::string> members;       ///< the other control members: "postinst", "conffiles", ...
  ScriptAnalysis preinst, postinst;
  Tree data;  ///< after the usr-merge

  /// The base name of its info files, as in dpkg: with ":amd64" for Multi-Arch: same.
  std::string file_name() const;
};

struct User {
  std::string name;
  std::uint32_t uid = 0, gid = 0;
  std::string comment, home, shell, password;
  bool aged = false;     ///< has the ageing fields that shadowconfig writes for base-passwd's accounts
  bool expired = false;  ///< "u!" in sysusers.d: fully locked
};
struct Group {
  std::string name;
  std::uint32_t gid = 0;
  std::vector<std::string> members;
};

/// A file that two packages have, until a script of one of them diverts it (dpkg-divert(1)).
struct Contested {
  std::string path;
  std::string first, second;  ///< names of the packages; the tree has the file of the first
  Node node;                  ///< of the second
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
  std::vector<Contested> contested = {};  ///< until the rule scripts

  /// Some script of the package is evaluated.
  bool evaluates(std::string_view package) const;
  const Package* package(std::string_view name) const;
  const User& user(const std::string& name) const;  ///< Error{Internal} if no rule created it
  const Group& group(const std::string& name) const;
  /// Text of a file, follows symlinks; "" if it does not exist.
  std::string text(std::string_view path) const;
  bool exists(std::string_view path) const;  ///< follows symlinks inside the tree
  /// Whether it comes from a component, an overlay, the kernel or a board. Rules do not change such a path.
  bool from_layer(std::string_view path) const;
  /// Whether the defconfig's globs exclude it. `keep` takes precedence; paths of layers are never excluded.
  bool excluded(std::string_view path) const;

  /// These write a node for the rule `rule` unless the path is from a layer. They create missing parents and replace
  /// the node of a package.
  void file(const std::string& rule, const std::string& path, std::string_view content, std::uint32_t mode = 0644,
            std::uint32_t uid = 0, std::uint32_t gid = 0);
  void link(const std::string& rule, const std::string& path, const std::string& target);
  void folder(const std::string& rule, const std::string& path, std::uint32_t mode = 0755, std::uint32_t uid = 0,
              std::uint32_t gid = 0);
  /// The same if the path does not exist, like install_from_default of the scripts.
  void file_if_absent(const std::string& rule, const std::string& path, std::string_view content,
                      std::uint32_t mode = 0644, std::uint32_t uid = 0, std::uint32_t gid = 0);
  void link_if_absent(const std::string& rule, const std::string& path, const std::string& target);
  void folder_if_absent(const std::string& rule, const std::string& path, std::uint32_t mode = 0755,
                        std::uint32_t uid = 0, std::uint32_t gid = 0);
  /// Sets owner and mode of a path if it exists.
  void own(std::string_view path, std::uint32_t mode, std::uint32_t uid, std::uint32_t gid);

 private:
  void set(const std::string& rule, const std::string& path, Node node);
};

/// Removes the leading slash: "/usr/bin/x" → "usr/bin/x".
std::string relative(std::string_view path);

/// Separates control members (DEBIAN/) from data, applies the usr-merge and sorts packages by name. Error{Fetch} for a
/// package without a control file, or with a malformed one.
std::vector<Package> take_apart(const Store& store, std::vector<PackageTree> packages);
struct MergedPackages {
  Tree tree;
  std::vector<Contested> contested;
};
/// Merges all packages. Replaces resolves collisions. `may_divert`: whether scripts of a package are evaluated; a
/// collision of such a package is left for them. Other collisions are errors.
MergedPackages merge_packages(const std::vector<Package>& packages,
                              const std::function<bool(const std::string& package)>& may_divert);
/// Error{Usage} that lists these paths.
[[noreturn]] void throw_contested(const Assembly& assembly, const std::vector<Contested>& contested);

}  // namespace k8simg::rootfs
