# Writes a text file as a C++ function: `cmake -DSOURCE=FILE -DOUTPUT=FILE.cpp -DFUNCTION=NAME -P embed.cmake`.
# The bytes are read as hexadecimal digits because CMake's lists would change brackets and semicolons.
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
