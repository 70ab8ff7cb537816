// Bytes in the JSON of components/maintscript: names need not be UTF-8, so each byte stands as the character of that
// number.
#pragma once

#include <string>
#include <string_view>

#include "tree/tree.hpp"

namespace k8simg::rootfs {

std::string as_text(std::string_view bytes);   ///< "\xe9" → "é"
std::string as_bytes(std::string_view text);   ///< Error{Internal} for a character above U+00FF
std::string bytes_of(std::string_view hex);    ///< Error{Internal} for anything but pairs of lower-case digits
NodeType type_of(std::string_view type_name);  ///< Error{Internal} for another name

}  // namespace k8simg::rootfs
