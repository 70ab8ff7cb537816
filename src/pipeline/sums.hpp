// SHA256SUMS: what sha256sum -c reads.
#pragma once

#include <map>
#include <string>

#include "graph/graph.hpp"
#include "graph/port.hpp"

namespace k8simg {

/// "DIGEST  NAME", a line each, by name.
std::string checksum_lines(const std::map<std::string, Value>& files);

/// The same as a step over what other steps give; its output is `sums`.
BlobHandle add_checksum_step(StepGraph& graph, const std::string& id, const std::map<std::string, BlobHandle>& files);

}  // namespace k8simg
