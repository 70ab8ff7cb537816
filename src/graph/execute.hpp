// Executes one step: a command in the sandbox, or a built-in function. Private to the graph.
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
  const std::set<std::string>& asked;  ///< outputs that other steps or targets use: the step must produce all of them
  std::string reason;                  ///< for the log
  std::filesystem::path log;           ///< empty for a store without folders
  int jobs = 1;
  Store& store;
  CommandRunner& runner;
  Reporter& reporter;
  std::stop_token stop;
};

/// Returns the outputs, whose blobs are in the store. Throws the error of the command or function, or Error{Step} when
/// an output is missing or differs from the known output.
std::map<std::string, Value> execute(const StepRun& run);

}  // namespace k8simg
