// `k8simg lock NAME`: chooses packages from signed indexes, checks their scripts, and writes the locks.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "cli/verbs.hpp"
#include "debian/deb.hpp"
#include "disk/formats.hpp"
#include "locking/locking.hpp"
#include "pipeline/interpreters.hpp"
#include "pipeline/packages.hpp"
#include "report/output.hpp"
#include "rootfs/rootfs.hpp"
#include "tree/archive.hpp"
#include "util/clock.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

/// The trees of the target's packages, in the order of the lock.
std::vector<Tree> unpack(Session& session, const Config& config, const Lock& lock) {
  Pipeline pipeline;
  const PipelineInputs inputs{.config = config,
                              .lock = lock,
                              .store = session.store(),
                              .downloader = session.downloader(),
                              .mirrors = session.mirrors(),
                              .version = program_version(),
                              .environment_epoch = {}};
  PackageSteps packages(pipeline.graph, inputs);
  std::vector<OutputRef> targets;
  for (const auto& [identity, tree] : packages.target()) targets.push_back(tree);
  const auto values = session.build(pipeline, config.name, targets);
  std::vector<Tree> trees;
  for (const auto& target : targets) trees.push_back(get_tree(session.store(), values.at(target).digest));
  return trees;
}

Lock lock_of(const Config& config, const std::vector<LockedPackage>& packages) {
  Lock lock;
  lock.defconfig = config.name;
  lock.target = packages;
  return lock;
}

/// Reads the control files of packages that the suites no longer have from their .debs, which the lock identifies.
std::map<std::string, std::string> control_files(Session& session, const Config& config,
                                                 const std::vector<LockedPackage>& packages) {
  session.reporter().message(fmt::format(
      "the suites no longer have {} locked packages: reading their control files from the packages", packages.size()));
  const auto trees = unpack(session, config, lock_of(config, packages));
  std::map<std::string, std::string> controls;
  for (std::size_t i = 0; i < packages.size(); ++i)
    controls[packages[i].name] = split_deb_tree(session.store(), trees[i]).control_files.at("control");
  return controls;
}

/// As LockServices::needed_interpreters. Commands that are left out, or may lack their interpreter, need none.
std::map<std::string, std::string> needed_interpreters(Session& session, const Config& config,
                                                       const std::vector<LockedPackage>& packages,
                                                       const std::vector<std::string>& interpreters) {
  const auto is_left_out = [&](const std::string& path) {
    const auto matches = [&](const std::string& glob) { return glob_match(glob, path); };
    return (std::any_of(config.rootfs.exclude.begin(), config.rootfs.exclude.end(), matches) &&
            std::none_of(config.rootfs.keep.begin(), config.rootfs.keep.end(), matches)) ||
           std::any_of(config.audit_no_interpreter.begin(), config.audit_no_interpreter.end(),
                       [&](const auto& entry) { return matches(entry.path); });
  };
  const auto trees = unpack(session, config, lock_of(config, packages));
  std::map<std::string, std::string> needed;
  for (std::size_t i = 0; i < packages.size(); ++i)
    for (const auto& command : commands_with_interpreter(session.store(), trees[i]))
      for (const auto& interpreter : interpreters)
        if (calls_program(command.interpreter, interpreter) && !is_left_out(command.path))
          needed.try_emplace(interpreter, packages[i].name);
  return needed;
}

/// Packages with scripts that no judgement covers, sorted.
std::vector<std::string> packages_to_evaluate(Session& session, const Config& config, const Lock& lock) {
  const auto trees = unpack(session, config, lock);
  std::vector<PackageTree> list;
  for (std::size_t i = 0; i < trees.size(); ++i)
    list.push_back({lock.target[i].name, lock.target[i].version, lock.target[i].architecture, trees[i]});
  std::vector<std::string> names;
  for (const auto& script : unjudged_scripts(session.store(), list, config.rootfs.judgements))
    if (names.empty() || names.back() != script.package) names.push_back(script.package);
  std::sort(names.begin(), names.end());
  return names;
}

/// Fails if a script cannot be evaluated, if the keymap or the locale does not exist, or if a patch does not apply.
void check_steps(Session& session, const Config& config, const Lock& lock) {
  if (!lock.evaluated.empty())
    session.reporter().message(fmt::format("evaluating the scripts of {}", join(lock.evaluated, ", ")));
  Pipeline pipeline = session.pipeline(config, lock);
  std::vector<OutputRef> targets;
  if (pipeline.scripts) targets.push_back(pipeline.scripts);
  for (const auto& [origin, tree] : pipeline.localisation) targets.push_back(tree);
  for (const auto& [component, tree] : pipeline.patched) targets.push_back(tree);
  if (!targets.empty()) session.build(pipeline, config.name, targets);
}

/// All configurations of the project, for which the tools are locked. A defconfig with mistakes is reported and left
/// out, so that others can be locked.
std::vector<Config> project_configs(Session& session, const Config& config) {
  std::vector<Config> configs{config};
  for (const auto& summary : list_defconfigs(session.project())) {
    if (summary.name == config.name) continue;
    try {
      configs.push_back(
          load_config(summary.name, {.project = session.project(), .set = {}, .formats = disk_formats()}));
    } catch (const Error& error) {
      session.reporter().warning(
          fmt::format("{} cannot be read, and its tools are not locked: {}", summary.name, error.message()));
    }
  }
  return configs;
}

struct Chosen {
  std::string name;
  bool update = false, security = false, allow_older = false;
  std::vector<std::string> packages, without;
};

