// Compressed copies of what other steps give.
#pragma once

#include <string>

#include "graph/graph.hpp"
#include "graph/port.hpp"

namespace k8simg {

/// What is compressed, how, and under which names the step takes and gives it.
struct Compression {
  BlobPort in, out;
  std::string method;  ///< as compress_command() of image/image.hpp takes it
  int level = 0;
};

/// The step `id`. `tools`: the tools tree that has the method's program.
BlobHandle add_compressed_step(StepGraph& graph, const std::string& id, const TreeHandle& tools, const BlobHandle& blob,
                               const Compression& compression);

}  // namespace k8simg
