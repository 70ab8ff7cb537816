// Compiles components/maintscript, and runs it in the sandbox for steps that evaluate scripts.
#include "pipeline/scripts.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "component/steps.hpp"
#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/inside.hpp"

namespace k8simg {

namespace {

constexpr const char* evaluator_name = "maintscript";
constexpr double evaluation_seconds = 1800;  // each script has its own, much shorter limit in the program

const TreePort evaluator_program{"scripts/program"}, evaluator_tools{"scripts/tools"};

ComponentSpec evaluator_spec() {
  ComponentBinary binary{.name = evaluator_name, .package = "."};
  binary.checks.push_back({.argv0 = "", .argv = {"--version"}, .expect = "maintscript 1"});
  return {.name = evaluator_name, .version = "1", .binaries = {binary}, .goarch = "amd64"};
}

bool has_input(const StepContext& context, const std::string& name) {
  for (const auto& input : context.inputs())
    if (input.name == name) return true;
  return false;
}

}  // namespace

ScriptTools add_script_tools(StepGraph& graph, Store& store, const Config& config,
                             const std::vector<std::string>& evaluated,
                             const std::function<TreeHandle(const std::string& set)>& tools) {
  if (evaluated.empty()) return {};
  const auto folder = inside(config.project, std::filesystem::path("components") / evaluator_name);
  const Value source = put_tree(store, read_folder(store, folder, Origin::component(evaluator_name)));
  const TreeHandle run_in = tools("programs");
  const ComponentOutputs made =
      add_component_steps(graph, store, evaluator_spec(), source, {.compiler = tools("go"), .programs = run_in});
  return {.program = made.programs, .tools = run_in};
}

std::vector<Input> script_inputs(const ScriptTools& tools) {
  if (!tools) return {};
  return {evaluator_program(tools.program), evaluator_tools(tools.tools)};
}

ScriptEvaluator script_evaluator(StepContext& context) {
  if (!has_input(context, evaluator_program.name)) return {};
  return [&context](const std::string& request) {
    Store& store = context.store();
    const auto out = context.scratch() / "evaluated";
    const auto file = context.scratch() / "request.json";
    std::filesystem::create_directories(out);
    write_file_atomically(file, request);
    const auto program = checkout(store, evaluator_program.in(context));
    // blobs/ab/cdef...
    const auto blobs = store.path(evaluator_program.in(context).digest).parent_path().parent_path();
    Command command = sandbox({.root = checkout(store, evaluator_tools.in(context)),
                               .argv = {fmt::format("/in/bin/{}", evaluator_name), "/in/request", "/in/blobs", "/out"},
                               .working_folder = "/tmp",
                               .binds = {{.host = program, .inside = "/in/bin"},
                                         {.host = file, .inside = "/in/request"},
                                         {.host = blobs, .inside = "/in/blobs"},
                                         {.host = out, .inside = "/out", .writable = true}}});
    command.log = context.log_file();
    command.timeout_seconds = evaluation_seconds;
    run_checked(context.runner(), command, "the evaluation of maintainer scripts failed", context.stop());
    return out;
  };
}

}  // namespace k8simg
