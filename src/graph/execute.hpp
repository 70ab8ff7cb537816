// Carrying out one step: a command in the sandbox, or a built-in function. Private to the graph.
#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "graph/step.hpp"

namespace k8simg {

struct StepRun {
  const Step& step;
  const Digest& key;
  const std::vector<RecordedInput>& inputs;
  const std::set<std::string>& asked;  ///< outputs that others take: each must be given
  std::string reason;                  ///< for the log
  std::filesystem::path log;           ///< empty: a store without a disk keeps none
  int jobs = 1;
  Store& store;
  CommandRunner& runner;
  Reporter& reporter;
  std::stop_token stop;
};

/// Returns the outputs, whose bytes are in the store. Throws what the command or function throws; Error{Step} when an
/// output is missing or differs from what the step was known to give.
std::map<std::string, Value> execute(const StepRun& run);

}  // namespace k8simg
