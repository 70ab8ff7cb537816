// Kept versions: what a lock holds already, as candidates that only need gives way to.
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

  /// Where a dependency of something wanted is met by no candidate, or a candidate conflicts with another, the
  /// candidates that are in the way become what the suites have now. False when no kept version was in the way.
  bool release_what_is_in_the_way(const Wanted& wanted);
  const std::map<std::string, std::string>& released() const {
    return released_;
  }  ///< name → the package that needs another version

 private:
  bool release(NameId name, OfferId because);
  bool release_for(OfferId offer, const Alternatives& alternatives, const Wanted& wanted);

  Catalogue& catalogue_;
  std::unordered_map<OfferId, const LockedPackage*> by_offer_;
  std::map<std::string, std::string> released_;
  std::unordered_map<NameId, OfferId>
      newest_;  ///< the candidates that kept ones stand in for; `nothing` where the suites have none
};

}  // namespace k8simg
