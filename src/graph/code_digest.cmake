# Writes code_digest.cpp: `cmake -DSOURCE=src -DOUTPUT=file -P code_digest.cmake`. Run at build time when a source file
# changed.
file(GLOB_RECURSE files RELATIVE ${SOURCE} ${SOURCE}/*.cpp ${SOURCE}/*.hpp ${SOURCE}/*.toml)
list(SORT files)
# Excluded: code that does not change the result of a step.
list(FILTER files EXCLUDE REGEX "^(cli|report|run|flash|guest|preflight|config|lock|main)")
set(all "")
foreach(file ${files})
  file(SHA256 ${SOURCE}/${file} hash)
  string(APPEND all "${file} ${hash}\n")
endforeach()
string(SHA256 digest "${all}")
string(CONCAT text "// Made by src/graph/code_digest.cmake.\n#include \"graph/code_digest.hpp\"\n\n"
  "namespace k8simg {\nstd::string_view code_digest() { return \"${digest}\"; }\n}  // namespace k8simg\n")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} before)
endif()
if(NOT "${before}" STREQUAL "${text}")
  file(WRITE ${OUTPUT} "${text}")
endif()
