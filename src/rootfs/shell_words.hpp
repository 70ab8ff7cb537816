// Words of one shell command line, quotes removed: enough to read the commands of maintainer scripts, not to run them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace k8simg::rootfs {

/// Splits at blanks and ";"; '...' and "..." group, a backslash keeps the next character; a "#" at a word's start ends
/// the line. Variables stay as they are written.
std::vector<std::string> shell_words(std::string_view line);

/// The commands of a script that call `program`, each as its words, joined over continued lines. A line may hold
/// several
/// ("if ! getent ...; then", "a || b"): the call is found at the start of any of them and ends at ";", "||", "&&", "|"
/// or a redirection.
std::vector<std::vector<std::string>> calls_of(std::string_view script, std::string_view program);

}  // namespace k8simg::rootfs
