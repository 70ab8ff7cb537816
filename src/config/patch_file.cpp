// Reads the headers of patches and the names of the files that they change.
#include "config/patch_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/inside.hpp"
#include "util/text.hpp"

namespace k8simg::config {

namespace {

constexpr std::string_view fields[] = {"Reason", "Gain", "Obsolete"};

/// "a module and a path in it", without ways out.
bool is_module_path(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.find('/') == std::string_view::npos) return false;
  for (const auto& part : split(path, '/'))
    if (part.empty() || part == "." || part == "..") return false;
  return path.find_first_of(" \t\"'\\\\") == std::string_view::npos;
}

}  // namespace

std::optional<PatchConfig> parse_patch(std::string_view text, const std::string& file, Diagnostics& diagnostics) {
  const std::size_t before = diagnostics.size();
  const auto mistake = [&](std::size_t line, std::string what) {
    diagnostics.add({file, static_cast<int>(line), 1}, std::move(what));
  };
  PatchConfig patch;
  std::map<std::string, std::string, std::less<>> header;
  std::string field;
  bool in_header = true;
  const auto lines = split(text, '\n');
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    if (line.starts_with("--- ")) in_header = false;
    if (in_header) {
      if (trim(line).empty()) continue;
      if (line.front() == ' ' || line.front() == '\t') {
        if (field.empty())
          mistake(i + 1, "the header begins with a continued line");
        else
          header[field] += " " + std::string(trim(line));
        continue;
      }
      const auto colon = line.find(':');
      field = line.substr(0, colon);
      if (colon == std::string::npos || std::find(std::begin(fields), std::end(fields), field) == std::end(fields)) {
        mistake(i + 1, fmt::format("the header of a patch has Reason:, Gain: and Obsolete:, not {}", quote(line)));
        field.clear();
        continue;
      }
      if (header.contains(field)) mistake(i + 1, fmt::format("{}: is there twice", field));
      header[field] = trim(std::string_view(line).substr(colon + 1));
      continue;
    }
    // "+++ b/PATH", with a time behind a tab where diff writes one. A line of a hunk that begins so was "++ b/" there.
    if (line.starts_with("+++ ") && i > 0 && lines[i - 1].starts_with("--- ")) {
      std::string path = line.substr(4, line.find('\t') == std::string::npos ? std::string::npos : line.find('\t') - 4);
      if (!path.starts_with("b/") || !is_module_path(std::string_view(path).substr(2)))
        mistake(i + 1, fmt::format("{} is not b/MODULE/FILE", quote(path)));
      else
        patch.files.push_back(path.substr(2));
    }
  }
  for (const auto& name : fields)
    if (const auto found = header.find(name); found == header.end() || found->second.empty())
      mistake(1, fmt::format("the header of a patch must have {}:", name));
  if (patch.files.empty()) mistake(lines.size(), "the patch changes no file");
  if (diagnostics.size() != before) return std::nullopt;
  patch.reason = header["Reason"], patch.gain = header["Gain"], patch.obsolete = header["Obsolete"];
  patch.file = file;
  patch.name = patch.file.stem().string();
  return patch;
}

std::optional<PatchConfig> read_patch(const std::filesystem::path& project, const std::string& file,
                                      Diagnostics& diagnostics) {
  try {
    return parse_patch(read_file(inside(project, file)), file, diagnostics);
  } catch (const Error& error) {
    diagnostics.add({file, 1, 1}, "cannot be read: " + error.message());
    return std::nullopt;
  }
}

}  // namespace k8simg::config
