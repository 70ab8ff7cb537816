// Makes locks: chooses the packages of the target, then those of each tool set.
#include "locking/locking.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>

#include "control/version.hpp"
#include "debian/catalogue.hpp"
#include "util/error.hpp"
#include "util/inside.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

constexpr const char* build_architecture = "amd64";
constexpr std::int64_t a_day = 86400;
constexpr std::int64_t stale_days = 200;  // Debian's stable releases have a point release every two to four months

using What = LockUpdate::What;

bool contains(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

std::vector<Repository> repositories_of(const Config& config, const std::vector<std::string>& without, bool tools) {
  std::vector<Repository> list;
  for (const auto& r : config.repositories) {
    std::vector<std::string> suites;
    const auto add = [&](const std::vector<std::string>& more) {
      std::copy_if(more.begin(), more.end(), std::back_inserter(suites),
                   [&](const std::string& suite) { return !contains(without, suite); });
    };
    // The tools are those of all defconfigs. A repository of one's own gives tools only where that is asked for.
    if (!tools || r.keyring.empty()) add(r.suites);
    if (tools) add(r.tools_suites);
    const auto keyring = r.keyring.empty() ? std::filesystem::path() : inside(config.project, r.keyring);
    if (!suites.empty()) list.push_back({r.name, suites, r.sections, keyring});
  }
  return list;
}

void merge(std::vector<std::string>& list, const std::vector<std::string>& more) {
  for (const auto& item : more)
    if (!contains(list, item)) list.push_back(item);
}

/// The repositories from which any configuration takes tools.
std::vector<Repository> tools_repositories(const std::vector<Config>& project,
                                           const std::vector<std::string>& without) {
  std::vector<Repository> all;
  for (const Config& config : project)
    for (const Repository& r : repositories_of(config, without, true)) {
      const auto known =
          std::find_if(all.begin(), all.end(), [&](const Repository& other) { return other.name == r.name; });
      if (known == all.end()) {
        all.push_back(r);
        continue;
      }
      if (known->keyring != r.keyring)
        throw Error(
            ErrorKind::Usage,
            fmt::format("repository {} has another keyring in {} than in other defconfigs", r.name, config.name),
            "The defconfigs share the tools: name repositories with different keys differently.");
      merge(known->suites, r.suites);
      merge(known->sections, r.sections);
    }
  return all;
}

std::vector<std::string> backports_of(const std::vector<Repository>& repositories) {
  std::vector<std::string> backports;
  for (const auto& r : repositories)
    std::copy_if(r.suites.begin(), r.suites.end(), std::back_inserter(backports),
                 [](const std::string& suite) { return suite.ends_with("-backports"); });
  return backports;
}

std::int64_t newest(const std::vector<LockedSuite>& suites) {
  std::int64_t date = 0;
  for (const auto& suite : suites) date = std::max(date, suite.date);
  return date;
}

bool is_file_named(const std::vector<PackageFile>& files, const std::string& name) {
  return std::any_of(files.begin(), files.end(), [&](const PackageFile& file) { return file.package.name == name; });
}

/// Locks lists of packages from one set of indexes, and keeps versions where possible.
class Chooser {
 public:
  /// `before`: the locked packages. `files`: packages to install beside those that are asked for.
  Chooser(IndexSet indexes, const std::string& architecture, const std::vector<Repository>& repositories,
          std::vector<LockedPackage> before, const LockUpdate& update, const LockServices& services,
          const std::vector<PackageFile>& files)
      : indexes_(std::move(indexes)), files_(files) {
    // A file replaces what the suites have under its name.
    std::erase_if(
        before, [&](const LockedPackage& package) { return package.is_file() || is_file_named(files, package.name); });
    std::map<std::string, std::string> security;
    if (update.what == What::Security) security = superseded_by_security(indexes_, architecture, before);
    for (const auto& package : before) {
      if (update.what == What::Everything)
        reasons_[package.name] = "update";
      else if (update.what == What::Packages && contains(update.packages, package.name))
        reasons_[package.name] = "update";
      else if (const auto found = security.find(package.name); found != security.end())
        reasons_[package.name] = found->second + " has it";
      else
        keep_.push_back(package);
    }
    if (const auto missing = not_offered(indexes_, architecture, keep_); !missing.empty()) {
      const auto controls = services.control_files(missing);
      for (const auto& package : missing) add_offer(indexes_, architecture, package, controls.at(package.name));
    }
    for (const auto& file : files_) add_offer(indexes_, architecture, file.package, file.control);
    catalogue_.emplace(indexes_, architecture, backports_of(repositories));
  }
  Chooser(const Chooser&) = delete;  // the catalogue refers to the indexes

  std::vector<LockedPackage> choose(ResolveRequest request) {
    request.keep = keep_;
    for (const auto& file : files_) request.pinned.push_back(file.package);
    Resolution resolution = resolve(*catalogue_, request);
    for (auto& package : resolution.packages) {
      if (package.is_file()) reasons_[package.name] = package.path;
      if (package.date != 0 || package.is_file()) continue;  // kept
      package.date = newest(indexes_.suites);
      const auto released = resolution.released.find(package.name);
      const std::string& by = resolution.needed_by[package.name];
      if (released != resolution.released.end())
        reasons_[package.name] = "needed by " + released->second;
      else
        reasons_.emplace(package.name, by.empty() ? "asked for" : "needed by " + by);
    }
    return std::move(resolution.packages);
  }

  /// Replaces the reason of a package that is new or changed.
  void explain(const std::string& name, std::string reason) {
    if (const auto found = reasons_.find(name); found != reasons_.end()) found->second = std::move(reason);
  }

  /// Keeps this version from now on.
  void prefer(const LockedPackage& package) {
    std::erase_if(keep_, [&](const LockedPackage& kept) { return kept.name == package.name; });
    keep_.push_back(package);
  }

  const std::vector<LockedSuite>& suites() const { return indexes_.suites; }
  Reasons reasons() && { return std::move(reasons_); }

 private:
  IndexSet indexes_;
  const std::vector<PackageFile>& files_;
  std::optional<Catalogue> catalogue_;  ///< built from indexes_, after the kept packages were added
  std::vector<LockedPackage> keep_;
  Reasons reasons_;
};

/// Refuses older suites, as apt does: an outdated or manipulated mirror would provide packages with known
/// vulnerabilities.
void check_dates(const LockServices& services, const LockRequest& request, const std::vector<Repository>& repositories,
                 const std::vector<LockedSuite>& before, const std::vector<LockedSuite>& suites) {
  // A repository of one's own may be published once and never again.
  const auto is_own = [&](const LockedSuite& suite) {
    return std::any_of(repositories.begin(), repositories.end(), [&](const Repository& repository) {
      return repository.name == suite.repository && !repository.keyring.empty();
    });
  };
  for (const auto& suite : suites) {
    const std::int64_t days = (services.now - suite.date) / a_day;
    if (days > stale_days && !is_own(suite))
      services.warn(
          fmt::format("suite {} of {} is {} days old: the mirror may be behind", suite.suite, suite.repository, days));
  }
  if (request.allow_older) return;
  const LockedSuite* older = first_older_suite(before, suites);
  if (!older) return;
  for (const auto& old : before)
    if (old.repository == older->repository && old.suite == older->suite)
      throw Error(
          ErrorKind::Fetch,
          fmt::format("suite {} of {} is from {} on the mirror, but the lock was made from one of {}", older->suite,
                      older->repository, format_lock_date(older->date), format_lock_date(old.date)),
          "Use a mirror that is up to date, or accept older packages with --allow-older-suites.");
}

void check_without(const Config& config, const std::vector<std::string>& without) {
  std::vector<std::string> known;
  for (const bool tools : {false, true})
    for (const auto& r : repositories_of(config, {}, tools)) merge(known, r.suites);
  for (const auto& suite : without)
    if (!contains(known, suite))
      throw Error(ErrorKind::Usage, fmt::format("--without-suite {}: {} has no such suite", suite, config.name),
                  "it has " + join(known, ", "));
}

void check_update(const Config& config, const LockUpdate& update, const Lock& before) {
  std::vector<std::string> names;
  for (const auto* packages : {&before.target, &before.boot, &before.tools.packages})
    for (const auto& package : *packages) names.push_back(package.name);
  for (const auto& name : update.packages) {
    if (contains(names, name)) continue;
    const auto near = nearest(name, names);
    throw Error(ErrorKind::Usage,
                fmt::format("--update {}: the lock of {} has no such package{}", name, config.name,
                            near ? fmt::format(" (did you mean {}?)", *near) : ""),
                "to add a package, use packages.install of the defconfig");
  }
}

std::vector<LockedComponent> lock_components(const Config& config) {
  std::vector<LockedComponent> components;
  for (const auto& component : config.components) {
    if (!component.has_modules()) continue;
    const auto digest = [&](const char* file) { return sha256_file(inside(config.project, component.folder / file)); };
    components.push_back({component.name, component.version, digest("go.mod"), digest("go.sum")});
  }
  return components;
}

using NeededInterpreters = std::map<std::string, std::string>;  // interpreter → package

/// Excluded packages, also those that components stand for: what the configuration asks for itself is not excluded, nor
/// what belongs to a package that was chosen, nor an interpreter that one needs.
std::vector<std::string> excluded_packages(const Config& config, const std::vector<PackageFile>& files,
                                           const std::vector<LockedPackage>& chosen,
                                           const NeededInterpreters& interpreters) {
  std::vector<std::string> excluded = config.exclude_packages;
  for (const auto& component : config.components) merge(excluded, component.provides);
  for (const auto& unless : config.exclude_packages_unless)
    if (!has_package(chosen, unless.package) && !interpreters.contains(unless.interpreter))
      merge(excluded, unless.exclude);
  std::erase_if(excluded,
                [&](const std::string& name) { return contains(config.packages, name) || is_file_named(files, name); });
  return excluded;
}

std::vector<LockedPackage> choose_target(Chooser& chooser, const Config& config, const std::vector<PackageFile>& files,
                                         const LockServices& services) {
  std::vector<LockedPackage> chosen;
  NeededInterpreters interpreters;
  std::vector<std::string> excluded = excluded_packages(config, files, chosen, interpreters);
  // A package that was chosen may need what is otherwise excluded; fewer are excluded in each round.
  while (true) {
    chosen = chooser.choose({.install = config.packages, .essential = config.essential_packages, .exclude = excluded});
    std::vector<std::string> open;  // interpreters whose packages are excluded
    for (const auto& unless : config.exclude_packages_unless)
      if (!unless.interpreter.empty() && !has_package(chosen, unless.package)) open.push_back(unless.interpreter);
    if (!open.empty()) interpreters.merge(services.needed_interpreters(chosen, open));
    std::vector<std::string> next = excluded_packages(config, files, chosen, interpreters);
    if (next.size() >= excluded.size()) break;
    excluded = std::move(next);
  }
  for (const auto& unless : config.exclude_packages_unless)
    if (const auto needed = interpreters.find(unless.interpreter); needed != interpreters.end())
      for (const auto& name : unless.exclude)
        chooser.explain(name, fmt::format("{} is the interpreter of a command of {}", needed->first, needed->second));
  return chosen;
}

/// The packages that boot files come from and that are not installed, without what they depend on.
std::vector<LockedPackage> choose_boot(Chooser& chooser, const Config& config,
                                       const std::vector<LockedPackage>& target) {
  std::vector<std::string> wanted, files;
  for (const auto& file : config.target_boot_files()) {
    const std::string name = package_of(file);
    if (has_package(target, name)) continue;
    merge(wanted, {name});
    files.push_back(fmt::format("{} of {} ({})", name, file.path, where_set(config.settings, "boot.files", file.path)));
  }
  if (wanted.empty()) return {};
  auto chosen = with_context(fmt::format("while choosing the packages of boot files: {}", join(files, ", ")),
                             [&] { return chooser.choose({.install = wanted, .essential = false}); });
  std::erase_if(chosen, [&](const LockedPackage& package) { return !contains(wanted, package.name); });
  return chosen;
}

std::vector<ToolSet> wanted_sets(const std::vector<Config>& project) {
  std::vector<ToolSet> wanted;
  for (const Config& config : project)
    for (ToolSet set : config.tools) {
      std::sort(set.packages.begin(), set.packages.end());
      if (!set.packages.empty() && std::find(wanted.begin(), wanted.end(), set) == wanted.end())
        wanted.push_back(std::move(set));
    }
  return wanted;
}

/// Locks each package in one version for all sets: if sets resolved different versions, the newest is used.
ToolsLock choose_tools(Chooser& chooser, const std::vector<ToolSet>& wanted, const std::int64_t date) {
  constexpr int most_rounds = 20;  // each round settles at least one package; one or two rounds are usual
  for (int round = 0; round < most_rounds; ++round) {
    ToolsLock tools{.date = date, .suites = chooser.suites(), .sets = {}, .packages = {}};
    std::map<std::string, LockedPackage> packages;
    bool settled = true;
    for (const ToolSet& set : wanted) {
      const auto chosen = with_context(
          fmt::format("while choosing the packages of the tool set {} ({})", set.name, join(set.packages, ", ")),
          [&] { return chooser.choose({.install = set.packages, .essential = set.essential}); });
      LockedToolSet locked{.asked = set, .packages = {}};
      for (const auto& package : chosen) {
        locked.packages.push_back(package.name);
        const auto [other, added] = packages.try_emplace(package.name, package);
        if (added || other->second.sha256 == package.sha256) continue;
        settled = false;
        if (compare_versions(package.version, other->second.version) > 0) other->second = package;
      }
      tools.sets.push_back(std::move(locked));
    }
    if (settled) {
      for (auto& [name, package] : packages) tools.packages.push_back(std::move(package));
      return tools;
    }
    for (const auto& [name, package] : packages) chooser.prefer(package);
  }
  throw Error(ErrorKind::Resolve, "the tool sets need different versions of one package",
              "name one version or suite for all sets that have it");
}

}  // namespace

