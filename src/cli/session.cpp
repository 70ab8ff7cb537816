// Opens project, store and network for the verbs.
#include "cli/session.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "config/user_config.hpp"
#include "disk/formats.hpp"
#include "process/sandbox.hpp"
#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/inside.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace fs = std::filesystem;

namespace {

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  return value && *value ? std::optional<std::string>(value) : std::nullopt;
}

fs::path user_config_file() {
  if (const auto folder = environment("XDG_CONFIG_HOME")) return fs::path(*folder) / "k8simg/config.toml";
  if (const auto home = environment("HOME")) return fs::path(*home) / ".config/k8simg/config.toml";
  return {};
}

std::optional<std::int64_t> environment_epoch() {
  const auto text = environment("SOURCE_DATE_EPOCH");
  return text ? std::optional(parse_source_date_epoch(*text)) : std::nullopt;
}

/// Runs `body`, and adds to an Error about an entry of the configuration the file and line that set it.
template <class Body>
auto with_setting(const std::vector<Setting>& settings, Body&& body) {
  try {
    return body();
  } catch (Error& error) {
    const auto& about = error.setting();
    const std::string where = about ? where_set(settings, about->table, about->entry) : "";
    if (!where.empty())
      error.add_context(
          fmt::format("{}{}{} is set in {}", about->table, about->entry.empty() ? "" : " ", about->entry, where));
    throw;
  }
}

ProgressStyle progress_style(const std::string& name) {
  if (name == "json") return ProgressStyle::Json;
  if (name == "plain") return ProgressStyle::Plain;
  if (name == "none") return ProgressStyle::None;
  return ProgressStyle::Auto;
}

}  // namespace

std::string program_version() { return K8SIMG_VERSION; }

Session::Session(Options options, std::stop_token stop) : options_(std::move(options)), stop_(std::move(stop)) {}

fs::path Session::project() const {
  const auto is_project = [](const fs::path& folder) {
    return fs::is_directory(folder / "boards") && fs::is_directory(folder / "defconfigs");
  };
  std::string chosen = options_.project;
  if (chosen.empty()) chosen = environment("K8SIMG_PROJECT").value_or("");
  if (!chosen.empty()) {
    if (!is_project(chosen))
      throw Error(ErrorKind::Usage, fmt::format("{} is not a project folder", chosen),
                  "it needs the folders boards/ and defconfigs/");
    return fs::canonical(chosen);
  }
  for (fs::path folder = fs::current_path();; folder = folder.parent_path()) {
    if (is_project(folder)) return folder;
    if (folder == folder.root_path()) break;
  }
  throw Error(ErrorKind::Usage, "no project here: neither this folder nor a parent folder has boards/ and defconfigs/",
              "change to the folder of a project, or use --project FOLDER");
}

fs::path Session::output(const std::string& defconfig) const {
  if (!options_.output.empty()) return fs::absolute(options_.output) / defconfig;
  // The project is not trusted: its links must not select folders outside of it. Links inside of it are refused too,
  // because they could lead to its sources.
  const fs::path folder = fs::path("output") / defconfig;
  for (fs::path part = folder; !part.empty(); part = part.parent_path())
    if (fs::is_symlink(project() / part))
      throw Error(ErrorKind::Usage, fmt::format("{} is a symbolic link", (project() / part).string()),
                  "if you made it, use its target with --output (and --store)");
  return project() / folder;
}

void Session::need_machine(const Config& config, const std::string& verb) const {
  if (config.is_machine()) return;
  throw Error(
      ErrorKind::Usage,
      fmt::format("{} is an architecture, not a machine: it has no disk image to {}", config.name, verb),
      fmt::format("`k8simg build {}` makes its programs and container images; `k8simg list` shows the machines too",
                  config.name));
}

fs::path Session::lock_file(const std::string& defconfig) const {
  return options_.lock_file.empty() ? inside(project(), fs::path("defconfigs") / (defconfig + ".lock"))
                                    : fs::absolute(options_.lock_file);
}

fs::path Session::tools_lock_file() const {
  return options_.tools_lock_file.empty() ? inside(project(), "defconfigs/tools.lock")
                                          : fs::absolute(options_.tools_lock_file);
}

Lock Session::lock(const std::string& defconfig) const { return load_lock(lock_file(defconfig), tools_lock_file()); }

DiskStore& Session::store() {
  if (!store_) {
    std::string folder = options_.store;
    if (folder.empty()) folder = environment("K8SIMG_STORE").value_or("");
    store_ = std::make_unique<DiskStore>(
        folder.empty()
            ? inside(project(), "output/store", "if you made the link, use its target with --store or K8SIMG_STORE")
            : fs::absolute(folder));
  }
  return *store_;
}

Reporter& Session::reporter() {
  if (!reporter_) reporter_ = make_reporter(progress_style(options_.progress), STDERR_FILENO);
  return *reporter_;
}

const Mirrors& Session::mirrors() {
  if (!mirrors_) {
    const UserConfig user = read_user_config(user_config_file());
    mirrors_ = find_mirrors({.arguments = options_.mirrors,
                             .environment = environment("K8SIMG_MIRROR"),
                             .user = user.mirrors,
                             .archive = user.archive_mirror});
  }
  return *mirrors_;
}

Downloader& Session::downloader() {
  if (!downloader_) downloader_ = make_curl_downloader();
  return *downloader_;
}

Config Session::config(const std::string& defconfig) const {
  return load_config(defconfig, {.project = project(), .set = options_.set, .formats = disk_formats()});
}

Pipeline Session::pipeline(const Config& config, const Lock& lock) {
  return make_pipeline({.config = config,
                        .lock = lock,
                        .store = store(),
                        .downloader = downloader(),
                        .mirrors = mirrors(),
                        .version = program_version(),
                        .environment_epoch = environment_epoch()});
}

std::map<OutputRef, Value> Session::build(Pipeline& pipeline, const std::string& defconfig,
                                          const std::vector<OutputRef>& targets,
                                          const std::function<bool(const OutputRef&, const Value&)>& taken) {
  const auto started = std::chrono::steady_clock::now();
  for (const auto& target : targets) pipeline.graph.add_target(target);
  const Plan plan = make_plan(pipeline.graph, store(), defconfig);
  const auto to_run = plan.count(PlannedStep::State::Run) + plan.count(PlannedStep::State::Maybe);
  // The sandbox is checked before anything is downloaded.
  if (to_run > 0) check_sandbox(system_runner());
  auto result = with_setting(pipeline.settings, [&] {
    return run_plan(pipeline.graph, plan, store(), system_runner(), reporter(),
                    {.defconfig = defconfig, .jobs = options_.jobs, .taken = taken}, stop_);
  });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  reporter().report({.kind = Event::Kind::Finished,
                     .text = result.ran == 0 && to_run == 0
                                 ? "nothing to do: every step is cached"
                                 : fmt::format("{} in {}", defconfig, format_duration(seconds)),
                     .seconds = seconds});
  return std::move(result.values);
}

std::vector<fs::path> Session::tools(const std::string& defconfig, const std::vector<std::string>& sets) {
  const Config loaded = config(defconfig);
  const Lock locked = lock(defconfig);
  Pipeline made = pipeline(loaded, locked);
  std::vector<OutputRef> trees;
  for (const auto& set : sets) trees.push_back(tools_of(made, loaded, set));
  const auto values = build(made, defconfig, trees);
  std::vector<fs::path> folders;
  for (const auto& tree : trees) folders.push_back(checkout(store(), values.at(tree)));
  return folders;
}

}  // namespace k8simg
