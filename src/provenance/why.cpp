// Finds out what a name means, and explains packages, components, overlays and container images.
#include "provenance/why.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "toml/document.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

std::string lock_name(const Config& config) { return fmt::format("defconfigs/{}.lock", config.name); }

const LockedPackage* find_package(const std::vector<LockedPackage>& packages, const std::string& name) {
  const auto found = std::find_if(packages.begin(), packages.end(),
                                  [&](const LockedPackage& package) { return package.name == name; });
  return found == packages.end() ? nullptr : &*found;
}

std::string source_of(const LockedPackage& package) {
  if (package.is_file()) return package.path;
  return fmt::format("{} {}, source {}", package.repository, package.suite, package.source);
}

/// CONFIG_X, or a word of capital letters, digits and underscores with at least one letter.
bool looks_like_symbol(const std::string& asked) {
  if (asked.starts_with("CONFIG_")) return true;
  return std::any_of(asked.begin(), asked.end(), [](unsigned char c) { return std::isupper(c); }) &&
         std::all_of(asked.begin(), asked.end(),
                     [](unsigned char c) { return std::isupper(c) || std::isdigit(c) || c == '_'; });
}

const ComponentConfig* find_component(const Config& config, const std::string& name) {
  const auto found = std::find_if(config.components.begin(), config.components.end(),
                                  [&](const ComponentConfig& component) { return component.name == name; });
  return found == config.components.end() ? nullptr : &*found;
}

/// A container image with the name and tag that pods ask for.
struct NamedImage {
  std::string name, tag;
  const ComponentConfig* component = nullptr;
  const ImageConfig* image = nullptr;
  const ExtraImage* extra = nullptr;
};

std::vector<NamedImage> images_of(const Config& config) {
  std::vector<NamedImage> images;
  for (const auto& component : config.components)
    for (const auto& image : component.images)
      images.push_back({image.name, image.tag.empty() ? component.version : image.tag, &component, &image, nullptr});
  for (const auto& extra : config.extra_images) {
    std::string reference = extra.name.empty() ? extra.from.substr(extra.from.find(':') + 1) : extra.name;
    if (reference.starts_with("//")) reference.erase(0, 2);
    reference = reference.substr(0, reference.find('@'));
    const auto colon = reference.rfind(':'), slash = reference.rfind('/');
    const bool tagged = colon != std::string::npos && (slash == std::string::npos || colon > slash);
    images.push_back({tagged ? reference.substr(0, colon) : reference, tagged ? reference.substr(colon + 1) : "",
                      nullptr, nullptr, &extra});
  }
  return images;
}

bool is_meant(const NamedImage& image, const std::string& asked) {
  if (asked == image.name || asked == image.name + ":" + image.tag) return true;
  return asked == image.name.substr(image.name.rfind('/') + 1) + ":" + image.tag || image.name.ends_with("/" + asked);
}

Explanation explain_image(const Config& config, const NamedImage& image) {
  Explanation result{.kind = "image", .subject = image.name + (image.tag.empty() ? "" : ":" + image.tag)};
  if (image.extra) {
    result.chain.push_back(
        {"image.extra names " + image.extra->from, where_set(config.settings, "image.extra", image.extra->from)});
  } else {
    result.what = image.image->description.empty() ? image.component->description : image.image->description;
    result.chain.push_back(
        {fmt::format("made of {} of component {} {}", join(image.image->programs, ", "), image.component->name,
                     image.component->version),
         where_set(config.settings, fmt::format("components.{}.image", image.component->name), image.name)});
    const auto component = component_lines(config, image.component->name);
    result.chain.insert(result.chain.end(), component.begin() + 1, component.end());
  }
  if (config.images_preload)
    result.chain.push_back({"images.preload: the root filesystem has it, unpacked in containerd's folder",
                            where_set(config.settings, "images.preload", "")});
  return result;
}

/// The tool sets that have a package, and what each asks for.
Explanation explain_tool(const WhyInputs& in, const LockedPackage& package) {
  Explanation result{.kind = "tool",
                     .subject = name_and_version(package),
                     .what = "a tool of the build, not in the image; " + source_of(package)};
  for (const ToolSet& set : in.config.tools) {
    const LockedToolSet* locked = in.lock.tools.find(set);
    if (!locked || std::find(locked->packages.begin(), locked->packages.end(), package.name) == locked->packages.end())
      continue;
    const std::string key = fmt::format("tools.{}", set.name);
    const bool asked = std::find(set.packages.begin(), set.packages.end(), package.name) != set.packages.end();
    result.chain.push_back(
        {asked ? fmt::format("the tool set {} names it", set.name)
               : fmt::format("the tool set {} has it as a dependency of {}", set.name, join(set.packages, ", ")),
         where_set(in.config.settings, key, asked ? package.name : "")});
  }
  return result;
}

