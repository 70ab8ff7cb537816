// The boot partition's tree: kernel, boot loaders and their configuration, as the board lists them.
#pragma once

#include "pipeline/partitions.hpp"

namespace k8simg {

/// boot/tree. Errors (Step or Usage) name the boot file whose source is missing.
TreeHandle add_boot_tree(StepGraph& graph, const PipelineInputs& in, PackageSteps& packages, const TreeHandle& kernel,
                         const DiskPlan& disk, std::int64_t epoch);

}  // namespace k8simg
