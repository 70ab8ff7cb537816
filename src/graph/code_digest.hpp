// The digest of the source code of built-in steps, fixed at compile time.
#pragma once

#include <string_view>

namespace k8simg {

/// 64 hex digits: a digest over every file of src/ that can influence a built-in step. It is part of the key of each
/// built-in step, so that records of another version of the program are not reused. Steps whose inputs are unchanged
/// keep their keys.
std::string_view code_digest();

}  // namespace k8simg
