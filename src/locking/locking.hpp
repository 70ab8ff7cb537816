// Making locks: which packages, in which versions, from the suites' signed indexes and from what was locked before.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "debian/resolve.hpp"
#include "lock/lock.hpp"

namespace k8simg {

/// Which locked versions may change. Everything that is not named stays as it is, even if the suites no longer have it,
/// unless something needs another version.
struct LockUpdate {
  enum class What { Nothing, Everything, Packages, Security };
  What what = What::Nothing;
  std::vector<std::string> packages;  ///< What::Packages: of the target or the tools
};

struct LockRequest {
  Lock before;  ///< with its tools; one without a date is not there yet, though its tools may be
  LockUpdate update;
  bool allow_older = false;          ///< suites may be older than those of `before`
  std::vector<std::string> without;  ///< suites to leave out, sorted
};

/// What a lock is made with.
struct LockServices {
  std::function<IndexSet(const std::vector<Repository>& repositories, const std::string& architecture)>
      indexes;           ///< as IndexLoader::load
  std::int64_t now = 0;  ///< seconds since 1970: to tell a suite that is behind
  /// The control files of packages that no suite has any more, by name, out of their .debs. Error{Fetch} when one
  /// cannot be had.
  std::function<std::map<std::string, std::string>(const std::vector<LockedPackage>&)> control_files;
  std::function<void(const std::string&)> warn;
};

struct LockResult {
  Lock lock;
  Reasons target, tools;  ///< why a package is new or in another version: "asked for", "needed by htop", "update"
};

/// `project`: every configuration of the project, `config` among them, for the tools are locked once for all. The tools
/// are looked at only when a set of `config` is not locked, or for an update. Errors: Usage, Fetch, Resolve.
LockResult make_lock(const Config& config, const std::vector<Config>& project, const LockRequest& request,
                     const LockServices& services);

}  // namespace k8simg
