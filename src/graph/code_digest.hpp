// The digest of the source code that built-in steps are made of, fixed when the program is compiled.
#pragma once

#include <string_view>

namespace k8simg {

/// 64 hex digits over every file of src/ that can influence what a built-in step gives. Part of the key of each
/// built-in step, so that a store filled by an older program is never taken for what this one would make; steps whose
/// inputs come out the same are still found by their own keys.
std::string_view code_digest();

}  // namespace k8simg
