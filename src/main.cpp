// The program's entry point.
#include "cli/main_program.hpp"

int main(int argc, char** argv) { return k8simg::main_program(argc, argv); }
