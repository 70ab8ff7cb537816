// Makes the graph of installed packages from their control files.
#include "provenance/package_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <optional>

#include "control/paragraph.hpp"
#include "control/relation.hpp"
#include "toml/document.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

/// A name that satisfies dependencies, with its version ("" for an unversioned Provides).
struct Provided {
  std::string package, version;
};
using Providers = std::multimap<std::string, Provided, std::less<>>;

std::vector<Alternatives> relations(const ControlParagraph& control, const LockedPackage& package, const char* field) {
  const std::string_view text = control.get(field);
  auto parsed = parse_relations(text);
  if (!parsed)
    throw control_file_error(package.name, package.version, control.line(),
                             fmt::format("{}: {}", field, parsed.error().message));
  return std::move(*parsed);
}

/// What satisfies a dependency although no package does.
std::string stand_in_of(const Config& config, const Alternatives& alternatives) {
  for (const Relation& relation : alternatives) {
    const std::string name(relation.name);
    for (const auto& component : config.components)
      if (std::find(component.provides.begin(), component.provides.end(), name) != component.provides.end())
        return "component " + component.name;
    if (std::find(config.exclude_packages.begin(), config.exclude_packages.end(), name) !=
        config.exclude_packages.end())
      return "packages.exclude";
    for (const auto& unless : config.exclude_packages_unless)
      if (std::find(unless.exclude.begin(), unless.exclude.end(), name) != unless.exclude.end())
        return fmt::format("packages.unless.{}", unless.package);
  }
  return {};
}

std::vector<Evidence> requests(const Config& config, const PackageGraph::Package& package) {
  std::vector<Evidence> found;
  const LockedPackage& locked = package.locked;
  if (locked.is_file())
    found.push_back(
        {fmt::format("packages.files names {}", locked.path), where_set(config.settings, "packages.files", "")});
  for (const auto& choice : config.packages)
    if (package_name_of(choice) == locked.name)
      found.push_back({fmt::format("packages.install has {}", toml::quote(choice)),
                       where_set(config.settings, "packages.install", choice)});
  if (package.essential && config.essential_packages)
    found.push_back(
        {"every installation has it (Essential: yes)", where_set(config.settings, "packages.essential", "")});
  return found;
}

}  // namespace

PackageGraph::PackageGraph(const Config& config, const Lock& lock, const std::map<std::string, std::string>& controls) {
  Providers providers;
  std::map<std::string, ControlParagraph> paragraphs;
  for (const LockedPackage& locked : lock.target) {
    const ControlParagraph control = parse_control_file(controls.at(locked.name), locked.name, locked.version);
    providers.emplace(locked.name, Provided{locked.name, locked.version});
    for (const auto& alternatives : relations(control, locked, "Provides"))
      for (const Relation& relation : alternatives)
        providers.emplace(relation.name, Provided{locked.name, std::string(relation.version)});
    paragraphs.emplace(locked.name, control);
  }
  for (const LockedPackage& locked : lock.target) {
    const ControlParagraph& control = paragraphs.at(locked.name);
    Package package{.locked = locked, .essential = control.get("Essential") == "yes", .needs = {}, .asked_for = {}};
    for (const char* field : {"Pre-Depends", "Depends"}) {
      for (const auto& alternatives : relations(control, locked, field)) {
        Need need{.field = field, .text = to_string(alternatives), .by = {}, .stand_in = {}};
        for (const Relation& relation : alternatives) {
          const auto [first, last] = providers.equal_range(relation.name);
          for (auto provided = first; provided != last; ++provided) {
            const std::string& name = provided->second.package;
            if (satisfies(provided->second.version, relation) &&
                std::find(need.by.begin(), need.by.end(), name) == need.by.end())
              need.by.push_back(name);
          }
        }
        if (need.by.empty()) need.stand_in = stand_in_of(config, alternatives);
        package.needs.push_back(std::move(need));
      }
    }
    package.asked_for = requests(config, package);
    packages_.emplace(locked.name, std::move(package));
  }
}

const PackageGraph::Package* PackageGraph::find(const std::string& name) const {
  const auto found = packages_.find(name);
  return found == packages_.end() ? nullptr : &found->second;
}

std::vector<std::string> PackageGraph::needing(const std::string& name) const {
  std::vector<std::string> found;
  const auto needs_it = [&](const Need& need) {
    return std::find(need.by.begin(), need.by.end(), name) != need.by.end();
  };
  for (const auto& [other, package] : packages_)
    if (other != name && std::any_of(package.needs.begin(), package.needs.end(), needs_it)) found.push_back(other);
  return found;
}

std::vector<Evidence> PackageGraph::chain(const std::string& name) const {
  struct Step {
    std::string from;  ///< the package that it needs
    const Need* need = nullptr;
  };
  std::map<std::string, Step> reached{{name, {}}};
  std::deque<std::string> queue{name};
  std::optional<std::string> end;
  while (!queue.empty() && !end) {
    const std::string at = queue.front();
    queue.pop_front();
    if (!packages_.at(at).asked_for.empty()) {
      end = at;
      break;
    }
    for (const auto& [other, package] : packages_) {
      if (reached.contains(other)) continue;
      for (const Need& need : package.needs) {
        if (std::find(need.by.begin(), need.by.end(), at) == need.by.end()) continue;
        reached[other] = {at, &need};
        queue.push_back(other);
        break;
      }
    }
  }
  if (!end) return {{"nothing needs it any more: `k8simg lock` removes it", ""}};
  std::vector<Evidence> lines = packages_.at(*end).asked_for;
  for (std::string at = *end; at != name; at = reached.at(at).from) {
    const Step& step = reached.at(at);
    lines.insert(lines.begin(), {fmt::format("{} needs it ({}: {})", name_and_version(packages_.at(at).locked),
                                             step.need->field, step.need->text),
                                 ""});
  }
  return lines;
}

std::set<std::string> PackageGraph::broken_without(const std::string& removed) const {
  std::set<std::string> gone{removed};
  for (bool changed = true; changed;) {
    changed = false;
    for (const auto& [name, package] : packages_) {
      if (gone.contains(name)) continue;
      const bool broken = std::any_of(package.needs.begin(), package.needs.end(), [&](const Need& need) {
        return !need.by.empty() &&
               std::all_of(need.by.begin(), need.by.end(), [&](const std::string& by) { return gone.contains(by); });
      });
      if (broken) gone.insert(name), changed = true;
    }
  }
  gone.erase(removed);
  return gone;
}

std::set<std::string> PackageGraph::needed(const std::set<std::string>& gone) const {
  std::set<std::string> reached;
  std::deque<std::string> queue;
  const auto reach = [&](const std::string& name) {
    if (!gone.contains(name) && reached.insert(name).second) queue.push_back(name);
  };
  for (const auto& [name, package] : packages_)
    if (!package.asked_for.empty()) reach(name);
  while (!queue.empty()) {
    const Package& package = packages_.at(queue.front());
    queue.pop_front();
    for (const Need& need : package.needs)
      for (const auto& by : need.by) reach(by);
  }
  return reached;
}

std::set<std::string> PackageGraph::unneeded_without(const std::string& removed) const {
  std::set<std::string> gone = broken_without(removed);
  gone.insert(removed);
  const std::set<std::string> before = needed({}), after = needed(gone);
  std::set<std::string> unneeded;
  for (const auto& name : before)
    if (!after.contains(name) && !gone.contains(name)) unneeded.insert(name);
  return unneeded;
}

std::string name_and_version(const LockedPackage& package) {
  return fmt::format("{} {}", package.name, package.version);
}

}  // namespace k8simg
