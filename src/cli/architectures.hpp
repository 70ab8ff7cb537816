// What `binaries`, `images` and `release` share: the choice of architectures and components, and a build of each.
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
/// --arch, --component and --set of a verb.
std::shared_ptr<ArchitectureChoice> add_architecture_options(CLI::App& verb, Options& options);

/// The defconfigs that the words of --arch name: those called linux-WORD, or with "all" every such. Error{Usage} names
/// the nearest.
std::vector<std::string> chosen_architectures(const Session& session, const std::vector<std::string>& words);
/// Leaves of `config` only the components that --component names, or all. Error{Usage} names the nearest.
void keep_components(Config& config, const std::vector<std::string>& names);

/// An architecture with only the components that were asked for.
struct Architecture {
  Config config;
  Pipeline pipeline;
};
Architecture open_architecture(Session& session, const std::string& defconfig,
                               const std::vector<std::string>& components);

/// Publishes `files` and their SHA256SUMS into `folder`, which then holds nothing else that was published there; tells
/// what was written.
void publish_with_sums(Session& session, std::map<std::string, Value> files, const std::filesystem::path& folder,
                       const std::set<std::string>& executables = {});

}  // namespace k8simg
