// Proves with libsolv that chosen packages are consistent, repairs the choice if necessary, and explains when there is
// no solution.
#pragma once

#include <vector>

#include "debian/catalogue.hpp"
#include "debian/choice.hpp"

namespace k8simg {

/// Returns `chosen` if it is consistent, otherwise a similar solution. Depends and Pre-Depends must be met; Conflicts
/// and Breaks are respected. Error{Resolve} names the dependency that cannot be met and the chain of packages that
/// leads to it.
std::vector<OfferId> prove(const Catalogue& catalogue, const Wanted& wanted, const Chosen& chosen);

}  // namespace k8simg
