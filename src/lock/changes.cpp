// What changed between two locks, in lines for people.
#include <fmt/format.h>

#include <map>

#include "lock/lock.hpp"

namespace k8simg {
namespace {

/// What is compared: the version people know, and the bytes behind it.
struct Entry { std::string version, bytes; };
using Entries = std::map<std::string, Entry>;

void compare(const Entries& before, const Entries& after, const std::string& label, std::vector<std::string>& lines) {
  for (const auto& [name, old] : before)
    if (!after.count(name)) lines.push_back(fmt::format("{}- {}", label, name));
  for (const auto& [name, entry] : after) {
    auto old = before.find(name);
    if (old == before.end())
      lines.push_back(fmt::format("{}+ {} {}", label, name, entry.version));
    else if (old->second.version != entry.version)
      lines.push_back(fmt::format("{}{} {} → {}", label, name, old->second.version, entry.version));
    else if (old->second.bytes != entry.bytes)
      lines.push_back(fmt::format("{}{} {}: the same version with other bytes", label, name, entry.version));
  }
}

Entries packages_of(const std::vector<LockedPackage>& packages) {
  Entries entries;
  for (const auto& package : packages) entries[package.name] = {package.version, package.architecture + " " + package.sha256.hex()};
  return entries;
}

Entries components_of(const Lock& lock) {
  Entries entries;
  for (const auto& component : lock.components) entries[component.name] = {component.version, component.go_mod.hex()};
  return entries;
}

Entries modules_of(const LockedComponent& component) {
  // go.sum may hold several versions of one module: a version is part of the name then, and only its hash can change.
  std::map<std::string, int> versions;
  for (const auto& module : component.modules) ++versions[module.path];
  Entries entries;
  for (const auto& module : component.modules)
    entries[versions[module.path] > 1 ? module.path + "@" + module.version : module.path] = {module.version, module.h1};
  return entries;
}

}  // namespace

std::vector<std::string> describe_changes(const Lock& before, const Lock& after) {
  std::vector<std::string> lines;
  compare(packages_of(before.target), packages_of(after.target), "", lines);
  compare(packages_of(before.tools), packages_of(after.tools), "tools: ", lines);
  compare(components_of(before), components_of(after), "component: ", lines);
  for (const auto& component : after.components)
    for (const auto& old : before.components)
      if (old.name == component.name) compare(modules_of(old), modules_of(component), component.name + ": ", lines);
  return lines;
}

const LockedSuite* first_older_suite(const Lock& before, const std::vector<LockedSuite>& now) {
  for (const auto& suite : now)
    for (const auto& old : before.suites)
      if (old.repository == suite.repository && old.suite == suite.suite && suite.date < old.date) return &suite;
  return nullptr;
}

}  // namespace k8simg
