// Reads a Config: the extends chain of a defconfig, its board, --set, and the files that these name.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>

#include "config/chain.hpp"
#include "config/config.hpp"
#include "config/files.hpp"
#include "config/package_files.hpp"
#include "config/rules.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {
namespace {

using namespace config;
using namespace toml;
namespace fs = std::filesystem;

void fill_from_draft(Config& config, const Draft& draft) {
  const auto& boards = draft.boards;
  for (const auto& name : draft.fragments) config.kernel.fragments.push_back("kernel-fragments/" + name + ".config");
  // The root of the chain comes first, so that lines of a board take precedence over those of the board that it
  // extends.
  for (auto board = boards.rbegin(); board != boards.rend(); ++board)
    for (const auto& file : draft.board_fragments)
      for (const auto& found : board_files(config.project, {*board}, file)) config.kernel.fragments.push_back(found);
  config.kernel.cmdline = join(draft.cmdline, " ");
  // loadkeys sets the keymap at each start.
  const auto is_kbd = [](const std::string& choice) { return package_name_of(choice) == "kbd"; };
  if (!config.rootfs.keymap.empty() && std::none_of(config.packages.begin(), config.packages.end(), is_kbd))
    config.packages.emplace_back("kbd");
  for (auto& file : config.boot_files) {
    if (file.from != "board") continue;
    file.from = "file";
    file.source = board_files(config.project, boards, file.source).front();
  }
}

}  // namespace

Config load_config(const std::string& defconfig, const ConfigOptions& options) {
  const fs::path project = fs::absolute(options.project).lexically_normal();
  const ProjectNames names = scan_project(project);
  if (std::find(names.defconfigs.begin(), names.defconfigs.end(), defconfig) == names.defconfigs.end())
    throw Error(ErrorKind::Usage,
                fmt::format("unknown defconfig {}{}", quote(defconfig), suggest(defconfig, names.defconfigs)),
                "`k8simg list` shows all defconfigs");

  Diagnostics diagnostics;
  Config config;
  Draft draft;
  config.name = defconfig;
  config.project = project;
  const Table table = config_table(config, draft, names, options.formats, BoardKind::Machine);
  Reader reader(diagnostics, place_names);

  auto chain = read_chain(project, ChainOf::Defconfigs, defconfig, names, diagnostics);
  const bool chain_is_whole = diagnostics.empty();
  if (!chain_is_whole) reader.set_partial();
  if (!chain.empty())
    if (const Member* abstract = find_abstract(chain.front().document))
      throw Error(ErrorKind::Usage,
                  fmt::format("{}: {} is abstract: it can be extended, but not built",
                              describe(abstract->value.position), quote(defconfig)),
                  "`k8simg list` shows the defconfigs that can be built");

  // Boards are read before defconfigs, so that a defconfig can change every value of a board.
  BoardChain boards;
  if (const Member* board = find_board(chain)) {
    boards = read_boards(project, *board, names, diagnostics);
    draft.boards = boards.names();
    if (!boards.whole) reader.set_partial();
    for (auto link = boards.links.rbegin(); link != boards.links.rend(); ++link)
      reader.read(table, link->document, Board);
  } else if (chain_is_whole && !chain.empty() && !find(chain.front().document, "board")) {
    diagnostics.add({defconfig_file(defconfig), 1, 1}, "board is missing: set it to the name of a folder in boards/");
  }

  if (defconfig == "tools")
    diagnostics.add({defconfig_file(defconfig), 1, 1},
                    "a defconfig cannot be called tools: defconfigs/tools.lock is the lock of the build tools");

  // The root of the chain is read first.
  for (auto link = chain.rbegin(); link != chain.rend(); ++link) reader.read(table, link->document, Defconfig);
  for (std::size_t i = 1; i < chain.size(); ++i) config.parents.push_back(chain[i].name);

  for (const auto& argument : options.set)
    if (auto override = parse_override(argument, diagnostics))
      reader.read(table, override->document, CommandLine, !override->append);

  // Missing keys and conflicts are only known if all files were read.
  if (boards.whole && chain_is_whole) {
    std::set<std::string> bases;
    for (std::size_t i = 1; i < boards.links.size(); ++i) bases.insert(boards.links[i].file);
    reader.complete(config_table(config, draft, names, options.formats, boards.kind()),
                    {boards.links.front().file, 1, 1}, bases);
    check_rules(config, draft.boards, names, options.formats, boards.kind(), reader);
  }

  config.settings = reader.settings();
  for (const auto& name : draft.components) {
    if (std::find(names.components.begin(), names.components.end(), name) == names.components.end()) continue;
    const std::string key = join_key("components", name);
    ComponentChoice choice{.link = draft.links[name], .link_at = {}, .patches = {}};
    if (const SourcePosition* at = reader.position(key + ".link")) choice.link_at = *at;
    if (reader.position(key + ".patches")) {
      choice.patches.emplace();
      for (const auto& item : reader.items(key + ".patches")) choice.patches->emplace_back(item.text, item.position);
    }
    if (auto component = read_component(project, name, choice, diagnostics, config.settings))
      config.components.push_back(std::move(*component));
  }
  config.package_files = find_package_files(project, reader.items("packages.files"), diagnostics);
  config.rootfs.judgements = read_judgements(project, diagnostics);
  config.kernel.requirements = "kernel-fragments/requirements.toml";
  config.kernel.required = read_requirements(project, config.kernel.requirements.string(), diagnostics);

  diagnostics.throw_if_any();
  fill_from_draft(config, draft);
  // These keys describe a file, not what is built.
  auto& settings = config.settings;
  settings.erase(
      std::remove_if(settings.begin(), settings.end(),
                     [](const Setting& s) { return s.key == "name" || s.key == "extends" || s.key == "abstract"; }),
      settings.end());
  std::sort(settings.begin(), settings.end(), [](const Setting& a, const Setting& b) { return a.key < b.key; });
  return config;
}

