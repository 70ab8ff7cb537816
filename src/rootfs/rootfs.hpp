// The target's root filesystem from package trees, components and overlays: maintainer scripts are modelled by rules, never run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tree/tree.hpp"

namespace k8simg {

/// A recognised part of a maintainer script.
struct ScriptBlock {
  std::string kind;                  ///< "deb-systemd-helper", "sysusers", "tmpfiles", "alternatives", "triggers", "ldconfig", "py3compile", ...
  std::string tool;                  ///< what debhelper wrote in its marker: "dh_installsystemd/13.24.1"
  std::vector<std::string> units;    ///< the arguments that matter: unit names, tmpfiles names, ...
};

struct ScriptAnalysis {
  std::vector<ScriptBlock> blocks;
  std::string remainder;             ///< normalised: shebang, `set -e`, comments, blank lines, recognised blocks and `exit 0` are out
  std::string remainder_sha256;      ///< hex; "" when nothing is left
};
/// `script` is preinst, postinst (prerm and postrm never matter: nothing is removed). Fuzzed.
ScriptAnalysis analyse_script(std::string_view text, const std::string& package, const std::string& script);

struct Judgement { std::string package, script, remainder, rule, reason; };  ///< see config/config.hpp

/// One package: the tree from debian/deb.hpp (control members below DEBIAN/).
struct PackageTree { std::string name, version, architecture; Tree tree; };
struct Layer { std::string name; Tree tree; };  ///< "component:containerd", "overlay:base"

struct RootfsOptions {
  std::string architecture, triplet;
  std::int64_t source_date_epoch = 0;
  std::vector<std::string> exclude, keep;                        ///< globs
  std::vector<std::pair<std::string, std::string>> replace;      ///< glob, reason
  std::string hostname, timezone;
  std::vector<std::string> authorized_keys;
  std::vector<std::string> enable_units, disable_units, mask_units;
  std::map<std::string, std::string> alternatives;
  std::vector<Judgement> judgements;
  std::string canonical() const;                                 ///< JSON with sorted keys: the step's parameters
};

/// Throws Error{Resolve} listing each remainder that no judgement covers, with its text and hash, and how to judge it.
void check_scripts(const std::vector<PackageTree>& packages, const std::vector<Judgement>& judgements);

/// Packages (in dependency-free, name order) are usr-merged, merged, then layers in order, then the rules; every node carries its origin.
Tree assemble_rootfs(Store& store, std::vector<PackageTree> packages, const std::vector<Layer>& layers, const RootfsOptions& options,
                     const std::function<void(const std::string&)>& log);

/// The tools tree: the same packages-as-data merge with only the rules a build root needs (usr-merge, sh, alternatives, mount points, no exclusions).
Tree assemble_tools(Store& store, std::vector<PackageTree> packages, const std::string& triplet, std::int64_t source_date_epoch);

}  // namespace k8simg
