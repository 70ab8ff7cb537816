// Resolves packages from signed indexes of Debian's archive, for `k8simg lock`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "debian/release.hpp"
#include "lock/lock.hpp"
#include "process/command.hpp"
#include "util/clock.hpp"

namespace k8simg {

struct Repository {
  std::string name;                   ///< "debian", "debian-security"
  std::vector<std::string> suites;    ///< in order of preference; see is_flat_suite()
  std::vector<std::string> sections;  ///< "main", ...; not used for flat suites
  std::filesystem::path keyring;      ///< with the keys that sign it; empty: Debian's archive keyring
};

/// Fetches a path such as "dists/trixie/InRelease" of repository "debian" and returns at most `limit` bytes; nullopt
/// when not found. Throws Error{Fetch}.
using IndexFetcher = std::function<std::optional<std::string>(const std::string& repository, const std::string& path,
                                                              std::uint64_t limit)>;
/// Indexes that were fetched before, by the digest in the signed release, so that they are not downloaded again.
struct IndexCache {
  std::function<std::optional<std::string>(const Digest& digest)> find;  ///< nullopt if it is not there
  std::function<void(const std::string& bytes)> keep;
};

struct IndexSet {
  std::vector<LockedSuite> suites;
  /// One uncompressed Packages file and its source.
  struct Packages {
    std::string repository, suite, section, architecture, text;
    bool not_automatic = false;  ///< from its Release file (backports): like ResolveRequest::prefer_suites
  };
  std::vector<Packages> packages;
};

/// Loads the signed releases of suites (InRelease, otherwise Release with Release.gpg) and their Packages indexes. Each
/// suite is fetched and verified once (gpgv with the repository's keyring, otherwise `keyring`; Valid-Until against
/// `clock`; Suite or Codename must match), so that all index sets have the same state of it.
class IndexLoader {
 public:
  /// `runner` and `clock` must outlive the loader.
  IndexLoader(IndexFetcher fetch, CommandRunner& runner, std::filesystem::path keyring, const Clock& clock,
              std::filesystem::path scratch, IndexCache cache = {})
      : fetch_(std::move(fetch)),
        runner_(runner),
        keyring_(std::move(keyring)),
        clock_(clock),
        scratch_(std::move(scratch)),
        cache_(std::move(cache)) {}

  /// The Packages indexes of each section for `architectures` (and "all"); size and SHA-256 must match the signed file.
  /// A section or architecture that the release does not list (armel in backports' non-free-firmware) is skipped. A
  /// flat suite has one index for all architectures. An index that is listed but missing on the mirror is Error{Fetch}
  /// with the hint `k8simg lock --without-suite`. A modified, expired or unsigned file is Error{Fetch} too.
  IndexSet load(const std::vector<Repository>& repositories, const std::vector<std::string>& architectures);

 private:
  struct Suite {
    LockedSuite locked;
    Release release;
  };
  const Suite& suite(const Repository& repository, const std::string& name);
  std::string signed_release(const Repository& repository, const std::string& suite, const std::string& place,
                             Digest& digest);

  IndexFetcher fetch_;
  CommandRunner& runner_;
  std::filesystem::path keyring_;
  const Clock& clock_;
  std::filesystem::path scratch_;
  IndexCache cache_;
  std::map<std::pair<std::string, std::string>, Suite> suites_;  ///< by repository and name
};

struct ResolveRequest {
  std::string architecture;                ///< Debian name
  std::vector<std::string> install;        ///< names; also "name=version" and "name/suite", as in apt
  bool essential = true;                   ///< add all packages with Essential: yes
  std::vector<std::string> exclude;        ///< treated as installed, never added, e.g. "perl-base"
  std::vector<std::string> prefer_suites;  ///< suites used only for name/suite requests: backports
  std::vector<LockedPackage> keep;         ///< versions to keep where possible; those not in any index are ignored
  std::vector<LockedPackage> pinned;       ///< to install in exactly these versions, all of add_offer()
};

/// The packages in `packages` whose .deb no index of the architecture has any more.
std::vector<LockedPackage> not_offered(const IndexSet& indexes, const std::string& architecture,
                                       const std::vector<LockedPackage>& packages);
/// Adds such a package, or a file of the project, to `indexes`. `control`: the control file of its .deb. It is no
/// candidate: only ResolveRequest::keep and `pinned` select it.
void add_offer(IndexSet& indexes, const std::string& architecture, const LockedPackage& package,
               const std::string& control);

/// The packages that a security suite (its name ends in "-security") has in a newer version: name → suite.
std::map<std::string, std::string> superseded_by_security(const IndexSet& indexes, const std::string& architecture,
                                                          const std::vector<LockedPackage>& packages);

struct Resolution {
  std::vector<LockedPackage> packages;  ///< sorted by name; kept and pinned ones as in the request, others undated
  std::map<std::string, std::string>
      needed_by;  ///< package → a package that depends on it; "" if requested or essential
  std::map<std::string, std::string>
      released;  ///< package of `keep` that was not kept → the package that needs another version of it
};

/// Follows only Depends and Pre-Depends, not Recommends, and prefers the first alternative like apt. Error{Resolve}
/// names the dependency that cannot be met, its package, and the request that led to it.
Resolution resolve(const IndexSet& indexes, const ResolveRequest& request);

}  // namespace k8simg