LockResult make_lock(const Config& config, const std::vector<Config>& project, const LockRequest& request,
                     const LockServices& services) {
  const Lock& before = request.before;
  check_without(config, request.without);
  check_update(config, request.update, before);
  const auto chooser = [&](const std::vector<Repository>& repositories, const std::string& architecture,
                           const std::vector<LockedSuite>& suites, const std::vector<LockedPackage>& packages,
                           const std::vector<PackageFile>& files) {
    IndexSet indexes = services.indexes(repositories, architecture);
    check_dates(services, request, repositories, suites, indexes.suites);
    return Chooser(std::move(indexes), architecture, repositories, packages, request.update, services, files);
  };
  // An existing lock keeps its date, which is the images' date: an added package does not change the kernel.
  const auto date_of = [&](std::int64_t date, const std::vector<LockedSuite>& suites) {
    return date == 0 || request.update.what == What::Everything ? newest(suites) : date;
  };

  LockResult result{.lock = before, .target = {}, .tools = {}};
  Lock& lock = result.lock;
  lock.defconfig = config.name;
  lock.without_suites = request.without;
  lock.components = lock_components(config);
  std::vector<LockedPackage> locked_before = before.target;
  locked_before.insert(locked_before.end(), before.boot.begin(), before.boot.end());
  Chooser target = chooser(repositories_of(config, request.without, false), config.arch.debian, before.suites,
                           locked_before, request.files);
  lock.target = with_context("while choosing the target's packages",
                             [&] { return choose_target(target, config, request.files, services); });
  lock.boot = choose_boot(target, config, lock.target);
  if (lock.target != before.target || lock.boot != before.boot || lock.without_suites != before.without_suites)
    lock.suites = target.suites();
  lock.date = date_of(before.date, target.suites());
  result.target = std::move(target).reasons();

  const bool locked = std::all_of(config.tools.begin(), config.tools.end(),
                                  [&](const ToolSet& set) { return set.packages.empty() || before.tools.find(set); });
  if (locked && request.update.what == What::Nothing) return result;
  // A suite that lacks another architecture may still have the build architecture.
  const auto repositories = tools_repositories(
      project, config.arch.debian == build_architecture ? request.without : std::vector<std::string>{});
  const std::vector<PackageFile> no_files;
  Chooser tools = chooser(repositories, build_architecture, before.tools.suites, before.tools.packages, no_files);
  lock.tools = choose_tools(tools, wanted_sets(project), date_of(before.tools.date, tools.suites()));
  result.tools = std::move(tools).reasons();
  return result;
}

}  // namespace k8simg
