// Patches of upstream's sources: a header with the reason for the patch, and a unified diff.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "config/config.hpp"
#include "toml/schema.hpp"

namespace k8simg::config {

/// The header consists of the lines before the first "--- " line: "Reason: TEXT", "Gain: TEXT" and "Obsolete: TEXT",
/// each once. A line that begins with a space continues the previous line. In the diff (`diff -u`), "+++ b/MODULE/PATH"
/// names each changed file. Mistakes have the line. Fuzzed.
std::optional<PatchConfig> parse_patch(std::string_view text, const std::string& file, toml::Diagnostics& diagnostics);
/// Reads and parses a project-relative file.
std::optional<PatchConfig> read_patch(const std::filesystem::path& project, const std::string& file,
                                      toml::Diagnostics& diagnostics);

}  // namespace k8simg::config
