// Makes the target's root filesystem from package trees, components and overlays. Rules model maintainer scripts, which
// are never run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "model/rootfs.hpp"
#include "tree/tree.hpp"

namespace k8simg {

/// A recognised part of a maintainer script.
struct ScriptBlock {
  /// "enable", "enable-user" (units that a new installation enables), "unit-state" (units that it does not enable),
  /// "service" (starts and restarts), "sysusers", "tmpfiles", "alternatives", "sysv", "conffile", "ldconfig",
  /// "triggers", "py3compile", "menu", "runit", "ucf".
  std::string kind;
  std::string tool;                ///< the name in debhelper's marker: "dh_installsystemd/13.24.1"
  std::vector<std::string> units;  ///< the relevant arguments: names of units, of tmpfiles, ...
};

struct ScriptAnalysis {
  std::vector<ScriptBlock> blocks;
  std::string remainder;  ///< normalised: without shebang, `set -e`, comments, blank lines, recognised blocks and
  ///< `exit 0`; "MULTIARCH" replaces multiarch tuples, so one judgement is for all architectures
  std::string remainder_sha256;  ///< hexadecimal; "" for an empty remainder
};
/// `script`: "preinst" or "postinst". prerm and postrm are not needed, because nothing is removed. Fuzzed.
ScriptAnalysis analyse_script(std::string_view text, const std::string& package, const std::string& script);

/// The tree of a package from debian/deb.hpp, with control members below DEBIAN/.
struct PackageTree {
  std::string name, version, architecture;
  Tree tree;
};
struct Layer {
  std::string name;
  Tree tree;
};  ///< "component:containerd", "overlay:base"

/// A line of /etc/fstab: a partition of the disk image, including the root filesystem.
struct DiskMount {
  std::string source, path, filesystem;  ///< "UUID=...", "/", "ext4"
  std::string options;                   ///< of the filesystem, separated by commas
  int fsck_pass = 0;                     ///< not for the root filesystem, which is always first
  bool grow = false;                     ///< grow it to its partition at boot (x-systemd.growfs)
};

struct RootfsOptions : RootfsConfig {
  std::string architecture, triplet;
  std::int64_t source_date_epoch = 0;
  std::vector<DiskMount> mounts;  ///< for /etc/fstab
};

/// Error{Resolve} lists each remainder without a judgement, with its text, its hash and what to do. Error{Usage} if a
/// judgement names an unknown rule or has no reason. The blobs of the scripts are in `store`.
void check_scripts(const Store& store, const std::vector<PackageTree>& packages,
                   const std::vector<Judgement>& judgements);

/// Merges packages in the order of their names after the usr-merge, then layers in the given order, then applies the
/// rules. Every node has its origin. Only the rule "modes" changes paths of layers. If two packages have the same file,
/// that of the package with a Replaces for the other is used, as in dpkg. Error{Usage} for undeclared collisions and an
/// unknown unit, alternative or time zone. Error{Resolve} for an account without a number.
Tree assemble_rootfs(Store& store, std::vector<PackageTree> packages, const std::vector<Layer>& layers,
                     const RootfsOptions& options, const std::function<void(const std::string&)>& log);

/// Makes a tools tree: merges packages in the same way and applies only the rules that it needs (usr-merge,
/// alternatives, mount points, accounts).
Tree assemble_tools(Store& store, std::vector<PackageTree> packages, const std::string& triplet);

}  // namespace k8simg
