// Container images of the components' own programs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "graph/graph.hpp"
#include "graph/port.hpp"
#include "tree/tree.hpp"

namespace k8simg {

struct ImageSteps {
  BlobHandle archive;  ///< images.tar.zst: an OCI layout
  BlobHandle list;     ///< its references, one a line, sorted
  TreeHandle layout;   ///< the same layout as a tree, so that those of several architectures can be joined
  BlobHandle tar;      ///< the archive before it is compressed
};

bool has_images(const Config& config);
/// Whether an image is made of more than programs: of files of the root filesystem.
bool takes_root_files(const Config& config);

/// "registry.k8s.io/kube-proxy:v1.37.1".
std::string image_reference(const ComponentConfig& component, const ImageConfig& image);

/// What an image takes of the root filesystem: the files that `globs` match, where their links lead, their program
/// interpreters and the libraries that they need, each with its folders. Throws Error{Usage} naming the glob that
/// matches nothing, or the library that is not there.
Tree select_files(const Store& store, const Tree& root, const std::vector<std::string>& globs,
                  const std::string& triplet);

/// images/archive, images/compressed. `root` refers to nothing when no image takes files of it. `programs`: the checked
/// programs of each component, by its name. The layer of a multi-call binary has all the names that the
/// component's images run it by, so that they share it.
ImageSteps add_image_steps(StepGraph& graph, const Config& config, const TreeHandle& tools, const TreeHandle& root,
                           const NamedTrees& programs, std::int64_t epoch);

}  // namespace k8simg
