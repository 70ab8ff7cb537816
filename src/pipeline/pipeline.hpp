// Makes the StepGraph of a Config and a Lock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "config/config.hpp"
#include "fetch/fetch.hpp"
#include "graph/graph.hpp"
#include "graph/port.hpp"
#include "lock/lock.hpp"
#include "pipeline/images.hpp"

namespace k8simg {

struct PipelineInputs {
  const Config& config;
  const Lock& lock;
  Store& store;
  Downloader& downloader;
  const Mirrors& mirrors;
  std::string version;                            ///< of k8simg, for the manifest
  std::optional<std::int64_t> environment_epoch;  ///< SOURCE_DATE_EPOCH of the caller
};

struct Pipeline {
  StepGraph graph;                              ///< without targets, which the verb adds
  std::map<std::string, BlobHandle> artifacts;  ///< file name in output/NAME → its output
  TreeHandle rootfs, boot;                      ///< empty for an architecture
  /// Tools trees by the name of the set. "files" and sets without packages have none.
  std::map<std::string, TreeHandle> tools;
  std::map<std::string, TreeHandle> programs;  ///< component → its checked binaries, a tree by name
  NamedTrees packages;                         ///< unpacked packages of the target by identity; of a machine only
  BlobHandle kernel_symbols;                   ///< KernelSymbols; empty for an architecture
  BlobHandle scripts;                          ///< whether all scripts can be evaluated; empty if there are none
  NamedTrees localisation;                     ///< files of system.keymap and system.locale
  std::map<std::string, TreeHandle> patched;   ///< component with patches → the changed files
  std::optional<ImageSteps> images;            ///< if a component has any
  std::map<std::string, BlobHandle> releases;  ///< architecture: archives in upstream's layout, by file name
  std::vector<Setting> settings;               ///< of the configuration, for positions in errors
};

/// Error{Usage} if the lock does not match the configuration (see check_agreement).
Pipeline make_pipeline(const PipelineInputs& inputs);

/// The tools tree of a set, for a verb. Error{Usage} if the set has no packages.
const TreeHandle& tools_of(const Pipeline& pipeline, const Config& config, const std::string& set);

}  // namespace k8simg