LockRequest request_of(Session& session, const Config& config, const Chosen& chosen) {
  using What = LockUpdate::What;
  LockRequest request{.before = {},
                      .update = {What::Nothing, chosen.packages},
                      .allow_older = chosen.allow_older,
                      .without = chosen.without};
  if (chosen.security && !chosen.update)
    throw Error(ErrorKind::Usage, "--security needs --update", "use --update --security");
  if (chosen.security && !chosen.packages.empty())
    throw Error(ErrorKind::Usage, "--update PACKAGE and --security exclude each other", "use one of them");
  if (chosen.update)
    request.update.what = chosen.security           ? What::Security
                          : chosen.packages.empty() ? What::Everything
                                                    : What::Packages;
  std::sort(request.without.begin(), request.without.end());
  request.without.erase(std::unique(request.without.begin(), request.without.end()), request.without.end());
  const auto file = session.lock_file(config.name), tools = session.tools_lock_file();
  if (std::filesystem::exists(file))
    request.before = load_lock(file, tools);
  else
    request.before.tools = load_tools_lock(tools);
  return request;
}

int lock(Session& session, const Chosen& chosen) {
  const Config config = session.config(chosen.name);
  LockRequest request = request_of(session, config, chosen);
  const Mirrors& mirrors = session.mirrors();
  const auto scratch = session.store().folder("scratch");
  const IndexFetcher fetcher = [&](const std::string& repository, const std::string& path,
                                   std::uint64_t limit) -> std::optional<std::string> {
    session.reporter().message(fmt::format("index {} {}", repository, path));
    const auto bases = mirrors.bases.find(repository);
    const std::string asked = bases == mirrors.bases.end() ? "the mirror" : join(bases->second, ", ");
    return with_context(fmt::format("while asking {} of {}", asked, repository), [&] {
      return fetch_text(session.downloader(), mirrors, repository, path, limit, scratch, session.stop());
    });
  };
  Store& store = session.store();
  const IndexCache known{.find = [&](const Digest& digest) -> std::optional<std::string> {
                           if (store.check(digest) != Condition::Whole) return std::nullopt;
                           return store.read(digest);
                         },
                         .keep = [&](const std::string& bytes) { store.put(bytes); }};
  IndexLoader loader(fetcher, system_runner(), debian_keyring, Clock::system(), scratch, known);
  request.files = read_package_files(config, session.store());
  LockResult made =
      make_lock(config, project_configs(session, config), request,
                {.indexes = [&](const auto& repositories,
                                const auto& architecture) { return loader.load(repositories, {architecture}); },
                 .now = Clock::system().now(),
                 .control_files = [&](const auto& packages) { return control_files(session, config, packages); },
                 .needed_interpreters =
                     [&](const auto& packages, const auto& interpreters) {
                       return needed_interpreters(session, config, packages, interpreters);
                     },
                 .warn = [&](const std::string& text) { session.reporter().warning(text); }});
  made.lock.evaluated = packages_to_evaluate(session, config, made.lock);
  check_steps(session, config, made.lock);

  // The tools' lock is written first, so that an existing lock always matches it.
  const auto write_if_changed = [](const std::filesystem::path& file, const std::string& text) {
    if (!std::filesystem::exists(file) || read_file(file) != text) write_file_atomically(file, text);
  };
  const auto file = session.lock_file(config.name), tools = session.tools_lock_file();
  write_if_changed(tools, made.lock.tools.serialise());
  write_if_changed(file, made.lock.serialise());
  for (const auto& suite : made.lock.without_suites)
    session.reporter().warning(fmt::format("locked without suite {}", suite));
  if (request.before.date != 0) {
    const auto changes = describe_changes(request.before, made.lock, made.target, made.tools);
    for (const auto& line : changes) print_out(fmt::format("{}\n", line));
    if (changes.empty()) print_out("no change\n");
  }
  if (!made.lock.evaluated.empty()) print_out(fmt::format("scripts evaluated: {}\n", join(made.lock.evaluated, ", ")));
  print_out(fmt::format("{}: {} packages, {} components; {}: {} packages in {} sets\n", file.filename().string(),
                        made.lock.target.size(), made.lock.components.size(), tools.filename().string(),
                        made.lock.tools.packages.size(), made.lock.tools.sets.size()));
  return 0;
}

}  // namespace

void add_lock(CLI::App& app, Options& options, Verb& run) {
  auto* verb = app.add_subcommand("lock",
                                  "choose packages from the suites' signed indexes and write defconfigs/NAME.lock; "
                                  "keep locked versions");
  auto chosen = std::make_shared<Chosen>();
  verb->add_option("defconfig", chosen->name, "name")->required();
  auto* update =
      verb->add_option("--update", chosen->packages,
                       "use the newest versions of the suites: for all packages, or for these and the ones they need")
          ->expected(0, -1);
  verb->add_flag("--security", chosen->security,
                 "with --update: only packages with a newer version in a security suite");
  verb->add_flag("--allow-older-suites", chosen->allow_older,
                 "accept a suite that is older than the one of the existing lock");
  verb->add_option("--without-suite", chosen->without,
                   "do not use this suite for the target's packages, if the mirror lacks it; recorded in the lock");
  verb->add_option("--set", options.set, "override a value: key=value");
  verb->add_option("--lock", options.lock_file, "write this file instead of defconfigs/NAME.lock");
  verb->callback([=, &run] {
    chosen->update = update->count() > 0;
    std::erase(chosen->packages, "");
    run = [=](Session& session) { return lock(session, *chosen); };
  });
}

}  // namespace k8simg
