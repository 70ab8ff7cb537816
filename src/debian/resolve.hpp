// From signed indexes to a list of packages: what `k8simg lock` asks of Debian's archive.
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
  std::vector<std::string> suites;    ///< in order of preference
  std::vector<std::string> sections;  ///< "main", ...
};

/// Gets "dists/trixie/InRelease" of repository "debian" and returns the bytes, `limit` at most; nullopt on "not found".
/// Throws Error{Fetch}.
using IndexFetcher = std::function<std::optional<std::string>(const std::string& repository, const std::string& path,
                                                              std::uint64_t limit)>;

struct IndexSet {
  std::vector<LockedSuite> suites;
  /// One Packages file each: text (uncompressed), with where it came from.
  struct Packages {
    std::string repository, suite, section, architecture, text;
    bool not_automatic = false;  ///< its release says so (backports): as if named in ResolveRequest::prefer_suites
  };
  std::vector<Packages> packages;
};

/// From the signed InRelease of suites to their Packages indexes. Each suite is fetched and verified once (gpgv with
/// `keyring`; Valid-Until against `clock`; the signed Suite/Codename must be what was asked), so that all sets come
/// from one state of it.
class IndexLoader {
 public:
  /// `runner` and `clock` must outlive the loader.
  IndexLoader(IndexFetcher fetch, CommandRunner& runner, std::filesystem::path keyring, const Clock& clock,
              std::filesystem::path scratch)
      : fetch_(std::move(fetch)),
        runner_(runner),
        keyring_(std::move(keyring)),
        clock_(clock),
        scratch_(std::move(scratch)) {}

  /// The Packages indexes of each section for `architectures` (and "all"), whose size and SHA-256 must match the signed
  /// file. A section or architecture that a suite does not have (armel in backports' non-free-firmware) is skipped when
  /// the InRelease does not list it. An index that it lists and that is not on the mirror is Error{Fetch} that names
  /// `k8simg lock --without-suite`. So is anything tampered, expired or unsigned.
  IndexSet load(const std::vector<Repository>& repositories, const std::vector<std::string>& architectures);

 private:
  struct Suite {
    LockedSuite locked;
    Release release;
  };
  const Suite& suite(const std::string& repository, const std::string& name);

  IndexFetcher fetch_;
  CommandRunner& runner_;
  std::filesystem::path keyring_;
  const Clock& clock_;
  std::filesystem::path scratch_;
  std::map<std::pair<std::string, std::string>, Suite> suites_;  ///< by repository and name
};

struct ResolveRequest {
  std::string architecture;                ///< Debian name
  std::vector<std::string> install;        ///< names; "name=version" and "name/suite" (as apt) also
  bool essential = true;                   ///< add every Essential: yes package
  std::vector<std::string> exclude;        ///< treated as if installed and never taken, e.g. "perl-base"
  std::vector<std::string> prefer_suites;  ///< suites off by default unless asked for by name/suite: backports
  std::vector<LockedPackage> keep;  ///< versions that stay unless something that is asked for needs another; those that
                                    ///< no index has are passed over
};

/// Those of `packages` whose bytes no index of the architecture offers any more.
std::vector<LockedPackage> not_offered(const IndexSet& indexes, const std::string& architecture,
                                       const std::vector<LockedPackage>& packages);
/// Lets `indexes` offer such a package. `control`: the control file in its .deb. Nothing but ResolveRequest::keep takes
/// it.
void add_offer(IndexSet& indexes, const std::string& architecture, const LockedPackage& package,
               const std::string& control);

/// Packages that a suite of the repository's security updates (its name ends in "-security") has in a newer version:
/// name → suite.
std::map<std::string, std::string> superseded_by_security(const IndexSet& indexes, const std::string& architecture,
                                                          const std::vector<LockedPackage>& packages);

struct Resolution {
  std::vector<LockedPackage> packages;  ///< sorted by name; a kept one is that of `keep`, any other has no date
  std::map<std::string, std::string>
      needed_by;  ///< package → one that needs it; "" for what was asked for or is essential
  std::map<std::string, std::string>
      released;  ///< package of `keep` that had to give way → the package that needs another version of it
};

/// Depends and Pre-Depends only (no Recommends), first alternative preferred as apt does.
/// Error{Resolve} says which dependency of which package cannot be met, and by whom it was asked for.
Resolution resolve(const IndexSet& indexes, const ResolveRequest& request);

}  // namespace k8simg
