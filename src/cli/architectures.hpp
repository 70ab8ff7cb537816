// Common parts of `binaries`, `images` and `release`: options, and the build of each architecture.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/verbs.hpp"

namespace k8simg {

struct ArchitectureChoice {
  std::vector<std::string> architectures, components;
};
/// Adds --arch, --component and --set to a verb.
std::shared_ptr<ArchitectureChoice> add_architecture_options(CLI::App& verb, Options& options);

/// The defconfigs linux-WORD for the words of --arch; all of them for "all". Error{Usage} for an unknown word suggests
/// the nearest one.
std::vector<std::string> chosen_architectures(const Session& session, const std::vector<std::string>& words);
/// Removes from `config` all components that --component does not name; without names, none. Error{Usage} for an
/// unknown name suggests the nearest one.
void keep_components(Config& config, const std::vector<std::string>& names);

/// An architecture with only the selected components.
struct Architecture {
  Config config;
  Pipeline pipeline;
};
Architecture open_architecture(Session& session, const std::string& defconfig,
                               const std::vector<std::string>& components);

/// Publishes `files` and their SHA256SUMS into `folder`, removes files that were published there before, and prints the
/// written files.
void publish_with_sums(Session& session, std::map<std::string, Value> files, const std::filesystem::path& folder,
                       const std::set<std::string>& executables = {});

}  // namespace k8simg
