// `k8simg lock NAME`: chooses packages from signed indexes, checks their scripts, and writes the lock.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <iterator>
#include <optional>

#include "cli/verbs.hpp"
#include "component/go_sum.hpp"
#include "debian/resolve.hpp"
#include "pipeline/packages.hpp"
#include "pipeline/root.hpp"
#include "report/output.hpp"
#include "rootfs/rootfs.hpp"
#include "tree/archive.hpp"
#include "util/clock.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/inside.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

constexpr const char* build_architecture = "amd64";

LockedComponent lock_component(const Config& config, const ComponentConfig& component) {
  const std::string go_sum = read_file(inside(config.project, component.folder / "go.sum"));
  return {component.name, component.version, sha256_file(inside(config.project, component.folder / "go.mod")), sha256(go_sum), parse_go_sum(go_sum, (component.folder / "go.sum").string())};
}

constexpr std::int64_t a_day = 86400;
constexpr std::int64_t stale_days = 200;  // Debian's stable releases have a point release every two to four months

struct LockRequest {
  std::optional<Lock> before;
  bool allow_older = false;
  std::vector<std::string> without;  // suites
};

/// The suites of a repository but those that are not wanted.
std::vector<std::string> suites_but(const std::vector<std::string>& suites, const std::vector<std::string>& without) {
  std::vector<std::string> kept;
  std::copy_if(suites.begin(), suites.end(), std::back_inserter(kept), [&](const std::string& suite) { return std::find(without.begin(), without.end(), suite) == without.end(); });
  return kept;
}

void check_without(const Config& config, const std::vector<std::string>& without) {
  std::vector<std::string> known;
  for (const auto& r : config.repositories) {
    known.insert(known.end(), r.suites.begin(), r.suites.end());
    known.insert(known.end(), r.tools_suites.begin(), r.tools_suites.end());
  }
  for (const auto& suite : without)
    if (std::find(known.begin(), known.end(), suite) == known.end())
      throw Error(ErrorKind::Usage, fmt::format("--without-suite {}: {} has no such suite", suite, config.name), "it has " + join(known, ", "));
}

/// A mirror that is behind, or that somebody keeps behind, would bring older packages with known faults (as apt, which refuses it too).
void check_dates(Session& session, const LockRequest& request, const std::vector<LockedSuite>& suites) {
  for (const auto& suite : suites) {
    const std::int64_t days = (Clock::system().now() - suite.date) / a_day;
    if (days > stale_days) session.reporter().warning(fmt::format("suite {} of {} is {} days old: the mirror may be behind", suite.suite, suite.repository, days));
  }
  if (!request.before || request.allow_older) return;
  const LockedSuite* older = first_older_suite(*request.before, suites);
  if (!older) return;
  for (const auto& old : request.before->suites)
    if (old.repository == older->repository && old.suite == older->suite)
      throw Error(ErrorKind::Fetch, fmt::format("suite {} of {} is of {} on the mirror, and the lock was made from one of {}", older->suite, older->repository,
                                                format_lock_date(older->date), format_lock_date(old.date)),
                  "Use a mirror that is up to date, or accept older packages with --allow-older-suites.");
}

Lock make_lock(Session& session, const Config& config, const LockRequest& request) {
  const Mirrors& mirrors = session.mirrors();
  const auto scratch = session.store().folder("scratch");
  const IndexFetcher fetcher = [&](const std::string& repository, const std::string& path, std::uint64_t limit) -> std::optional<std::string> {
    const std::string name = repository + " " + path;
    session.reporter().message("index " + name);
    return with_context(fmt::format("while asking {} of {}", join(mirrors.bases.contains(repository) ? mirrors.bases.at(repository) : std::vector<std::string>{"the mirror"}, ", "), repository), [&] {
      return fetch_text(session.downloader(), mirrors, repository, path, limit, scratch, session.stop());
    });
  };
  std::vector<Repository> for_target, for_tools;
  std::vector<std::string> backports;
  bool differ = config.arch.debian != build_architecture;
  for (const auto& r : config.repositories) {
    if (const auto suites = suites_but(r.suites, request.without); !suites.empty()) for_target.push_back({r.name, suites, r.sections});
    auto all = r.suites;
    all.insert(all.end(), r.tools_suites.begin(), r.tools_suites.end());
    // What a mirror lacks for another architecture it has for the build tools', which all defconfigs share.
    if (config.arch.debian == build_architecture) all = suites_but(all, request.without);
    for_tools.push_back({r.name, all, r.sections});
    differ = differ || !r.tools_suites.empty();
    std::copy_if(all.begin(), all.end(), std::back_inserter(backports), [](const std::string& suite) { return suite.ends_with("-backports"); });
  }
  IndexLoader loader(fetcher, system_runner(), "/usr/share/keyrings/debian-archive-keyring.gpg", Clock::system(), scratch);
  const IndexSet tools_indexes = loader.load(for_tools, {build_architecture});
  const IndexSet target_indexes = differ ? loader.load(for_target, {config.arch.debian}) : tools_indexes;

  check_dates(session, request, tools_indexes.suites);

  Lock lock{.defconfig = config.name, .date = 0, .suites = tools_indexes.suites, .without_suites = request.without, .target = {}, .tools = {}, .components = {}};
  for (const auto& suite : lock.suites) lock.date = std::max(lock.date, suite.date);
  lock.target = with_context("while choosing the target's packages", [&] {
    return resolve(target_indexes, {.architecture = config.arch.debian, .install = config.packages, .essential = config.essential_packages, .exclude = config.exclude_packages, .prefer_suites = backports});
  });
  lock.tools = with_context("while choosing the packages of the tools tree", [&] {
    return resolve(tools_indexes, {.architecture = build_architecture, .install = config.tools, .exclude = {}, .prefer_suites = backports});
  });
  for (const auto& component : config.components) {
    if (component.has_modules()) lock.components.push_back(lock_component(config, component));
  }
  return lock;
}

