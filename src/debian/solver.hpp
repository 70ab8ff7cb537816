// The proof by libsolv that a choice of packages fits together, its repair when it does not, and the reason in words
// when nothing does.
#pragma once

#include <vector>

#include "debian/catalogue.hpp"
#include "debian/choice.hpp"

namespace k8simg {

/// `chosen` itself when it is consistent; else a solution that keeps to it where it can. Depends and Pre-Depends must
/// be met and Conflicts and Breaks kept apart. Error{Resolve} names the dependency that cannot be met and the chain of
/// packages that leads to it.
std::vector<OfferId> prove(const Catalogue& catalogue, const Wanted& wanted, const Chosen& chosen);

}  // namespace k8simg
