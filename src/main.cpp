// The program's entry.
#include "cli/main_program.hpp"

int main(int argc, char** argv) { return k8simg::main_program(argc, argv); }
