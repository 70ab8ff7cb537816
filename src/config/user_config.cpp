// Reads the user's configuration with toml++.
#include "config/user_config.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

UserConfig read_user_config(const std::filesystem::path& file) {
  UserConfig config;
  std::error_code ignored;
  if (file.empty() || !fs::exists(file, ignored)) return config;
  const auto fail = [&](const toml::source_region& where, const std::string& what) {
    throw Error(ErrorKind::Usage,
                fmt::format("{}:{}:{}: {}", file.string(), where.begin.line, where.begin.column, what),
                "known is [mirrors] with REPOSITORY = \"URL\" (or a list) and archive-mirror = \"URL\"");
  };
  toml::table table;
  try {
    table = toml::parse(read_file(file), file.string());
  } catch (const toml::parse_error& error) {
    fail(error.source(), std::string(error.description()));
  }
  for (const auto& [key, value] : table) {
    if (key.str() != "mirrors" || !value.is_table()) fail(value.source(), fmt::format("unknown key {}", key.str()));
    for (const auto& [name, entry] : *value.as_table()) {
      std::vector<std::string> urls;
      if (const auto text = entry.value<std::string>()) {
        urls.push_back(*text);
      } else if (const auto* list = entry.as_array()) {
        for (const auto& item : *list) {
          const auto url = item.value<std::string>();
          if (!url) fail(item.source(), "a mirror is a string");
          urls.push_back(*url);
        }
      }
      if (urls.empty()) fail(entry.source(), fmt::format("mirrors.{} is a URL or a list of URLs", name.str()));
      if (name.str() == "archive-mirror")
        config.archive_mirror = urls.front();
      else
        config.mirrors[std::string(name.str())] = urls;
    }
  }
  return config;
}

}  // namespace k8simg
