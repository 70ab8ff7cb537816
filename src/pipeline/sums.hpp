// SHA256SUMS: checksums in the format of sha256sum -c.
#pragma once

#include <map>
#include <string>

#include "graph/graph.hpp"
#include "graph/port.hpp"

namespace k8simg {

/// Lines "DIGEST  NAME", sorted by name.
std::string checksum_lines(const std::map<std::string, Value>& files);

/// Adds a step that writes the checksums of outputs of other steps. Its output is `sums`.
BlobHandle add_checksum_step(StepGraph& graph, const std::string& id, const std::map<std::string, BlobHandle>& files);

}  // namespace k8simg
