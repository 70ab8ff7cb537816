// Container images of the components' programs.
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
  BlobHandle list;     ///< the references of the images, one per line, sorted
  TreeHandle layout;   ///< the layout as a tree, so that several architectures can be merged
  BlobHandle tar;      ///< the archive before it is compressed
};

bool has_images(const Config& config);
/// Whether an image contains files of the root filesystem.
bool takes_root_files(const Config& config);

/// "registry.k8s.io/kube-proxy:v1.37.1".
std::string image_reference(const ComponentConfig& component, const ImageConfig& image);

/// The files of the root filesystem for an image: the matches of `globs`, targets of links, program interpreters and
/// needed libraries, each with its folders. Error{Usage} names a glob without a match, or a missing library.
Tree select_files(const Store& store, const Tree& root, const std::vector<std::string>& globs,
                  const std::string& triplet);

/// Adds images/files, images/archive and images/compressed. `root` is empty if no image takes files from it.
/// `programs`: the checked programs of each component, by its name. The layer of a multi-call binary has the program
/// names of all images of the component, so that they share it.
ImageSteps add_image_steps(StepGraph& graph, const Config& config, const TreeHandle& tools, const TreeHandle& root,
                           const NamedTrees& programs, std::int64_t epoch);

}  // namespace k8simg
