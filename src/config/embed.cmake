# Writes a C++ file with the text of another file: `cmake -DINPUT=file -DOUTPUT=file.cpp -DNAME=function -P embed.cmake`.
file(READ ${INPUT} text)
file(WRITE ${OUTPUT} "// Made by src/config/embed.cmake.\n#include <string_view>\n\nnamespace k8simg::config {\nstd::string_view ${NAME}();\nstd::string_view ${NAME}() { return R\"embedded(${text})embedded\"; }\n}  // namespace k8simg::config\n")
