// What is made for an architecture without a machine: its components' programs, their container images, and archives in
// upstream's layout.
#pragma once

#include <cstdint>
#include <vector>

#include "pipeline/packages.hpp"
#include "pipeline/pipeline.hpp"

namespace k8simg {

/// Fills `pipeline.images`, `releases` and `artifacts`. `programs`: as add_image_steps takes them. Packages are fetched
/// only where an image takes files of them.
void add_architecture_steps(Pipeline& pipeline, const PipelineInputs& in, PackageSteps& packages,
                            const NamedTrees& programs, std::int64_t epoch);

}  // namespace k8simg
