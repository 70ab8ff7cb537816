// Config + Lock → StepGraph: reads from top to bottom like a recipe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "config/config.hpp"
#include "fetch/fetch.hpp"
#include "graph/graph.hpp"
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
  StepGraph graph;                             ///< no targets yet: the verb adds those that it wants
  std::map<std::string, OutputRef> artifacts;  ///< file name in output/NAME → where it comes from
  OutputRef rootfs, boot;  ///< trees; without a step where there is none: an architecture boots nothing
  std::map<std::string, OutputRef>
      tools;  ///< tools trees by the name of their set; "files" and sets without packages have none
  std::map<std::string, OutputRef> programs;  ///< of each component, a tree of its binaries by name, checked
  std::optional<ImageSteps> images;           ///< when a component makes any
  std::map<std::string, OutputRef> releases;  ///< of an architecture: archives in upstream's layout, by file name
};

/// Error{Usage} when lock and config do not belong together: names what is missing and `k8simg lock NAME`.
Pipeline make_pipeline(const PipelineInputs& inputs);

/// The tools tree of a set, for a verb. Error{Usage} when the configuration names no packages for it.
const OutputRef& tools_of(const Pipeline& pipeline, const Config& config, const std::string& set);

}  // namespace k8simg
