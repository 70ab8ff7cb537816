// The steps for an architecture without a machine: the components' programs, their container images, and archives in
// upstream's layout.
#pragma once

#include <cstdint>
#include <vector>

#include "pipeline/packages.hpp"
#include "pipeline/pipeline.hpp"

namespace k8simg {

/// Fills `pipeline.images`, `releases` and `artifacts`. `programs`: as for add_image_steps. Packages are fetched only
/// if an image takes files from the root filesystem.
void add_architecture_steps(Pipeline& pipeline, const PipelineInputs& in, PackageSteps& packages,
                            const NamedTrees& programs, std::int64_t epoch);

}  // namespace k8simg
