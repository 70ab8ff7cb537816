// Explains why a step runs, compared with its newest record. Private to the graph.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/step.hpp"

namespace k8simg {

/// For a step whose key has no record: "never built here", or up to three differences from `last` ("recipe changed",
/// "input tools changed", "input x added", "input y removed") and "+N more".
std::string explain_change(const Step& step, const std::vector<RecordedInput>& inputs,
                           const std::optional<StepRecord>& last);

}  // namespace k8simg
