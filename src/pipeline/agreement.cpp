// Compares a lock with the configuration, so that a changed defconfig is never built with an old lock.
#include "pipeline/agreement.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "util/digest.hpp"
#include "util/error.hpp"
#include "util/inside.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

/// What differs between the .debs of packages.files and those of the lock.
std::string compare_package_files(const Config& config, const Lock& lock) {
  std::string list;
  for (const auto& file : config.package_files) {
    const auto locked = std::find_if(lock.target.begin(), lock.target.end(), [&](const LockedPackage& package) {
      return package.is_file() && package.path == file.generic_string();
    });
    if (locked == lock.target.end())
      list += fmt::format("\n  the package {} is not in it", file.generic_string());
    else if (sha256_file(inside(config.project, file)) != locked->sha256)
      list += fmt::format("\n  the package {} changed", file.generic_string());
  }
  for (const auto& package : lock.target)
    if (package.is_file() &&
        std::find(config.package_files.begin(), config.package_files.end(), package.path) == config.package_files.end())
      list += fmt::format("\n  packages.files does not name its package {}, or the file is gone", package.path);
  return list;
}

/// What the lock lacks for boot files.
std::string compare_boot_packages(const Config& config, const Lock& lock) {
  std::string list;
  for (const auto& file : config.target_boot_files()) {
    const std::string name = package_of(file);
    if (has_package(lock.target, name) || has_package(lock.boot, name)) continue;
    const auto& tools = config.tool_set("files").packages;
    const bool is_tool = std::find(tools.begin(), tools.end(), name) != tools.end();
    list += fmt::format("\n  package {} of boot file {} ({}) is not in it{}", name, file.path,
                        where_set(config.settings, "boot.files", file.path),
                        is_tool ? fmt::format("; \"tool:{}\" takes it from tools.files", name) : "");
  }
  return list;
}

}  // namespace

void check_agreement(const Config& config, const Lock& lock) {
  std::string list;
  for (const auto& asked : config.packages) {
    if (!has_package(lock.target, package_name_of(asked))) list += fmt::format("\n  package {} is not in it", asked);
  }
  list += compare_package_files(config, lock);
  list += compare_boot_packages(config, lock);
  for (const ToolSet& set : config.tools) {
    if (set.packages.empty() || lock.tools.find(set)) continue;
    list += fmt::format("\n  the tool set {} ({}) is not in defconfigs/tools.lock", set.name, join(set.packages, ", "));
  }
  for (const auto& component : config.components) {
    if (!component.has_modules()) continue;
    const auto found = std::find_if(lock.components.begin(), lock.components.end(),
                                    [&](const LockedComponent& locked) { return locked.name == component.name; });
    if (found == lock.components.end()) {
      list += fmt::format("\n  component {} is not in it", component.name);
    } else if (found->version != component.version) {
      list += fmt::format("\n  component {} has version {}, but {} in the lock", component.name, component.version,
                          found->version);
    } else if (const auto folder = config.project / component.folder;
               sha256_file(folder / "go.mod") != found->go_mod || sha256_file(folder / "go.sum") != found->go_sum) {
      list += fmt::format("\n  component {}: go.mod or go.sum changed", component.name);
    }
  }
  if (list.empty()) return;
  throw Error(ErrorKind::Usage, fmt::format("the lock of {} does not match this configuration:{}", config.name, list),
              fmt::format("run `k8simg lock {}`, which keeps versions where possible; for a virtual package, name a "
                          "package that provides it",
                          config.name));
}

}  // namespace k8simg
