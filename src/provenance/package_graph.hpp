// The installed packages, what each needs, and what asked for them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "lock/lock.hpp"

namespace k8simg {

/// A line of an explanation.
struct Evidence {
  std::string text;   ///< "htop 3.4.1-5 needs it (Depends: libnl-3-200 (>= 3.2.7))"
  std::string where;  ///< "defconfigs/pc.toml:12", or ""
};

class PackageGraph {
 public:
  /// A dependency of a package.
  struct Need {
    std::string field, text;      ///< "Depends", "default-mta | mail-transport-agent"
    std::vector<std::string> by;  ///< the installed packages that satisfy it, in the order of the alternatives
    std::string stand_in;         ///< what satisfies it without a package: "component containerd"
  };
  struct Package {
    LockedPackage locked;
    bool essential = false;
    std::vector<Need> needs;
    std::vector<Evidence> asked_for;  ///< by the configuration
  };

  /// `controls`: the control file of each package of `lock.target`, by name. Error{Fetch} if one cannot be parsed.
  PackageGraph(const Config& config, const Lock& lock, const std::map<std::string, std::string>& controls);

  const std::map<std::string, Package>& packages() const { return packages_; }
  const Package* find(const std::string& name) const;
  /// The packages that need `name`, sorted.
  std::vector<std::string> needing(const std::string& name) const;
  /// The shortest way from the package to what the configuration asks for: one line for each package on it. The last
  /// line tells that nothing needs the package if there is no such way.
  std::vector<Evidence> chain(const std::string& name) const;
  /// Packages whose dependencies are not met without `removed`, transitively; without `removed` itself.
  std::set<std::string> broken_without(const std::string& removed) const;
  /// Packages that nothing needs any more without `removed` and those of broken_without().
  std::set<std::string> unneeded_without(const std::string& removed) const;

 private:
  std::set<std::string> needed(const std::set<std::string>& gone) const;
  std::map<std::string, Package> packages_;
};

/// "htop 3.4.1-5".
std::string name_and_version(const LockedPackage& package);

}  // namespace k8simg
