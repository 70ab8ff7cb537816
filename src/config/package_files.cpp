// Matches the globs of packages.files folder by folder, so that the rest of the project is not searched.
#include "config/package_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "util/text.hpp"

namespace k8simg::config {

namespace {

namespace fs = std::filesystem;

/// Adds what matches parts `at` and later, below `folder`, which is relative to the project.
void match_parts(const fs::path& project, const fs::path& folder, const std::vector<std::string>& parts, std::size_t at,
                 std::set<fs::path>& found) {
  std::error_code ignored;
  if (at == parts.size()) {
    if (fs::is_regular_file(project / folder, ignored)) found.insert(folder);
    return;
  }
  const std::string& part = parts[at];
  if (part.find_first_of("*?[\\") == std::string::npos)
    return match_parts(project, folder / part, parts, at + 1, found);
  for (fs::directory_iterator entry(project / folder, ignored), end; !ignored && entry != end;
       entry.increment(ignored)) {
    const std::string name = entry->path().filename().string();
    if (name.front() != '.' && glob_match(part, name)) match_parts(project, folder / name, parts, at + 1, found);
  }
}

}  // namespace

std::vector<fs::path> find_package_files(const fs::path& project, const std::vector<toml::Reader::Item>& globs,
                                         toml::Diagnostics& diagnostics) {
  std::set<fs::path> all;
  for (const auto& glob : globs) {
    std::set<fs::path> found;
    match_parts(project, {}, split(glob.text, '/'), 0, found);
    if (found.empty())
      diagnostics.add(glob.position, fmt::format("packages.files: no file of the project matches {}; put the .deb "
                                                 "there, or take the item out",
                                                 toml::quote(glob.text)));
    for (const auto& file : found)
      if (printable_line(file.string()) != file.string())
        diagnostics.add(glob.position, fmt::format("packages.files: the name {} has control characters or is not UTF-8",
                                                   toml::quote(printable_line(file.string()))));
    all.merge(found);
  }
  return {all.begin(), all.end()};
}

}  // namespace k8simg::config
