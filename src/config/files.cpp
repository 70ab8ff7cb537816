// Reads component.toml, scripts.toml and requirements.toml, and lists the contents of a project's folders.
#include "config/files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "config/component_versions.hpp"
#include "config/patch_file.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/inside.hpp"
#include "util/text.hpp"

namespace k8simg::config {

using namespace toml;
namespace {

/// Names in `folder`: files that end in `suffix`, without it, or folders that contain the file `inside`.
std::vector<std::string> list_names(const fs::path& folder, const std::string& suffix, const std::string& inside) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const fs::path& path = entry->path();
    std::string name = path.filename().string();
    std::error_code ignored;
    if (!suffix.empty()) {
      if (path.extension() == suffix && entry->is_regular_file(ignored)) names.push_back(path.stem().string());
    } else if (entry->is_directory(ignored) && name.front() != '.' &&
               (inside.empty() || fs::exists(path / inside, ignored))) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

ProjectNames scan_project(const fs::path& project) {
  ProjectNames names;
  names.boards = list_names(project / "boards", "", "board.toml");
  names.defconfigs = list_names(project / "defconfigs", ".toml", "");
  names.defconfigs.erase(std::remove(names.defconfigs.begin(), names.defconfigs.end(), "scripts"),
                         names.defconfigs.end());  // the judgements
  names.components = list_names(project / "components", "", "component.toml");
  names.overlays = list_names(project / "overlays", "", "");
  names.fragments = list_names(project / "kernel-fragments", ".config", "");
  return names;
}

std::optional<Value> read_document(const fs::path& project, const std::string& file, Diagnostics& diagnostics) {
  try {
    return parse_document(read_file(inside(project, file)), file, diagnostics);
  } catch (const Error& error) {
    diagnostics.add({file, 1, 1}, "cannot be read: " + error.message());
    return std::nullopt;
  }
}

/// Each program of an image or a release is a binary of the component, or a name of its multi-call binary.
void check_programs(const ComponentConfig& component, const std::string& file, const Reader& reader,
                    Diagnostics& diagnostics) {
  std::vector<std::string> names;
  bool multicall = false;
  for (const auto& binary : component.binaries)
    names.push_back(binary.name), multicall = multicall || binary.link == "multicall";
  const auto check = [&](const std::string& section, const std::string& name,
                         const std::vector<std::string>& programs) {
    const std::string key = join_key(join_key(section, name), "programs");
    if (programs.empty()) diagnostics.add({file, 1, 1}, fmt::format("{} must name at least one program", key));
    for (const auto& item : reader.items(key))
      if (!multicall && std::find(names.begin(), names.end(), item.text) == names.end())
        diagnostics.add(item.position, fmt::format("{}: the component has no binary {}{}", key, quote(item.text),
                                                   suggest(item.text, names)));
  };
  for (const auto& image : component.images) check("image", image.name, image.programs);
  for (const auto& release : component.releases) check("release", release.name, release.programs);
}

/// Reads the chosen patches of the component's folder, sorted by name.
void read_patches(const fs::path& project, ComponentConfig& component, const ComponentChoice& choice,
                  Diagnostics& diagnostics, std::vector<Setting>& settings) {
  const fs::path folder = component.folder / "patches";
  const std::vector<std::string> known = list_names(project / folder, ".patch", "");
  std::vector<std::string> chosen;
  if (choice.patches) {
    for (const auto& [name, position] : *choice.patches) {
      if (std::find(known.begin(), known.end(), name) == known.end())
        diagnostics.add(position, fmt::format("components.{}.patches: {} has no {}.patch{}", component.name,
                                              folder.string(), name, suggest(name, known)));
      else
        chosen.push_back(name);
    }
  } else {
    chosen = known;
  }
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  std::vector<std::string> quoted;
  for (const auto& name : chosen) {
    const fs::path file = folder / (name + ".patch");
    if (auto patch = read_patch(project, file.string(), diagnostics)) component.patches.push_back(std::move(*patch));
    quoted.push_back(quote(name));
  }
  if (!choice.patches && !known.empty())
    settings.push_back(
        {"components." + component.name + ".patches", "[" + join(quoted, ", ") + "]", {{folder.string(), 1, 1}}});
}

std::optional<ComponentConfig> read_component(const fs::path& project, const std::string& name,
                                              const ComponentChoice& choice, Diagnostics& diagnostics,
                                              std::vector<Setting>& settings) {
  const std::string& asked = choice.link;
  const std::string folder = "components/" + name, file = folder + "/component.toml";
  auto document = read_document(project, file, diagnostics);
  if (!document) return std::nullopt;
  const std::size_t before = diagnostics.size();
  ComponentConfig component;
  Table table = component_table(component);
  Reader reader(diagnostics);
  reader.read(table, *document);
  reader.complete(table, {file, 1, 1});
  if (const auto* at = reader.position("name"); at && component.name != name)
    diagnostics.add(*at,
                    fmt::format("name must be {}, the name of the folder, not {}", quote(name), quote(component.name)));
  if (component.has_modules()) {
    for (const char* needed : {"go.mod", "go.sum"})
      if (std::error_code ignored; !fs::is_regular_file(project / folder / needed, ignored))
        diagnostics.add({file, 1, 1}, fmt::format("{}/{} is missing", folder, needed));
  }
  std::map<std::string, std::string> modules;
  if (component.has_modules() && diagnostics.size() == before)
    modules = module_versions(read_file(project / folder / "go.mod"));
  std::vector<std::pair<std::string, std::string>> values;
  if (diagnostics.size() == before) values = expand_versions(component, modules, file, reader, diagnostics);

  std::vector<std::string> modes;
  for (const auto& binary : component.binaries)
    if (!binary.link.empty() && std::find(modes.begin(), modes.end(), binary.link) == modes.end())
      modes.push_back(binary.link);
  std::string chosen = asked;
  if (chosen.empty() && !modes.empty())
    chosen = std::find(modes.begin(), modes.end(), "multicall") != modes.end() ? "multicall" : modes.front();
  if (!asked.empty() && std::find(modes.begin(), modes.end(), asked) == modes.end())
    diagnostics.add(choice.link_at,
                    fmt::format("components.{}.link: {} has no binary with link = {}", name, file, quote(asked)));
  if (diagnostics.size() != before) return std::nullopt;

  const std::string prefix = "components." + name + ".";
  std::vector<std::string> unused{prefix + "name"};  // keys that have no effect
  auto other_mode = [&](const ComponentBinary& binary) { return !binary.link.empty() && binary.link != chosen; };
  for (const auto& binary : component.binaries)
    if (other_mode(binary)) unused.push_back(join_key(prefix + "binary", binary.name) + ".");
  component.binaries.erase(std::remove_if(component.binaries.begin(), component.binaries.end(), other_mode),
                           component.binaries.end());
  component.folder = folder;
  check_programs(component, file, reader, diagnostics);
  read_patches(project, component, choice, diagnostics, settings);
  if (diagnostics.size() != before) return std::nullopt;
  for (auto& setting : reader.settings(prefix)) {
    if (std::any_of(unused.begin(), unused.end(), [&](const std::string& key) { return setting.key.starts_with(key); }))
      continue;
    setting.value = expand(setting.value, values, setting.key);
    settings.push_back(std::move(setting));
  }
  return component;
}

std::vector<Judgement> read_judgements(const fs::path& project, Diagnostics& diagnostics) {
  const std::string file = "defconfigs/scripts.toml";
  std::vector<Judgement> judgements;
  std::error_code ignored;
  if (!fs::exists(project / file, ignored)) return judgements;
  auto document = read_document(project, file, diagnostics);
  if (!document) return judgements;
  Reader reader(diagnostics);
  reader.read(judgements_table(judgements), *document);
  return judgements;
}

std::vector<KernelRequirement> read_requirements(const fs::path& project, const std::string& file,
                                                 Diagnostics& diagnostics) {
  std::vector<KernelRequirement> requirements;
  auto document = read_document(project, file, diagnostics);
  if (!document) return requirements;
  std::vector<RequirementEntry> entries;
  Reader reader(diagnostics);
  reader.read(requirements_table(entries), *document);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    auto& entry = entries[i];
    if (entry.symbol.empty() == entry.any_of.empty()) {
      const Member* list = find(*document, "requirement");
      SourcePosition where = list && i < list->value.items.size() ? list->value.items[i].position : document->position;
      diagnostics.add(where, fmt::format("requirement.{} needs either symbol or any_of", i + 1));
    }
    if (!entry.symbol.empty()) entry.any_of = {entry.symbol};
    requirements.push_back({entry.any_of, entry.by, entry.level == "required", entry.note, entry.program});
  }
  return requirements;
}

}  // namespace k8simg::config
