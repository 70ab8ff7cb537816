# Writes a text file as a C++ function: `cmake -DSOURCE=FILE -DOUTPUT=FILE.cpp -DFUNCTION=NAME -P embed.cmake`.
# CMake's own lists would change brackets and semicolons, so the bytes go through their hexadecimal digits.
file(READ ${SOURCE} hex HEX)
string(REGEX REPLACE "(..)" "\\\\x\\1" escaped "${hex}")
string(REGEX REPLACE "(\\\\x0a)" "\\1\"\n    \"" escaped "${escaped}")
file(WRITE ${OUTPUT} "// Made by src/util/embed.cmake.
#include <string_view>

namespace k8simg {
std::string_view ${FUNCTION}() {
  return
    \"${escaped}\";
}
}  // namespace k8simg
")
