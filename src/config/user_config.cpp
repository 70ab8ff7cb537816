// Reads the user's configuration.
#include "config/user_config.hpp"

#include <fmt/format.h>

#include "toml/document.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

constexpr const char* known = "valid is [mirrors] with REPOSITORY = \"URL\" (or a list) and archive-mirror = \"URL\"";

[[noreturn]] void fail(const SourcePosition& position, const std::string& what) {
  throw Error(ErrorKind::Usage, fmt::format("{}: {}", toml::describe(position), what), known);
}

std::vector<std::string> urls_of(const toml::Value& value) {
  if (value.kind == toml::Kind::String) return {value.text};
  std::vector<std::string> urls;
  for (const auto& item : value.items) {
    if (item.kind != toml::Kind::String) fail(item.position, "a mirror must be a string");
    urls.push_back(item.text);
  }
  return urls;
}

}  // namespace

UserConfig read_user_config(const std::filesystem::path& file) {
  UserConfig config;
  std::error_code ignored;
  if (file.empty() || !fs::exists(file, ignored)) return config;
  toml::Diagnostics diagnostics;
  const auto document = toml::parse_document(read_file(file), file.string(), diagnostics);
  if (!document) throw Error(ErrorKind::Usage, diagnostics.lines().front(), known);
  for (const auto& [key, position, value] : document->members) {
    if (key != "mirrors" || value.kind != toml::Kind::Table) fail(position, fmt::format("unknown key {}", key));
    for (const auto& [name, place, entry] : value.members) {
      const auto urls = urls_of(entry);
      if (urls.empty()) fail(place, fmt::format("mirrors.{} must be a URL or a list of URLs", name));
      if (name == "archive-mirror")
        config.archive_mirror = urls.front();
      else
        config.mirrors[name] = urls;
    }
  }
  return config;
}

}  // namespace k8simg