const ToolSet& Config::tool_set(std::string_view set) const {
  for (const ToolSet& each : tools)
    if (each.name == set) return each;
  throw Error(ErrorKind::Internal, fmt::format("no configuration has a tool set {}", set));
}

std::vector<DefconfigSummary> list_defconfigs(const fs::path& project) {
  const ProjectNames names = scan_project(project);
  std::vector<DefconfigSummary> summaries;
  for (const auto& name : names.defconfigs) {
    Diagnostics diagnostics;
    auto chain = read_chain(project, ChainOf::Defconfigs, name, names, diagnostics);
    DefconfigSummary summary;
    summary.name = name;
    if (!chain.empty()) {
      if (find_abstract(chain.front().document)) continue;
      if (const Member* board = find_board(chain)) {
        summary.board = board->value.text;
        summary.machine = read_boards(project, *board, names, diagnostics).kind() == BoardKind::Machine;
      }
      if (const Member* description = find_text(chain.front().document, "description"))
        summary.description = description->value.text;
    }
    // A file with mistakes is listed too.
    if (!diagnostics.empty()) summary.description = "cannot be read: " + diagnostics.lines().front();
    std::error_code ignored;
    summary.locked = fs::is_regular_file(project / ("defconfigs/" + name + ".lock"), ignored);
    summaries.push_back(std::move(summary));
  }
  return summaries;
}

std::int64_t parse_source_date_epoch(const std::string& text) {
  if (text.empty() || text.size() > 10 || text.find_first_not_of("0123456789") != std::string::npos ||
      std::stoll(text) > latest_epoch) {
    throw Error(ErrorKind::Usage,
                fmt::format("SOURCE_DATE_EPOCH=\"{}\" is not a number of seconds from 0 to {}", text, latest_epoch),
                "unset it, or set it to seconds since 1970");
  }
  return std::stoll(text);
}

std::string package_name_of(const std::string& choice) { return choice.substr(0, choice.find_first_of("=/")); }

std::string package_of(const BootFile& file) {
  for (const std::string_view prefix : {"package:", "tool:"})
    if (file.from.starts_with(prefix)) return file.from.substr(prefix.size());
  return {};
}

bool is_tool_file(const BootFile& file) { return file.from.starts_with("tool:"); }

std::vector<BootFile> Config::target_boot_files() const {
  std::vector<BootFile> files;
  std::copy_if(boot_files.begin(), boot_files.end(), std::back_inserter(files),
               [](const BootFile& file) { return !package_of(file).empty() && !is_tool_file(file); });
  return files;
}

std::string where_set(const std::vector<Setting>& settings, const std::string& table, const std::string& entry) {
  const std::string prefix = toml::join_key(table, entry) + ".";
  const auto text_of = [](const SourcePosition& position) {
    return position.line == 0 ? position.file : fmt::format("{}:{}", position.file, position.line);
  };
  for (const auto& setting : settings) {
    if (setting.key == table && !entry.empty())
      for (const auto& item : setting.items)
        if (item.text == entry) return text_of(item.position);
    const bool is_meant = entry.empty() ? setting.key == table : setting.key.starts_with(prefix);
    if (is_meant && !setting.set_by.empty()) return text_of(setting.set_by.back());
  }
  return {};
}

}  // namespace k8simg
