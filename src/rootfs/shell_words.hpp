// Splits lines of maintainer scripts into words. It does not implement the whole syntax of shells.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace k8simg::rootfs {

/// Splits at spaces, tabs and ";". Removes quotes ('...', "...") and backslashes. A "#" at the start of a word ends the
/// line. Variables are not expanded.
std::vector<std::string> shell_words(std::string_view line);

/// The calls of `program` in a script, each as its words; continued lines are joined. A line may have several commands
/// ("if ! getent ...; then", "a || b"). A call is at the start of a command and ends at ";", "||", "&&", "|" or a
/// redirection.
std::vector<std::vector<std::string>> calls_of(std::string_view script, std::string_view program);

}  // namespace k8simg::rootfs
