// All output of the program: standard output, standard error, and the reporter's descriptor.
#pragma once

#include <string_view>

namespace k8simg {

/// Writes the printable() text to standard output, unbuffered, so that a log of both streams keeps their order. Throws
/// Error{Internal} when it cannot be written.
void print_out(std::string_view text);

/// The same for standard error; write errors are ignored.
void print_error(std::string_view text);

/// For reporters, which make their text printable() themselves and add control sequences. Write errors are ignored:
/// they must not end a build.
void write_or_drop(int fd, std::string_view text);

}  // namespace k8simg
