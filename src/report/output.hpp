// All that the program writes for people and machines: standard output, standard error, and the descriptor of a
// reporter.
#pragma once

#include <string_view>

namespace k8simg {

/// Writes to standard output, at once and as a whole: what is written later to standard error comes later in a log that
/// has both. The text is made printable() on the way, whoever it comes from. Throws Error{Internal} when it cannot be
/// written.
void print_out(std::string_view text);

/// The same to standard error; what cannot be written is dropped.
void print_error(std::string_view text);

/// For reporters, whose text is printable() but for their own control sequences: progress that nobody can read must not
/// end a build.
void write_or_drop(int fd, std::string_view text);

}  // namespace k8simg
