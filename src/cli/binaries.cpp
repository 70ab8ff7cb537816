// `k8simg binaries --arch A`: builds the components' programs for architectures into output/binaries/linux-A/.
#include <fmt/format.h>

#include "cli/architectures.hpp"
#include "cli/verbs.hpp"
#include "elf/isa.hpp"
#include "report/output.hpp"
#include "tree/tree.hpp"

namespace k8simg {

namespace {

struct Row {
  std::string architecture, component, program, processor, version;
  std::uint64_t bytes = 0;
};

void print_table(const std::vector<Row>& rows) {
  print_out(fmt::format("{:<16} {:<14} {:<24} {:>12}  {:<36} {}\n", "architecture", "component", "program", "bytes",
                        "runs on", "version"));
  for (const auto& row : rows)
    print_out(fmt::format("{:<16} {:<14} {:<24} {:>12}  {:<36} {}\n", row.architecture, row.component, row.program,
                          row.bytes, row.processor, row.version));
}

int make_binaries(Session& session, const ArchitectureChoice& choice) {
  std::vector<Row> rows;
  for (const auto& defconfig : chosen_architectures(session, choice.architectures)) {
    Architecture made = open_architecture(session, defconfig, choice.components);
    std::vector<OutputRef> targets;
    for (const auto& [component, output] : made.pipeline.programs) targets.push_back(output);
    const auto values = session.build(made.pipeline, defconfig, targets);
    std::map<std::string, Value> files;
    std::set<std::string> executables;
    for (const auto& component : made.config.components) {
      const Tree programs = get_tree(session.store(), values.at(made.pipeline.programs.at(component.name)).digest);
      for (const auto& [path, node] : programs.nodes()) {
        executables.insert(component.name + "/" + path);
        files[component.name + "/" + path] = {ValueKind::Blob, node.content, node.size};
        rows.push_back({defconfig, component.name, path, isa_description({made.config.arch.go, made.config.arch.goarm}),
                        component.version, node.size});
      }
    }
    publish_with_sums(session, std::move(files), session.output("binaries") / defconfig, executables);
  }
  print_table(rows);
  return 0;
}

}  // namespace

void add_binaries(CLI::App& app, Options& options, Verb& run) {
  auto* verb = app.add_subcommand("binaries", "build the components' programs for architectures into output/binaries/");
  const auto choice = add_architecture_options(*verb, options);
  verb->callback([=, &run] { run = [=](Session& session) { return make_binaries(session, *choice); }; });
}

}  // namespace k8simg
