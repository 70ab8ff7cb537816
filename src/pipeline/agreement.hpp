// Whether a lock was made for a config: what one asks for must be in the other.
#pragma once

#include "config/config.hpp"
#include "lock/lock.hpp"

namespace k8simg {

/// Error{Usage} listing every package and component that the config asks for and the lock does not have as it is now,
/// with `k8simg lock NAME`.
void check_agreement(const Config& config, const Lock& lock);

}  // namespace k8simg
