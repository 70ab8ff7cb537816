// The program that main() calls: command line, signals, exit codes.
#pragma once

namespace k8simg {

int main_program(int argc, char** argv);

}  // namespace k8simg
