// Steps that convert outputs of other steps to another format.
#pragma once

#include <string>

#include "graph/graph.hpp"
#include "graph/port.hpp"

namespace k8simg {

/// The ports of a conversion, the format and its level.
struct Output {
  BlobPort in, out;
  std::string format;  ///< name of an OutputFormat (disk/formats.hpp)
  int level = 0;       ///< of compression
};

/// Adds the step `id`. `tools`: the tools tree with the format's program.
BlobHandle add_output_step(StepGraph& graph, const std::string& id, const TreeHandle& tools, const BlobHandle& blob,
                           const Output& output);

}  // namespace k8simg
