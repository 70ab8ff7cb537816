// Copies of what other steps give, in another format.
#pragma once

#include <string>

#include "graph/graph.hpp"
#include "graph/port.hpp"

namespace k8simg {

/// What is converted, how, and under which names the step takes and gives it.
struct Output {
  BlobPort in, out;
  std::string format;  ///< of an OutputFormat (disk/formats.hpp)
  int level = 0;       ///< of a compression
};

/// The step `id`. `tools`: the tools tree that has the format's program.
BlobHandle add_output_step(StepGraph& graph, const std::string& id, const TreeHandle& tools, const BlobHandle& blob,
                           const Output& output);

}  // namespace k8simg
