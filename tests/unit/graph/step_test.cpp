// Tests that keys change if and only if an input of the step changes.
#include "graph/step.hpp"

#include <set>

#include "graph/graph.hpp"
#include "support/catch.hpp"
#include "util/error.hpp"

using namespace k8simg;

namespace {

Step command_step() {
  CommandAction action;
  action.tools = "tools";
  action.argv = {"make", "-s", "all"};
  action.environment = {{"A", "1"}, {"B", "2"}};
  action.mounts = {{"source", "/in/source"}};
  action.caches = {{"go", "/cache/go"}};
  action.captures = {{"kernel", "/out/kernel", ValueKind::Blob}};
  return {.id = "kernel/build", .action = action, .resource = Resource::Heavy};
}

Step with(const std::function<void(CommandAction&)>& change) {
  Step step = command_step();
  change(std::get<CommandAction>(step.action));
  return step;
}

Step builtin_step(const std::string& function, const std::string& parameters) {
  return {.id = "unpack", .action = BuiltinAction{.function = function, .parameters = parameters}};
}

const std::vector<RecordedInput> inputs{{"tools", {ValueKind::Tree, sha256("tools"), 5}},
                                        {"source", {ValueKind::Tree, sha256("source"), 6}}};

}  // namespace

TEST_CASE("all that matters changes the action's digest") {
  const std::vector<Step> different{
      command_step(),
      with([](auto& action) { action.tools = "other"; }),
      with([](auto& action) { action.argv = {"make", "-sall"}; }),
      with([](auto& action) { action.argv = {"make", "-s", "all", ""}; }),
      with([](auto& action) { action.argv = {"make", "-s"}; }),
      with([](auto& action) { action.environment["A"] = "2"; }),
      with([](auto& action) { action.environment.erase("B"); }),
      with([](auto& action) { action.environment = {{"A1", ""}, {"B", "2"}}; }),
      with([](auto& action) { action.working_folder = "/"; }),
      with([](auto& action) { action.mounts[0].path = "/in/other"; }),
      with([](auto& action) { action.mounts[0].input = "other"; }),
      with([](auto& action) { action.mounts.clear(); }),
      with([](auto& action) { action.captures[0].output = "other"; }),
      with([](auto& action) { action.captures[0].path = "/out/other"; }),
      with([](auto& action) { action.captures[0].kind = ValueKind::Tree; }),
      with([](auto& action) { action.network = true; }),
      builtin_step("debian.unpack", "{}"),
      builtin_step("debian.unpack", "{\"a\":1}"),
      builtin_step("debian.index", "{}"),
  };
  std::set<Digest> digests;
  for (const Step& step : different) {
    CHECK(digests.insert(action_digest(step)).second);
    CHECK(action_digest(step) == action_digest(step));
  }
}

TEST_CASE("caches, resources and ids do not matter") {
  const Digest digest = action_digest(command_step());
  CHECK(action_digest(with([](auto& action) { action.caches = {{"other", "/cache/other"}, {"x", "/cache/x"}}; })) ==
        digest);
  Step step = command_step();
  step.resource = Resource::Cpu;
  step.id = "kernel/again";
  CHECK(action_digest(step) == digest);
  CHECK(step_key(step, inputs) == step_key(command_step(), inputs));
}

TEST_CASE("all that matters changes the key") {
  const Step step = command_step();
  std::set<Digest> keys{step_key(step, inputs)};
  const auto changed = [&](const std::function<void(std::vector<RecordedInput>&)>& change) {
    auto copy = inputs;
    change(copy);
    return step_key(step, copy);
  };
  CHECK(keys.insert(step_key(with([](auto& action) { action.argv.pop_back(); }), inputs)).second);
  CHECK(keys.insert(changed([](auto& list) { list[0].name = "tool"; })).second);
  CHECK(keys.insert(changed([](auto& list) { list[0].value.digest = sha256("newer tools"); })).second);
  CHECK(keys.insert(changed([](auto& list) { list[0].value.kind = ValueKind::Blob; })).second);
  CHECK(keys.insert(changed([](auto& list) { std::swap(list[0], list[1]); })).second);
  CHECK(keys.insert(changed([](auto& list) { list.pop_back(); })).second);
  CHECK(keys.insert(changed([](auto& list) { list.clear(); })).second);
  CHECK(keys.insert(action_digest(step)).second);
}

TEST_CASE("keys of commands stay the same from release to release") {
  // With a change here, every user must build kernels and components again: increase the format in step.cpp and add it
  // to the changelog.
  CHECK(step_key(command_step(), inputs).hex() == "77b0f6d68469d09582ca0e3f5304c1620a2197299a7c43177a86cb6b9a6ce0b8");
}

TEST_CASE("a graph is acyclic by the order of adding") {
  StepGraph graph;
  graph.add({.id = "a", .action = BuiltinAction{}});
  graph.add({.id = "b", .inputs = {{"a", OutputRef{"a", "out"}}}, .action = BuiltinAction{}});
  CHECK(graph.find("b")->inputs.size() == 1);
  CHECK(graph.find("c") == nullptr);
  CHECK_THROWS_AS(graph.add({.id = "a", .action = BuiltinAction{}}), Error);
  CHECK_THROWS_AS(graph.add({.id = "c", .inputs = {{"d", OutputRef{"d", "out"}}}, .action = BuiltinAction{}}), Error);
  CHECK_THROWS_AS(graph.add({.id = "e", .inputs = {{"e", OutputRef{"e", "out"}}}, .action = BuiltinAction{}}), Error);
  CHECK_THROWS_AS(graph.add_target({"nobody", "out"}), Error);
}