[[noreturn]] void throw_unknown(const WhyInputs& in, const std::string& asked) {
  std::vector<std::string> names;
  for (const auto& package : in.lock.target) names.push_back(package.name);
  for (const auto& component : in.config.components) names.push_back(component.name);
  for (const auto& image : images_of(in.config)) names.push_back(image.name);
  const auto near = nearest(asked, names);
  throw Error(ErrorKind::Usage,
              fmt::format("{} has no package, component, overlay or container image {}{}", in.config.name,
                          toml::quote(asked), near ? fmt::format(" (did you mean {}?)", *near) : ""),
              "paths begin with a slash, kernel symbols with CONFIG_");
}

}  // namespace

std::vector<Evidence> package_lines(const WhyInputs& in, const std::string& name) {
  std::vector<Evidence> lines;
  const LockedPackage* package = find_package(in.lock.target, name);
  if (!package) {  // only files of it are used
    package = find_package(in.lock.boot, name);
    if (!package) package = find_package(in.lock.tools.packages, name);
    return {
        {package ? fmt::format("package {} ({})", name_and_version(*package), source_of(*package)) : "package " + name,
         ""}};
  }
  lines.push_back(
      {fmt::format("package {} ({})", name_and_version(*package), source_of(*package)), lock_name(in.config)});
  const auto chain = in.packages().chain(name);
  lines.insert(lines.end(), chain.begin(), chain.end());
  return lines;
}

std::vector<Evidence> component_lines(const Config& config, const std::string& name) {
  std::vector<Evidence> lines;
  if (const ComponentConfig* component = find_component(config, name))
    lines.push_back({fmt::format("component {} {}", name, component->version),
                     where_set(config.settings, fmt::format("components.{}.version", name), "")});
  lines.push_back({fmt::format("components.enable has {}", toml::quote(name)),
                   where_set(config.settings, "components.enable", name)});
  return lines;
}

std::vector<Evidence> overlay_lines(const Config& config, const std::string& name) {
  return {{fmt::format("overlays.use has {}", toml::quote(name)), where_set(config.settings, "overlays.use", name)}};
}

std::vector<Explanation> why(const WhyInputs& in, const std::string& asked) {
  const Config& config = in.config;
  if (asked.starts_with('/')) return why_path(in, asked.substr(1));
  if (const LockedPackage* package = find_package(in.lock.target, asked)) {
    const auto lines = package_lines(in, asked);
    Explanation result{.kind = "package",
                       .subject = name_and_version(*package),
                       .what = source_of(*package),
                       .chain = {lines.begin() + 1, lines.end()},
                       .package = asked};
    std::vector<std::string> needing = in.packages().needing(asked);
    if (needing.size() > 1) {
      const std::size_t most = 8, more = needing.size() > most ? needing.size() - most : 0;
      needing.resize(needing.size() - more);
      result.chain.push_back(
          {fmt::format("needed by {}{}", join(needing, ", "), more ? fmt::format(" and {} more", more) : ""), ""});
    }
    return {result};
  }
  if (const ComponentConfig* component = find_component(config, asked)) {
    const auto lines = component_lines(config, asked);
    return {{.kind = "component",
             .subject = fmt::format("{} {}", component->name, component->version),
             .what = component->description,
             .chain = {lines.begin() + 1, lines.end()},
             .origin = Origin::component(asked).text()}};
  }
  if (std::find(config.overlays.begin(), config.overlays.end(), asked) != config.overlays.end())
    return {{.kind = "overlay",
             .subject = "overlays/" + asked,
             .chain = overlay_lines(config, asked),
             .origin = Origin::overlay(asked).text()}};
  for (const auto& image : images_of(config))
    if (is_meant(image, asked)) return {explain_image(config, image)};
  if (const LockedPackage* tool = find_package(in.lock.tools.packages, asked)) {
    Explanation result = explain_tool(in, *tool);
    if (!result.chain.empty()) return {result};
  }
  if (looks_like_symbol(asked))
    return {why_symbol(config, in.symbols(), asked.starts_with("CONFIG_") ? asked : "CONFIG_" + asked)};
  throw_unknown(in, asked);
}

}  // namespace k8simg
