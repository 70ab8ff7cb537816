// Locked packages as steps: fetch, unpack, and the tools trees made of them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/graph.hpp"
#include "graph/port.hpp"
#include "pipeline/pipeline.hpp"

namespace k8simg {

/// What the configuration asks of a set. Error{Usage} when it names no packages.
const ToolSet& needed_tool_set(const Config& config, const std::string& name);

class PackageSteps {
 public:
  /// Keeps references to `graph` and what `inputs` refers to.
  PackageSteps(StepGraph& graph, const PipelineInputs& inputs);

  /// The unpacked tree of a package, of the target if it is there, else of the tool set "files". Error{Usage} when the
  /// lock has neither.
  TreeHandle unpacked(const std::string& name);
  /// Every target package's tree by its identity, in the lock's (name) order.
  NamedTrees target();
  /// The tools tree of a set of the configuration, one step each. Error{Usage} when the set has no packages.
  TreeHandle tools(const std::string& set);

 private:
  TreeHandle add(const LockedPackage& package);

  StepGraph& graph_;
  PipelineInputs inputs_;
  std::map<std::string, TreeHandle> unpacked_;  // by file name of the .deb
};

Origin origin_of(const LockedPackage& package);
/// "systemd=257.9-1:amd64": its origin's identity, by which inputs name a package.
std::string package_identity(const LockedPackage& package);

}  // namespace k8simg
