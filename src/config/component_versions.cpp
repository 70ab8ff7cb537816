// Replaces placeholders in component.toml by versions from go.mod.
#include "config/component_versions.hpp"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "toml/value_checks.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg::config {

using namespace toml;

namespace {

using Values = std::vector<std::pair<std::string, std::string>>;

void add_version(Values& values, const std::string& name, const std::string& argument, const std::string& version) {
  values.emplace_back(name + argument, version);
  values.emplace_back(name + "_no_v" + argument, without_v(version));
}

}  // namespace

std::map<std::string, std::string> module_versions(std::string_view go_mod) {
  std::map<std::string, std::string> required, replaced;
  std::string block;
  for (const auto& line : split(go_mod, '\n')) {
    auto words = split_words(std::string_view(line).substr(0, line.find("//")));
    if (words.empty()) continue;
    if (words.front() == ")") {
      block.clear();
      continue;
    }
    std::string verb = block;
    if (verb.empty()) {
      verb = words.front();
      words.erase(words.begin());
      if (words.size() == 1 && words.front() == "(") {
        block = verb;
        continue;
      }
    }
    if (verb == "require" && words.size() == 2) required[words[0]] = words[1];
    // "MODULE [VERSION] => MODULE VERSION". A replacement by a folder has no version and is ignored.
    const std::size_t arrow = words.size() > 1 && words[1] == "=>" ? 1 : 2;
    if (verb == "replace" && words.size() == arrow + 3 && words[arrow] == "=>") replaced[words[0]] = words[arrow + 2];
  }
  for (auto& [module, version] : required)
    if (const auto found = replaced.find(module); found != replaced.end()) version = found->second;
  return required;
}

Values expand_versions(ComponentConfig& component, const std::map<std::string, std::string>& modules,
                       const std::string& file, const Reader& reader, Diagnostics& diagnostics) {
  Values values;
  auto fill = [&](std::string& text, const std::string& key, const SourcePosition& position) {
    try {
      text = expand(text, values, key);
    } catch (const Error& error) {
      diagnostics.add(position, error.describe());
    }
  };
  auto place = [&](const std::string& key) {
    const auto* position = reader.position(key);
    return position != nullptr ? *position : SourcePosition{file, 1, 1};
  };
  for (const auto& [module, version] : modules) add_version(values, "module", ":" + module, version);
  fill(component.version, "version", place("version"));

  add_version(values, "version", "", component.version);
  const auto parts = split(without_v(component.version), '.');
  values.emplace_back("major", parts[0]);
  values.emplace_back("minor", parts.size() > 1 ? parts[1] : "0");
  for (auto& binary : component.binaries)
    for (auto& check : binary.checks) {
      const std::string key = join_key("binary", binary.name) + ".check";
      fill(check.expect, key, place(key));
    }
  for (auto& image : component.images) {
    const std::string key = join_key("image", image.name) + ".tag";
    fill(image.tag, key, place(key));
    if (image.tag.empty()) continue;
    if (const std::string wrong = image_tag()(image.tag); !wrong.empty())
      diagnostics.add(place(key), key + " " + wrong);
  }
  for (const char* later : {"goarch", "patches"}) values.emplace_back(later, fmt::format("${{{}}}", later));
  const auto& items = reader.items("build.ldflags");
  for (std::size_t i = 0; i < component.ldflags.size(); ++i)
    fill(component.ldflags[i], "build.ldflags", i < items.size() ? items[i].position : SourcePosition{file, 1, 1});
  return values;
}

}  // namespace k8simg::config
