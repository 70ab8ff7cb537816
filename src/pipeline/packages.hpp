// Steps for locked packages: fetch, unpack, and tools trees. Packages that are files of the project are not fetched.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.hpp"
#include "graph/port.hpp"
#include "pipeline/pipeline.hpp"

namespace k8simg {

/// The tool set `name` of the configuration. Error{Usage} if it has no packages.
const ToolSet& needed_tool_set(const Config& config, const std::string& name);

class PackageSteps {
 public:
  /// Keeps references to `graph` and to the objects of `inputs`.
  PackageSteps(StepGraph& graph, const PipelineInputs& inputs);

  /// The unpacked tree of a package of the target's architecture: an installed one, or one for boot files.
  /// Error{Usage} if the lock has none.
  TreeHandle target_file(const std::string& name);
  /// The unpacked tree of a package of the tool set "files". Error{Usage} if the lock has none.
  TreeHandle tool_file(const std::string& name);
  /// The tree of every target package by its identity, in the order of the lock (by name).
  NamedTrees target();
  /// The tools tree of a set of the configuration. Each set has one step. Error{Usage} if the set has no packages.
  TreeHandle tools(const std::string& set);

 private:
  TreeHandle add(const LockedPackage& package);
  BlobHandle file(const LockedPackage& package);  ///< of the project; Error{Usage} if its bytes are not the locked ones
  BlobHandle fetched(const LockedPackage& package, const std::string& id);

  StepGraph& graph_;
  PipelineInputs inputs_;
  std::map<std::pair<std::string, Digest>, TreeHandle> unpacked_;  // by name with version and architecture, and .deb
};

Origin origin_of(const LockedPackage& package);
/// "systemd=257.9-1:amd64": the identity in a package's origin and in the names of inputs.
std::string package_identity(const LockedPackage& package);

}  // namespace k8simg
