// The tree of the boot partition: kernel, boot loaders and their configuration, as listed by the board.
#pragma once

#include "pipeline/partitions.hpp"

namespace k8simg {

/// Adds boot/tree. Error{Step} or Error{Usage} names a boot file whose source is missing.
TreeHandle add_boot_tree(StepGraph& graph, const PipelineInputs& in, PackageSteps& packages, const TreeHandle& kernel,
                         const DiskPlan& disk, std::int64_t epoch);

}  // namespace k8simg
