// Common parts of tests of complete pipelines.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fetch/fetch.hpp"
#include "graph/graph.hpp"
#include "util/error.hpp"

namespace k8simg::test {

class NoDownloads : public Downloader {
 public:
  std::optional<std::uint64_t> download(const std::string& url, int, std::uint64_t, std::uint64_t, std::stop_token,
                                        const std::function<void(std::uint64_t, std::uint64_t)>&) override {
    throw Error(ErrorKind::Internal, "no downloads in this test: " + url);
  }
};

/// The key of each step by its id before anything runs: an output of another step is represented by its name.
inline std::map<std::string, Digest> keys_of(const StepGraph& graph) {
  std::map<std::string, Digest> keys;
  for (const auto& step : graph.steps()) {
    std::vector<RecordedInput> inputs;
    for (const auto& input : step.inputs) {
      const auto* from = std::get_if<OutputRef>(&input.source);
      inputs.push_back({input.name, from ? Value{ValueKind::Blob, sha256(from->step + " " + from->output), 0}
                                         : std::get<Value>(input.source)});
    }
    keys[step.id] = step_key(step, inputs);
  }
  return keys;
}

}  // namespace k8simg::test
