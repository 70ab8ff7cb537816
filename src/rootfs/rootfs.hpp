// The target's root filesystem from package trees, components and overlays: maintainer scripts are modelled by rules,
// never run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tree/tree.hpp"

namespace k8simg {

/// A recognised part of a maintainer script.
struct ScriptBlock {
  /// "enable", "enable-user" (units that a new installation enables), "unit-state" (units that it leaves alone),
  /// "service" (starts and restarts), "sysusers", "tmpfiles", "alternatives", "sysv", "conffile", "ldconfig",
  /// "triggers", "py3compile", "menu", "runit", "ucf".
  std::string kind;
  std::string tool;                ///< what debhelper wrote in its marker: "dh_installsystemd/13.24.1"
  std::vector<std::string> units;  ///< the arguments that matter: unit names, tmpfiles names, ...
};

struct ScriptAnalysis {
  std::vector<ScriptBlock> blocks;
  std::string remainder;  ///< normalised: shebang, `set -e`, comments, blank lines, recognised blocks and `exit 0` are
                          ///< out; multiarch tuples read "MULTIARCH", so that one judgement serves every architecture
  std::string remainder_sha256;  ///< hex; "" when nothing is left
};
/// `script` is preinst, postinst (prerm and postrm never matter: nothing is removed). Fuzzed.
ScriptAnalysis analyse_script(std::string_view text, const std::string& package, const std::string& script);

struct Judgement {
  std::string package, script, remainder, rule, reason;
};  ///< see config/config.hpp

/// One package: the tree from debian/deb.hpp (control members below DEBIAN/).
struct PackageTree {
  std::string name, version, architecture;
  Tree tree;
};
struct Layer {
  std::string name;
  Tree tree;
};  ///< "component:containerd", "overlay:base"

/// One line of /etc/fstab: a partition of the disk image. The root filesystem is among them.
struct DiskMount {
  std::string source, path, filesystem;  ///< "UUID=...", "/", "ext4"
  std::string options;                   ///< of the filesystem, between commas
  int fsck_pass = 0;                     ///< of all but the root filesystem, which comes first
  bool grow = false;                     ///< grown to its partition at boot (x-systemd.growfs)
};

struct RootfsOptions {
  std::string architecture, triplet;
  std::int64_t source_date_epoch = 0;
  std::vector<std::string> exclude, keep;                    ///< globs
  std::vector<std::pair<std::string, std::string>> replace;  ///< glob, reason
  struct Mode {
    std::string path;        ///< glob
    std::uint32_t mode = 0;  ///< permission bits
    std::string owner;       ///< "user:group" or ""
  };
  std::vector<Mode> modes;  ///< applied when all else is done, in order
  std::string hostname, timezone;
  std::vector<std::string> authorized_keys;
  std::vector<std::string> enable_units, disable_units, mask_units;
  std::map<std::string, std::string> alternatives;
  std::vector<DiskMount> mounts;  ///< for /etc/fstab
  std::vector<Judgement> judgements;
  std::vector<std::string> evaluate;           ///< packages whose scripts are evaluated where no judgement covers them
  std::map<std::string, std::string> answers;  ///< to debconf's questions
};

/// Runs components/maintscript: takes its request as JSON, and gives the folder with its result. The request names
/// contents of files by their place in the store's folder of blobs.
using ScriptEvaluator = std::function<std::filesystem::path(const std::string& request)>;

/// A script with something left that no judgement covers.
struct UnjudgedScript {
  std::string package, version, architecture, script;
  std::string remainder, remainder_sha256;
  bool changed = false;  ///< another text of it was judged
};

/// Scripts to evaluate, in the order of packages. Error{Usage} when a judgement names a rule that does not exist or
/// says neither rule nor reason. The blobs of the scripts are in `store`.
std::vector<UnjudgedScript> unjudged_scripts(const Store& store, const std::vector<PackageTree>& packages,
                                             const std::vector<Judgement>& judgements);
/// Throws Error{Resolve} listing each script that is neither judged nor of a package in `evaluated`.
void check_scripts(const Store& store, const std::vector<PackageTree>& packages,
                   const std::vector<Judgement>& judgements, const std::vector<std::string>& evaluated = {});

/// Packages (in dependency-free, name order) are usr-merged, merged, then layers in order, then the rules; every node
/// carries its origin. What a layer gives is never changed by a rule but [[rootfs.mode]]. Two packages with the same
/// file: the one whose Replaces names the other wins, as with dpkg. Throws Error{Usage} for undeclared collisions, an
/// unknown unit, alternative or time zone; Error{Resolve} for an account without a number.
/// `evaluator` is needed if options.evaluate names packages; Error{Resolve} lists scripts that cannot be evaluated,
/// each with package, script, line and command.
Tree assemble_rootfs(Store& store, std::vector<PackageTree> packages, const std::vector<Layer>& layers,
                     const RootfsOptions& options, const std::function<void(const std::string&)>& log,
                     const ScriptEvaluator& evaluator = {});

/// Evaluates the scripts over the packages alone, without layers: what `k8simg lock` asks. Errors as above.
void evaluate_scripts(Store& store, std::vector<PackageTree> packages, const RootfsOptions& options,
                      const std::function<void(const std::string&)>& log, const ScriptEvaluator& evaluator);

/// A tools tree: the same packages-as-data merge with only the rules a build root needs (usr-merge, alternatives, mount
/// points, accounts, no exclusions).
Tree assemble_tools(Store& store, std::vector<PackageTree> packages, const std::string& triplet);

}  // namespace k8simg
