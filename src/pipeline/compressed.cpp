// The one step that compresses.
#include "pipeline/compressed.hpp"

#include "image/image.hpp"

namespace k8simg {

BlobHandle add_compressed_step(StepGraph& graph, const std::string& id, const TreeHandle& tools, const BlobHandle& blob,
                               const Compression& compression) {
  const TreePort tools_in{"tools"};
  const std::string input = "/in/" + compression.in.name, output = "/out/compressed";
  graph.add({.id = id,
             .inputs = {tools_in(tools), compression.in(blob)},
             .action = CommandAction{.tools = tools_in.name,
                                     .argv = compress_command(compression.method, compression.level, input, output),
                                     .mounts = {compression.in.mount(input)},
                                     .captures = {compression.out.capture(output)}},
             .resource = Resource::Heavy});
  return compression.out.of(id);
}

}  // namespace k8simg
