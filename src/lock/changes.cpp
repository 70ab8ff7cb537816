// Describes the changes between two locks.
#include <fmt/format.h>

#include <map>

#include "lock/lock.hpp"

namespace k8simg {
namespace {

/// The compared values: the version, and the digests of its bytes.
struct Entry {
  std::string version, bytes;
};
using Entries = std::map<std::string, Entry>;

void compare(const Entries& before, const Entries& after, const std::string& label, const Reasons& reasons,
             std::vector<std::string>& lines) {
  const auto because = [&](const std::string& name) {
    const auto found = reasons.find(name);
    return found == reasons.end() ? "" : fmt::format(" ({})", found->second);
  };
  for (const auto& [name, old] : before)
    if (!after.count(name)) lines.push_back(fmt::format("{}- {}", label, name));
  for (const auto& [name, entry] : after) {
    auto old = before.find(name);
    if (old == before.end())
      lines.push_back(fmt::format("{}+ {} {}{}", label, name, entry.version, because(name)));
    else if (old->second.version != entry.version)
      lines.push_back(fmt::format("{}{} {} → {}{}", label, name, old->second.version, entry.version, because(name)));
    else if (old->second.bytes != entry.bytes)
      lines.push_back(
          fmt::format("{}{} {}: same version, different bytes{}", label, name, entry.version, because(name)));
  }
}

Entries packages_of(const std::vector<LockedPackage>& packages) {
  Entries entries;
  for (const auto& package : packages)
    entries[package.name] = {package.version, package.architecture + " " + package.sha256.hex()};
  return entries;
}

Entries components_of(const Lock& lock) {
  Entries entries;
  for (const auto& component : lock.components)
    entries[component.name] = {component.version, component.go_mod.hex() + component.go_sum.hex()};
  return entries;
}

}  // namespace

std::vector<std::string> describe_changes(const Lock& before, const Lock& after, const Reasons& target,
                                          const Reasons& tools) {
  std::vector<std::string> lines;
  compare(packages_of(before.target), packages_of(after.target), "", target, lines);
  compare(packages_of(before.boot), packages_of(after.boot), "boot: ", target, lines);
  compare(packages_of(before.tools.packages), packages_of(after.tools.packages), "tools: ", tools, lines);
  compare(components_of(before), components_of(after), "component: ", {}, lines);
  return lines;
}

const LockedSuite* first_older_suite(const std::vector<LockedSuite>& before, const std::vector<LockedSuite>& now) {
  for (const auto& suite : now)
    for (const auto& old : before)
      if (old.repository == suite.repository && old.suite == suite.suite && suite.date < old.date) return &suite;
  return nullptr;
}

}  // namespace k8simg
