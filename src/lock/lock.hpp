// The lock: every package and module that a defconfig is built from, with size and SHA-256; paths are relative to a mirror, never a host.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "util/digest.hpp"

namespace k8simg {

struct LockedSuite {
  std::string repository;   ///< "debian" or "debian-security": which mirror root
  std::string suite;        ///< "trixie"
  std::int64_t date = 0;    ///< its InRelease's Date: dates the archive mirror (snapshot) that still has these packages
  Digest inrelease;         ///< SHA-256 of the signed file that was checked
};

struct LockedPackage {
  std::string name, version, architecture;  ///< as in the control fields; architecture may be "all"
  std::string source;                        ///< source package name
  std::string repository, suite;
  std::string path;                          ///< "pool/main/s/systemd/systemd_257.9-1_amd64.deb"
  std::uint64_t size = 0;                    ///< bytes of the .deb
  Digest sha256;
  bool operator==(const LockedPackage&) const = default;
};

struct LockedModule { std::string path, version, h1; };  ///< one line of go.sum (the module's zip, not its go.mod)
struct LockedComponent {
  std::string name, version;
  Digest go_mod, go_sum;                     ///< SHA-256 of the committed files
  std::vector<LockedModule> modules;
};

/// File: defconfigs/NAME.lock, JSON with one package or module per line, sorted by name, so that a diff reads well.
struct Lock {
  std::string defconfig;
  std::int64_t date = 0;                     ///< newest suite date: the default SOURCE_DATE_EPOCH
  std::vector<LockedSuite> suites;
  std::vector<std::string> without_suites;   ///< suites of the configuration that were left out on request, sorted
  std::vector<LockedPackage> target, tools;  ///< sorted by name
  std::vector<LockedComponent> components;

  std::string serialise() const;
  /// Error{Usage} naming `name`, line and field; unknown format version says to use a newer k8simg. Fuzzed.
  static Lock parse(std::string_view text, const std::string& name);
};

/// Error{Usage} with the hint `k8simg lock NAME` when the file is missing.
Lock load_lock(const std::filesystem::path& file);

/// What changed between two locks, for `k8simg lock`: "systemd 257.8-1 → 257.9-1", "+ foo 1.2", "- bar".
std::vector<std::string> describe_changes(const Lock& before, const Lock& after);

/// The first suite whose release is older than the one that `before` was made from: a mirror that is behind, or that hides updates. nullptr when all are as new.
const LockedSuite* first_older_suite(const Lock& before, const std::vector<LockedSuite>& now);
/// "2026-09-12T07:55:41Z", as locks say it.
std::string format_lock_date(std::int64_t seconds);

}  // namespace k8simg
