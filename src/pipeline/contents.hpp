// What the layers of a container image are made of, as packages for its SBOM.
#pragma once

#include <vector>

#include "config/config.hpp"
#include "oci/sbom.hpp"
#include "tree/tree.hpp"

namespace k8simg {

/// The component itself, the Go modules that its programs say they are linked from, and the Debian packages that files
/// came from, by the tree's own record.
std::vector<SoftwarePackage> image_contents(const Store& store, const ComponentConfig& component,
                                            const std::vector<Tree>& layers);

}  // namespace k8simg
