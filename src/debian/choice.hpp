// Choice: the packages that apt would pick from an empty system, before the solver proves that they fit together.
#pragma once

#include <string_view>
#include <vector>

#include "debian/catalogue.hpp"

namespace k8simg {

struct Chosen {
  std::vector<OfferId> offers;  ///< in the order in which they were taken
  bool complete =
      false;  ///< every dependency is met and nothing conflicts; else `offers` is only a preference for the solver
};

/// What the user asked for, as offers of the catalogue whose names' candidates they are, in order; Essential packages
/// included.
struct Wanted {
  std::vector<OfferId> offers;
  std::vector<bool> excluded;  ///< by NameId: treated as installed in whatever version is needed
};

/// Walks Pre-Depends and Depends depth first as `apt-get --no-install-recommends install` does on an empty system: of
/// alternatives, one that is already taken counts; else the first that can be installed, and among providers of a
/// virtual package the essential, then the higher priority, then the one mentioned last in the indexes.
Chosen choose_as_apt(const Catalogue& catalogue, const Wanted& wanted);

}  // namespace k8simg
