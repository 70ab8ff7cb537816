// Debian control paragraphs, relations and versions, as far as the root filesystem needs them.
// Formats: Debian Policy 5.1 (syntax of control files), 7.1 (relationships), 5.6.12 (versions), deb-version(7).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace k8simg::rootfs {

/// Fields in the order of the file; a value keeps its continuation lines ("\n text").
struct Paragraph {
  std::vector<std::pair<std::string, std::string>> fields;
  std::string get(std::string_view name) const;  ///< "" when absent; names compare without case
};

Paragraph parse_paragraph(std::string_view text);  ///< up to the first empty line; lines without a colon are skipped

/// -1, 0 or 1, as dpkg --compare-versions.
int compare_versions(std::string_view first, std::string_view second);

/// Whether a relationship field ("base, dpkg (<= 1.15.0)") names the package at this version.
bool names_package(std::string_view relations, std::string_view package, std::string_view version);

}  // namespace k8simg::rootfs
