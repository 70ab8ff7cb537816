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

namespace k8simg {

struct PipelineInputs {
  const Config& config;
  const Lock& lock;
  Store& store;
  Downloader& downloader;
  const Mirrors& mirrors;
  std::string version;                  ///< of k8simg, for the manifest
  std::optional<std::int64_t> environment_epoch;  ///< SOURCE_DATE_EPOCH of the caller
};

struct Pipeline {
  StepGraph graph;                             ///< no targets yet: the verb adds those that it wants
  std::map<std::string, OutputRef> artifacts;  ///< file name in output/NAME → where it comes from
  OutputRef tools, rootfs, boot;               ///< trees
};

/// Error{Usage} when lock and config do not belong together: names what is missing and `k8simg lock NAME`.
Pipeline make_pipeline(const PipelineInputs& inputs);

}  // namespace k8simg
