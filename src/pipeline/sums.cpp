// Writes checksum files.
#include "pipeline/sums.hpp"

#include <fmt/format.h>

namespace k8simg {

std::string checksum_lines(const std::map<std::string, Value>& files) {
  std::string text;
  for (const auto& [name, value] : files) text += fmt::format("{}  {}\n", value.digest.hex(), name);
  return text;
}

OutputRef add_checksum_step(StepGraph& graph, const std::string& id, const std::map<std::string, OutputRef>& files) {
  std::vector<Input> inputs;
  for (const auto& [name, output] : files) inputs.push_back({name, output});
  graph.add({.id = id,
             .inputs = std::move(inputs),
             .action = BuiltinAction{"image.sums", "{}", [](StepContext& context) {
                                       std::map<std::string, Value> values;
                                       for (const auto& input : context.inputs()) values[input.name] = input.value;
                                       return std::map<std::string, Value>{
                                           {"sums", context.store().put(checksum_lines(values))}};
                                     }}});
  return {id, "sums"};
}

}  // namespace k8simg
