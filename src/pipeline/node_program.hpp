// node.json of the image: what the node's program and the checks of an image have to know of each other.
#pragma once

#include "config/config.hpp"
#include "tree/tree.hpp"

namespace k8simg {

/// An overlay's tree with its usr/share/k8simg/node.json completed by what the configuration knows: name, board,
/// architecture and the version of Kubernetes. What the file says itself stays; a tree without the file stays as it
/// is. Throws Error{Usage} for a file that is no JSON object.
Tree complete_node_program(Store& store, Tree overlay, const Config& config);

}  // namespace k8simg
