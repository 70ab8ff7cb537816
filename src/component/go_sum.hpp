// go.sum: the modules that a component is compiled from. Format: go.dev/ref/mod#go-sum-files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lock/lock.hpp"

namespace k8simg {

/// The modules whose content is used ("MODULE VERSION h1:..."; lines for go.mod files alone are left out), sorted.
/// Error{Usage} NAME:LINE for a line of another shape.
std::vector<LockedModule> parse_go_sum(std::string_view text, const std::string& name);

}  // namespace k8simg
