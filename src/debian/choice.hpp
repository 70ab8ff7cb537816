// Chooses the packages that apt would install on an empty system, as a preference for the solver.
#pragma once

#include <string_view>
#include <vector>

#include "debian/catalogue.hpp"

namespace k8simg {

struct Chosen {
  std::vector<OfferId> offers;  ///< in the order in which they were chosen
  bool complete = false;        ///< all dependencies are met without conflicts
};

/// The requested packages and Essential packages in order; each offer is the candidate of its name.
struct Wanted {
  std::vector<OfferId> offers;
  std::vector<bool> excluded;  ///< by NameId: treated as installed in any version
};

/// Walks Pre-Depends and Depends depth-first like `apt-get --no-install-recommends install` on an empty system. Of
/// several alternatives, one that is already taken counts; otherwise the first that can be installed. Of several
/// providers of a virtual package it prefers essential ones, then higher priority, then the one mentioned last in the
/// indexes.
Chosen choose_as_apt(const Catalogue& catalogue, const Wanted& wanted);

}  // namespace k8simg
