// The contents of a container image's layers as packages for its SBOM.
#pragma once

#include <string>
#include <vector>

#include "oci/sbom.hpp"
#include "tree/tree.hpp"

namespace k8simg {

/// The data of a component for an SBOM.
struct ComponentSoftware {
  /// A patch of modules' sources.
  struct Change {
    std::string name, reason;
    std::vector<std::string> files;  ///< each a module and a path in it
  };
  std::string name, version, license;
  std::vector<Change> changes;
};

/// The component itself, the Go modules from the build information of its programs, and the Debian packages from the
/// origins of files.
std::vector<SoftwarePackage> image_contents(const Store& store, const ComponentSoftware& component,
                                            const std::vector<Tree>& layers);

}  // namespace k8simg
