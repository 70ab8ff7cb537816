// Writes checksum files.
#include "pipeline/sums.hpp"

#include <fmt/format.h>

#include "graph/builtin.hpp"

namespace k8simg {

namespace {

const BlobFamily file_in{"file/"};
const BlobPort sums_out{"sums"};

Outputs make_sums(StepContext& context) {
  std::map<std::string, Value> files;
  for (const auto& [name, value] : file_in.all(context)) files[name] = value;
  return {sums_out.give(context.store().put(checksum_lines(files)))};
}

}  // namespace

std::string checksum_lines(const std::map<std::string, Value>& files) {
  std::string text;
  for (const auto& [name, value] : files) text += fmt::format("{}  {}\n", value.digest.hex(), name);
  return text;
}

BlobHandle add_checksum_step(StepGraph& graph, const std::string& id, const std::map<std::string, BlobHandle>& files) {
  std::vector<Input> inputs;
  for (const auto& [name, blob] : files) inputs.push_back(file_in[name](blob));
  graph.add({.id = id, .inputs = std::move(inputs), .action = builtin<make_sums>("image.sums")});
  return sums_out.of(id);
}

}  // namespace k8simg
