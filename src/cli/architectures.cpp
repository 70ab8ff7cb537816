// Selects architectures and components for `binaries`, `images` and `release`.
#include "cli/architectures.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/outputs.hpp"
#include "pipeline/sums.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

constexpr std::string_view prefix = "linux-";

std::vector<std::string> names_of(const Config& config) {
  std::vector<std::string> names;
  for (const auto& component : config.components) names.push_back(component.name);
  return names;
}

[[noreturn]] void throw_unknown(const std::string& what, const std::string& word, const std::vector<std::string>& names,
                                const std::string& hint) {
  const auto near = nearest(word, names);
  throw Error(ErrorKind::Usage,
              fmt::format("unknown {} \"{}\"{}", what, word, near ? fmt::format(" (did you mean \"{}\"?)", *near) : ""),
              hint);
}

}  // namespace

std::shared_ptr<ArchitectureChoice> add_architecture_options(CLI::App& verb, Options& options) {
  auto choice = std::make_shared<ArchitectureChoice>();
  verb.add_option("--arch", choice->architectures, "architectures such as armv6,riscv64, or all")
      ->required()
      ->delimiter(',');
  verb.add_option("--component", choice->components, "only this component, repeatable (default: all of the defconfig)");
  verb.add_option("--set", options.set, "override a value: key=value");
  return choice;
}

std::vector<std::string> chosen_architectures(const Session& session, const std::vector<std::string>& words) {
  std::vector<std::string> known, chosen;
  for (const auto& summary : list_defconfigs(session.project())) {
    if (!summary.machine && summary.name.starts_with(prefix)) known.push_back(summary.name.substr(prefix.size()));
  }
  for (const auto& word : words) {
    const bool all = word == "all";
    if (!all && std::find(known.begin(), known.end(), word) == known.end())
      throw_unknown("architecture", word, known, "available: " + join(known, ", ") + ", and all");
    for (const auto& name : all ? known : std::vector{word}) {
      const std::string defconfig = std::string(prefix) + name;
      if (std::find(chosen.begin(), chosen.end(), defconfig) == chosen.end()) chosen.push_back(defconfig);
    }
  }
  if (chosen.empty())
    throw Error(ErrorKind::Usage, "the project has no architectures",
                "add a board with [arch] and without [kernel], and a defconfig linux-NAME");
  return chosen;
}

void keep_components(Config& config, const std::vector<std::string>& names) {
  if (names.empty()) return;
  const auto known = names_of(config);
  for (const auto& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw_unknown("component", name, known, fmt::format("{} has {}", config.name, join(known, ", ")));
  }
  std::erase_if(config.components, [&](const ComponentConfig& component) {
    return std::find(names.begin(), names.end(), component.name) == names.end();
  });
}

Architecture open_architecture(Session& session, const std::string& defconfig,
                               const std::vector<std::string>& components) {
  Architecture opened{session.config(defconfig), {}};
  keep_components(opened.config, components);
  opened.pipeline = session.pipeline(opened.config, session.lock(defconfig));
  return opened;
}

void publish_with_sums(Session& session, std::map<std::string, Value> files, const std::filesystem::path& folder,
                       const std::set<std::string>& executables) {
  files["SHA256SUMS"] = session.store().put(checksum_lines(files));
  publish_and_tell(session, files, folder, executables);
}

}  // namespace k8simg
