// Makes locks: chooses packages and versions from the suites' signed indexes and the existing lock.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "debian/resolve.hpp"
#include "lock/lock.hpp"
#include "store/store.hpp"

namespace k8simg {

/// The locked versions that may change. Others stay, even if the suites no longer have them, unless a dependency needs
/// another version.
struct LockUpdate {
  enum class What { Nothing, Everything, Packages, Security };
  What what = What::Nothing;
  std::vector<std::string> packages;  ///< What::Packages: packages of the target or the tools
};

/// A package that is a file of the project.
struct PackageFile {
  LockedPackage package;
  std::string control;  ///< its control file
};
/// The packages that packages.files names. All of each file is read. Error{Fetch} for a damaged or hostile package,
/// Error{Usage} for one of another architecture and for two packages of one name.
std::vector<PackageFile> read_package_files(const Config& config, Store& store);

struct LockRequest {
  Lock before;  ///< including the tools' lock; without a date if it does not exist yet
  LockUpdate update;
  bool allow_older = false;          ///< suites may be older than those of `before`
  std::vector<std::string> without;  ///< suites to leave out, sorted
  std::vector<PackageFile> files;    ///< of read_package_files(); all are installed
};

/// Services for make_lock().
struct LockServices {
  std::function<IndexSet(const std::vector<Repository>& repositories, const std::string& architecture)>
      indexes;           ///< as IndexLoader::load
  std::int64_t now = 0;  ///< seconds since 1970, to detect outdated suites
  /// The control files, by name, of packages that no suite has any more, from their .debs. Error{Fetch} if one is not
  /// available.
  std::function<std::map<std::string, std::string>(const std::vector<LockedPackage>&)> control_files;
  /// Of those interpreters (absolute paths), the ones that commands of the packages need, with the name of such a
  /// package. Error{Fetch} if a package is not available.
  std::function<std::map<std::string, std::string>(const std::vector<LockedPackage>&,
                                                   const std::vector<std::string>& interpreters)>
      needed_interpreters;
  std::function<void(const std::string&)> warn;
};

struct LockResult {
  Lock lock;
  Reasons target, tools;  ///< reasons for new and changed packages: "asked for", "needed by htop", "update"
};

/// `project`: all configurations of the project including `config`, because they share the tools' lock. The tools are
/// locked only for an update, or if a set of `config` is not locked. Errors: Usage, Fetch, Resolve.
LockResult make_lock(const Config& config, const std::vector<Config>& project, const LockRequest& request,
                     const LockServices& services);

}  // namespace k8simg
