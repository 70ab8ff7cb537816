// node.json of the disk image: facts that the node's program and the checks of an image share.
#pragma once

#include "config/config.hpp"
#include "tree/tree.hpp"

namespace k8simg {

/// Adds facts of the configuration to usr/share/k8simg/node.json of an overlay's tree: name, board, architecture and
/// the version of Kubernetes. Other keys of the file are kept. A tree without the file is returned unchanged.
/// Error{Usage} if the file is not a JSON object.
Tree complete_node_program(Store& store, Tree overlay, const Config& config);

}  // namespace k8simg
