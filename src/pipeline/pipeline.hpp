// Config + Lock → StepGraph: reads from top to bottom like a recipe.
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
  StepGraph graph;                              ///< no targets yet: the verb adds those that it wants
  std::map<std::string, BlobHandle> artifacts;  ///< file name in output/NAME → where it comes from
  TreeHandle rootfs, boot;                      ///< refer to nothing where there is none: an architecture boots nothing
  /// Tools trees by the name of their set; "files" and sets without packages have none.
  std::map<std::string, TreeHandle> tools;
  std::map<std::string, TreeHandle> programs;  ///< of each component, a tree of its binaries by name, checked
  BlobHandle scripts;  ///< that the scripts of packages can be evaluated; refers to nothing where none are
  std::map<std::string, TreeHandle> patched;   ///< of each component with patches: the files that they change
  std::optional<ImageSteps> images;            ///< when a component makes any
  std::map<std::string, BlobHandle> releases;  ///< of an architecture: archives in upstream's layout, by file name
  std::vector<Setting> settings;               ///< of the configuration: which file and line an error is about
};

/// Error{Usage} when lock and config do not belong together: names what is missing and `k8simg lock NAME`.
Pipeline make_pipeline(const PipelineInputs& inputs);

/// The tools tree of a set, for a verb. Error{Usage} when the configuration names no packages for it.
const TreeHandle& tools_of(const Pipeline& pipeline, const Config& config, const std::string& set);

}  // namespace k8simg
