// Container images of the user's that a disk image contains: [[image.extra]].
#pragma once

#include <cstdint>
#include <functional>

#include "config/config.hpp"
#include "graph/graph.hpp"
#include "graph/port.hpp"
#include "pipeline/images.hpp"

namespace k8simg {

/// What add_preload_steps() needs of the images.
struct PreloadedImages {
  TreeHandle layout;
  BlobHandle tar;   ///< the layout as an uncompressed archive
  BlobHandle list;  ///< the references, one per line, sorted
};

/// The images to preload: those of the components (`own`; nullptr: none), joined with the configured ones. Without
/// [[image.extra]] it adds no step. Otherwise it adds images/extra, images/joined, and for each image of a registry
/// images/fetch/NAME with the tools of `registry_tools()`. Archives are inputs, so that a changed file runs the steps
/// again.
PreloadedImages add_extra_image_steps(StepGraph& graph, Store& store, const Config& config, const ImageSteps* own,
                                      const std::function<TreeHandle()>& registry_tools, std::int64_t epoch);

}  // namespace k8simg
