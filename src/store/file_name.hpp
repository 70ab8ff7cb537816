// File names for defconfigs and steps, used by the store's "last" pointers and the step logs.
#pragma once

#include <string>

namespace k8simg {

/// Slashes become "__"; the result is never empty, hidden, "." or "..".
std::string file_name_of(const std::string& name);

}  // namespace k8simg
