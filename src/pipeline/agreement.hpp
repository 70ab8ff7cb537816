// Checks whether a lock matches a configuration.
#pragma once

#include "config/config.hpp"
#include "lock/lock.hpp"

namespace k8simg {

/// Error{Usage} lists every package, tool set and component of the config that the lock lacks or has in an older state,
/// with the hint `k8simg lock NAME`.
void check_agreement(const Config& config, const Lock& lock);

}  // namespace k8simg