/// The packages' scripts are looked at when they are locked, not when the machine boots.
void check_target_scripts(Session& session, const Config& config, const Lock& lock) {
  Pipeline pipeline;
  const PipelineInputs inputs{.config = config, .lock = lock, .store = session.store(), .downloader = session.downloader(), .mirrors = session.mirrors(), .version = program_version(), .environment_epoch = {}};
  PackageSteps packages(pipeline.graph, inputs);
  const std::vector<Input> trees = packages.target();
  std::vector<OutputRef> targets;
  for (const auto& tree : trees) targets.push_back(std::get<OutputRef>(tree.source));
  const auto values = session.build(pipeline, config.name, targets);
  std::vector<PackageTree> list;
  for (std::size_t i = 0; i < trees.size(); ++i) {
    list.push_back({lock.target[i].name, lock.target[i].version, lock.target[i].architecture, get_tree(session.store(), values.at(targets[i]).digest)});
  }
  check_scripts(session.store(), list, rootfs_options(config, {}, lock.date).judgements);
}

}  // namespace

void add_lock(CLI::App& app, Options& options, Verb& run) {
  auto* verb = app.add_subcommand("lock", "choose packages from the suites' signed indexes and write defconfigs/NAME.lock");
  auto name = std::make_shared<std::string>();
  auto update = std::make_shared<bool>(false);
  verb->add_option("defconfig", *name, "its name")->required();
  verb->add_flag("--update", *update, "replace an existing lock with what the suites have now");
  auto allow_older = std::make_shared<bool>(false);
  auto without = std::make_shared<std::vector<std::string>>();
  verb->add_flag("--allow-older-suites", *allow_older, "take a suite that is older than the one that the lock was made from");
  verb->add_option("--without-suite", *without, "choose the target's packages without this suite, which the mirror lacks for it; the lock says so");
  verb->add_option("--set", options.set, "override a value: key=value");
  verb->add_option("--lock", options.lock_file, "write this file instead of defconfigs/NAME.lock");
  verb->callback([=, &run] {
    run = [=](Session& session) {
      const Config config = session.config(*name);
      const auto file = session.lock_file(*name);
      LockRequest request{.before = {}, .allow_older = *allow_older, .without = *without};
      std::sort(request.without.begin(), request.without.end());
      request.without.erase(std::unique(request.without.begin(), request.without.end()), request.without.end());
      check_without(config, request.without);
      if (std::filesystem::exists(file)) {
        if (!*update) {
          throw Error(ErrorKind::Usage, fmt::format("{} is there already", file.filename().string()), fmt::format("`k8simg lock {} --update` replaces it with what the suites have now, and shows what changed", *name));
        }
        request.before = load_lock(file);
      }
      const Lock lock = make_lock(session, config, request);
      check_target_scripts(session, config, lock);
      write_file_atomically(file, lock.serialise());
      for (const auto& suite : lock.without_suites) session.reporter().warning(fmt::format("locked without suite {}", suite));
      if (request.before) {
        const auto changes = describe_changes(*request.before, lock);
        for (const auto& line : changes) print_out(fmt::format("{}\n", line));
        if (changes.empty()) print_out("no change\n");
      }
      print_out(fmt::format("{}: {} target packages, {} tools packages, {} components\n", file.filename().string(), lock.target.size(), lock.tools.size(), lock.components.size()));
      return 0;
    };
  });
}

}  // namespace k8simg
