// The locks: every package that a defconfig and its tools are made of, with size and SHA-256; paths are relative to a
// mirror, never a host.
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

struct LockedSuite {
  std::string repository;  ///< "debian" or "debian-security": which mirror root
  std::string suite;       ///< "trixie"
  std::int64_t date = 0;   ///< its InRelease's Date: dates the archive mirror (snapshot) that still has these packages
  Digest inrelease;        ///< SHA-256 of the signed file that was checked
};

struct LockedPackage {
  std::string name, version, architecture;  ///< as in the control fields; architecture may be "all"
  std::string source;                       ///< source package name
  std::string repository, suite;
  std::string path;        ///< "pool/main/s/systemd/systemd_257.9-1_amd64.deb"
  std::uint64_t size = 0;  ///< bytes of the .deb
  Digest sha256;
  /// When its suite certainly had it: the archive mirror (snapshot) of this date still does. In the file only when it
  /// is not the lock's own date.
  std::int64_t date = 0;
  bool operator==(const LockedPackage&) const = default;
};

struct LockedComponent {
  std::string name, version;
  Digest go_mod, go_sum;  ///< SHA-256 of the committed files, which name every module with its hash
};

struct LockedToolSet {
  ToolSet asked;  ///< its packages are sorted
  std::vector<std::string>
      packages;  ///< names of ToolsLock::packages, sorted: what was asked for and all that it needs
};

/// File: defconfigs/tools.lock, JSON. The packages of the build machine's tools, once for all defconfigs: each package
/// in one version.
struct ToolsLock {
  std::int64_t date = 0;  ///< newest suite date when it was made
  std::vector<LockedSuite> suites;
  std::vector<LockedToolSet>
      sets;  ///< sorted by name, then by what was asked for: boards may ask for different packages under one name
  std::vector<LockedPackage> packages;  ///< sorted by name

  std::string serialise() const;
  /// As Lock::parse. A set that names a package which is not there is an error too. Fuzzed.
  static ToolsLock parse(std::string_view text, const std::string& name);

  /// The set that was locked for this request; nullptr when there is none.
  const LockedToolSet* find(const ToolSet& asked) const;
  /// Error{Internal} when there is none.
  const LockedPackage& package(const std::string& name) const;
};

/// File: defconfigs/NAME.lock, JSON with one package per line, sorted by name, so that a diff reads well.
struct Lock {
  std::string defconfig;
  std::int64_t date = 0;  ///< newest suite date when everything was updated last: the default SOURCE_DATE_EPOCH
  std::vector<LockedSuite> suites;
  std::vector<std::string> without_suites;  ///< suites of the configuration that were left out on request, sorted
  std::vector<LockedPackage> target;        ///< sorted by name
  std::vector<LockedComponent> components;
  ToolsLock tools;  ///< a file of its own

  /// All but `tools`.
  std::string serialise() const;
  /// Error{Usage} naming `name`, line and field; unknown format version says to use a newer k8simg. Fuzzed.
  /// Format 1, which held the tools too, is read: their packages are in `tools`, in no set.
  static Lock parse(std::string_view text, const std::string& name);
};

/// Without such a file nothing is locked.
ToolsLock load_tools_lock(const std::filesystem::path& file);
/// Both files. Error{Usage} with the hint `k8simg lock NAME` when `file` is missing.
Lock load_lock(const std::filesystem::path& file, const std::filesystem::path& tools_file);

/// Why packages are in a lock, or in another version: name → "needed by htop".
using Reasons = std::map<std::string, std::string>;
/// What changed between two locks: "systemd 257.8-1 → 257.9-1 (REASON)", "+ foo 1.2 (REASON)", "- bar"; tools as
/// "tools: gcc ...".
std::vector<std::string> describe_changes(const Lock& before, const Lock& after, const Reasons& target = {},
                                          const Reasons& tools = {});

/// The first suite whose release is older than the one in `before`: a mirror that is behind, or that hides updates.
/// nullptr when all are as new.
const LockedSuite* first_older_suite(const std::vector<LockedSuite>& before, const std::vector<LockedSuite>& now);
/// "2026-09-12T07:55:41Z", as locks say it.
std::string format_lock_date(std::int64_t seconds);

}  // namespace k8simg
