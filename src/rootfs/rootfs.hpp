// Makes the target's root filesystem from package trees, components and overlays. Rules model maintainer scripts, which
// are never run.
#pragma once

#include <cstdint>
#include <filesystem>
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
  std::vector<DiskMount> mounts;               ///< for /etc/fstab
  std::map<std::string, std::string> trusted;  ///< certificates of authorities: file name without suffix → PEM
  std::vector<std::string> evaluate;           ///< packages whose scripts are evaluated where no judgement covers them
};

/// Runs components/maintscript: takes its request as JSON, and gives the folder with its result. The request names
/// contents of files by their place in the store's folder of blobs.
using ScriptEvaluator = std::function<std::filesystem::path(const std::string& request)>;

/// A script whose remainder has no judgement.
struct UnjudgedScript {
  std::string package, version, architecture, script;
  std::string remainder, remainder_sha256;
  bool changed = false;  ///< another text of it has a judgement
};

/// Scripts to evaluate, in the order of packages. Error{Usage} if a judgement names an unknown rule or has no reason.
/// The blobs of the scripts are in `store`.
std::vector<UnjudgedScript> unjudged_scripts(const Store& store, const std::vector<PackageTree>& packages,
                                             const std::vector<Judgement>& judgements);
/// Error{Resolve} lists each script that has no judgement and whose package is not in `evaluated`, with its remainder,
/// its hash and what to do.
void check_scripts(const Store& store, const std::vector<PackageTree>& packages,
                   const std::vector<Judgement>& judgements, const std::vector<std::string>& evaluated = {});

/// Merges packages in the order of their names after the usr-merge, then layers in the given order, then applies the
/// rules. Every node has its origin. Only the rule "modes" changes paths of layers. If two packages have the same file,
/// that of the package with a Replaces for the other is used, as in dpkg. Error{Usage} for undeclared collisions and an
/// unknown unit, alternative or time zone.
/// `evaluator` is needed if options.evaluate names packages. Error{Resolve} lists scripts that cannot be evaluated,
/// each with package, script, line and command.
Tree assemble_rootfs(Store& store, std::vector<PackageTree> packages, const std::vector<Layer>& layers,
                     const RootfsOptions& options, const std::function<void(const std::string&)>& log,
                     const ScriptEvaluator& evaluator = {});

/// Evaluates the scripts over the packages alone, without layers: what `k8simg lock` asks. Errors as above.
void evaluate_scripts(Store& store, std::vector<PackageTree> packages, const RootfsOptions& options,
                      const std::function<void(const std::string&)>& log, const ScriptEvaluator& evaluator);

/// Makes a tools tree: merges packages in the same way and applies only the rules that it needs (usr-merge,
/// alternatives, mount points, accounts).
Tree assemble_tools(Store& store, std::vector<PackageTree> packages, const std::string& triplet);

}  // namespace k8simg
