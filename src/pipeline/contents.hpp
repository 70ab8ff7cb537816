// What the layers of a container image are made of, as packages for its SBOM.
#pragma once

#include <string>
#include <vector>

#include "oci/sbom.hpp"
#include "tree/tree.hpp"

namespace k8simg {

/// What an SBOM says of a component.
struct ComponentSoftware {
  /// A patch of modules' sources.
  struct Change {
    std::string name, reason;
    std::vector<std::string> files;  ///< module and path in it
  };
  std::string name, version, license;
  std::vector<Change> changes;
};

/// The component itself, the Go modules that its programs say they are linked from, and the Debian packages that files
/// came from, by the tree's own record.
std::vector<SoftwarePackage> image_contents(const Store& store, const ComponentSoftware& component,
                                            const std::vector<Tree>& layers);

}  // namespace k8simg
