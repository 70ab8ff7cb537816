// Locks: the packages of a defconfig and its tools, with size and SHA-256. Paths are relative to a mirror and never
// contain a host.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lock/tool_set.hpp"
#include "util/digest.hpp"

namespace k8simg {

/// A suite whose name ends in "/" is a flat repository: its indexes are in that folder of the mirror; "./" and "/" name
/// the mirror itself. Others are folders below dists/.
inline bool is_flat_suite(std::string_view suite) { return suite.ends_with('/'); }

struct LockedSuite {
  std::string repository;  ///< the mirror: "debian" or "debian-security"
  std::string suite;       ///< "trixie"
  std::int64_t date = 0;   ///< Date of its InRelease: the archive mirror (snapshot) of this date has the packages
  Digest inrelease;        ///< SHA-256 of the verified signed file: InRelease, or Release
};

struct LockedPackage {
  std::string name, version, architecture;  ///< as in the control fields; architecture may be "all"
  std::string source;                       ///< source package name
  std::string repository, suite;            ///< "" for a file of the project
  std::string path;        ///< "pool/main/s/systemd/systemd_257.9-1_amd64.deb"; of a file, in the project
  std::uint64_t size = 0;  ///< bytes of the .deb
  Digest sha256;
  /// A date at which its suite had the package: the archive mirror (snapshot) of this date has it. Written only if it
  /// differs from the lock's date.
  std::int64_t date = 0;
  /// A file of the project (packages.files). It has no date.
  bool is_file() const { return repository.empty(); }
  bool operator==(const LockedPackage&) const = default;
};

struct LockedComponent {
  std::string name, version;
  Digest go_mod, go_sum;  ///< SHA-256 of the files in git, which name every module with its hash
};

struct LockedToolSet {
  ToolSet asked;                      ///< its packages are sorted
  std::vector<std::string> packages;  ///< sorted names of ToolsLock::packages: requested ones and their dependencies
};

/// File: defconfigs/tools.lock, JSON. The packages of the build tools for all defconfigs, each in one version.
struct ToolsLock {
  std::int64_t date = 0;  ///< newest suite date at the time of locking
  std::vector<LockedSuite> suites;
  std::vector<LockedToolSet>
      sets;  ///< sorted by name, then by request: boards may request different packages for one name
  std::vector<LockedPackage> packages;  ///< sorted by name

  std::string serialise() const;
  /// Like Lock::parse. Also an error: a set that names a missing package. Fuzzed.
  static ToolsLock parse(std::string_view text, const std::string& name);

  /// The set locked for this request; nullptr when there is none.
  const LockedToolSet* find(const ToolSet& asked) const;
  /// Error{Internal} when it does not exist.
  const LockedPackage& package(const std::string& name) const;
};

/// Whether the packages, sorted by name, include one.
bool has_package(const std::vector<LockedPackage>& packages, const std::string& name);

/// File: defconfigs/NAME.lock, JSON with one package per line, sorted by name, for readable diffs.
struct Lock {
  std::string defconfig;
  std::int64_t date = 0;  ///< newest suite date of the last full update: the default SOURCE_DATE_EPOCH
  std::vector<LockedSuite> suites;
  std::vector<std::string> without_suites;  ///< suites left out on request, sorted
  std::vector<std::string> evaluated;       ///< packages whose maintainer scripts are evaluated, sorted
  std::vector<LockedPackage> target;        ///< sorted by name
  /// Packages of the target's architecture that are not installed: boot files come from them. Sorted by name.
  std::vector<LockedPackage> boot;
  std::vector<LockedComponent> components;
  ToolsLock tools;  ///< from tools.lock

  /// Without `tools`.
  std::string serialise() const;
  /// Error{Usage} naming `name`, line and field; for a newer format the hint is to use a newer k8simg. Also reads
  /// format 1, which has the tools: their packages are in `tools`, without sets. Fuzzed.
  static Lock parse(std::string_view text, const std::string& name);
};

/// An empty lock if the file does not exist.
ToolsLock load_tools_lock(const std::filesystem::path& file);
/// Loads both files. Error{Usage} with the hint `k8simg lock NAME` when `file` is missing.
Lock load_lock(const std::filesystem::path& file, const std::filesystem::path& tools_file);

/// The reasons for new or changed packages: name → "needed by htop".
using Reasons = std::map<std::string, std::string>;
/// The changes between two locks: "systemd 257.8-1 → 257.9-1 (REASON)", "+ foo 1.2 (REASON)", "- bar"; for tools
/// "tools: gcc ...".
std::vector<std::string> describe_changes(const Lock& before, const Lock& after, const Reasons& target = {},
                                          const Reasons& tools = {});

/// The first suite that is older than in `before`: the mirror is outdated or hides updates. nullptr when there is none.
const LockedSuite* first_older_suite(const std::vector<LockedSuite>& before, const std::vector<LockedSuite>& now);
/// The format of dates in locks: "2026-09-12T07:55:41Z".
std::string format_lock_date(std::int64_t seconds);

}  // namespace k8simg
