// Adds a step that compresses or converts a blob.
#include "pipeline/output.hpp"

#include "disk/formats.hpp"

namespace k8simg {

BlobHandle add_output_step(StepGraph& graph, const std::string& id, const TreeHandle& tools, const BlobHandle& blob,
                           const Output& output) {
  const TreePort tools_in{"tools"};
  const std::string from = "/in/" + output.in.name, to = "/out/compressed";
  graph.add({.id = id,
             .inputs = {tools_in(tools), output.in(blob)},
             .action = CommandAction{.tools = tools_in.name,
                                     .argv = output_format(output.format).command(output.level, from, to),
                                     .mounts = {output.in.mount(from)},
                                     .captures = {output.out.capture(to)}},
             .resource = Resource::Heavy});
  return output.out.of(id);
}

}  // namespace k8simg
