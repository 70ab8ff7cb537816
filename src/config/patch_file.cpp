// Parses the header of a patch and the names of the files that it changes.
#include "config/patch_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/inside.hpp"
#include "util/text.hpp"

namespace k8simg::config {

using namespace toml;

namespace {

constexpr std::string_view fields[] = {"Reason", "Gain", "Obsolete"};

/// Whether the path has a folder and a file, and no part is empty, "." or "..".
bool is_module_path(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.find('/') == std::string_view::npos) return false;
  for (const auto& part : split(path, '/'))
    if (part.empty() || part == "." || part == "..") return false;
  return path.find_first_of(" \t\"'\\\\") == std::string_view::npos;
}

/// Counts the remaining lines of a hunk, of the old and of the new file.
class Hunk {
 public:
  Hunk() = default;
  /// From "@@ -START,COUNT +START,COUNT @@"; a count of 1 is left out.
  explicit Hunk(const std::string& line) {
    const auto words = split_words(line);
    if (words.size() < 3) return;
    before_ = count(words[1]), after_ = count(words[2]);
  }
  /// Counts the line if it belongs to the hunk, and returns whether it does.
  bool take(std::string_view line) {
    if (before_ <= 0 && after_ <= 0) return false;
    const char kind = line.empty() ? ' ' : line.front();
    if (kind != '+' && kind != '\\') --before_;
    if (kind != '-' && kind != '\\') --after_;
    return true;
  }

 private:
  static int count(std::string_view range) {
    const auto comma = range.find(',');
    int lines = comma == std::string_view::npos ? 1 : 0;
    if (comma != std::string_view::npos) std::from_chars(range.data() + comma + 1, range.data() + range.size(), lines);
    return lines;
  }
  int before_ = 0, after_ = 0;
};

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
  Hunk hunk;
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
        mistake(i + 1, fmt::format("the header of a patch may have Reason:, Gain: and Obsolete:, not {}", quote(line)));
        field.clear();
        continue;
      }
      if (header.contains(field)) mistake(i + 1, fmt::format("{}: appears twice", field));
      header[field] = trim(std::string_view(line).substr(colon + 1));
      continue;
    }
    // A changed line may begin like a line with a file name, so the lines of a hunk are counted.
    if (hunk.take(line)) continue;
    if (line.starts_with("@@ ")) hunk = Hunk(line);
    // "+++ b/PATH", optionally followed by a tab and a time.
    if (line.starts_with("+++ ")) {
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
