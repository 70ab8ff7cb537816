// Kept versions: the versions in a lock become candidates, and are released only if a dependency requires it.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "debian/catalogue.hpp"
#include "debian/choice.hpp"

namespace k8simg {

class Kept {
 public:
  /// Makes each package of `keep` its name's candidate. `catalogue` and `keep` must outlive it.
  Kept(Catalogue& catalogue, const std::vector<LockedPackage>& keep);

  bool is_kept(OfferId offer) const { return by_offer_.contains(offer); }
  const LockedPackage* find(OfferId offer) const;

  /// If no candidate meets a dependency, or two candidates conflict, releases the kept versions concerned: the suites'
  /// current versions become candidates. False when no kept version was concerned.
  bool release_what_is_in_the_way(const Wanted& wanted);
  const std::map<std::string, std::string>& released() const {
    return released_;
  }  ///< name → the package that needs another version of it

 private:
  bool release(NameId name, OfferId because);
  bool release_for(OfferId offer, const Alternatives& alternatives, const Wanted& wanted);

  Catalogue& catalogue_;
  std::unordered_map<OfferId, const LockedPackage*> by_offer_;
  std::map<std::string, std::string> released_;
  std::unordered_map<NameId, OfferId>
      newest_;  ///< the suites' candidates of kept names; `nothing` if the suites have none
};

}  // namespace k8simg
