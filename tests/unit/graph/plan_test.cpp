// Tests the state and the reason of each step in a plan.
#include "support/catch.hpp"
#include "workshop.hpp"

using namespace k8simg;
using namespace k8simg::test;
using State = PlannedStep::State;

namespace {

void check(const Plan& plan, const std::string& id, State state, const std::string& reason = "") {
  const PlannedStep* step = plan.find(id);
  REQUIRE(step);
  INFO(id << ": " << step->reason);
  CHECK(step->state == state);
  CHECK(step->reason == reason);
}

// fetch/deb → unpack → merge → image, with a local file into merge.
StepGraph chain(Store& store, const std::string& overlay = "overlay 1", const std::string& recipe = "merge",
                const std::string& deb = "deb 1") {
  return graph_of({fetch_step("fetch/deb", deb), join_step("unpack", {from("fetch/deb")}, "unpack"),
                   join_step("merge", {from("unpack"), {"overlay", store.put(overlay)}}, recipe),
                   join_step("image", {from("merge")}, "image")},
                  {"image"});
}

}  // namespace

TEST_CASE("first build: what is known runs, what is not waits") {
  Workshop shop;
  const Plan plan = shop.plan(chain(shop.store));
  check(plan, "fetch/deb", State::Run, "needed by unpack, which runs");
  check(plan, "unpack", State::Run, "never built here");
  check(plan, "merge", State::Maybe, "waits for unpack");
  check(plan, "image", State::Maybe, "waits for merge");
  CHECK(plan.count(State::Run) == 2);
  CHECK(plan.find("merge")->key == std::nullopt);
  CHECK(plan.find("unpack")->key);
  CHECK(plan.find("nobody") == nullptr);
  CHECK(plan.steps[0].id == "fetch/deb");
}

TEST_CASE("a second build has nothing to do, and downloads behind cached steps are not needed") {
  Workshop shop;
  const StepGraph graph = chain(shop.store);
  shop.run(graph);
  const Plan plan = shop.plan(graph);
  check(plan, "image", State::Cached);
  for (const char* id : {"fetch/deb", "unpack", "merge"}) check(plan, id, State::Unneeded);
  CHECK(plan.find("image")->key);
}

TEST_CASE("reasons name what changed") {
  Workshop shop;
  shop.run(chain(shop.store));
  check(shop.plan(chain(shop.store, "overlay 2")), "merge", State::Run, "input overlay changed");
  check(shop.plan(chain(shop.store, "overlay 2")), "unpack", State::Cached);
  check(shop.plan(chain(shop.store, "overlay 2")), "fetch/deb", State::Unneeded);
  check(shop.plan(chain(shop.store, "overlay 2")), "image", State::Maybe, "waits for merge");
  check(shop.plan(chain(shop.store, "overlay 1", "merge 2")), "merge", State::Run, "recipe changed");
  check(shop.plan(chain(shop.store, "overlay 2", "merge 2")), "merge", State::Run,
        "recipe changed, input overlay changed");
  const Plan relocked = shop.plan(chain(shop.store, "overlay 1", "merge", "deb 2"));
  check(relocked, "fetch/deb", State::Run, "needed by unpack, which runs");
  check(relocked, "unpack", State::Run, "input fetch/deb changed");
}

TEST_CASE("reasons name inputs that came and went, three at most") {
  Workshop shop;
  const auto graph = [&](const std::vector<std::string>& names, const std::string& content) {
    std::vector<Input> inputs;
    for (const auto& name : names) inputs.push_back({name, shop.store.put(content + name)});
    return graph_of({join_step("merge", inputs, "merge")}, {"merge"});
  };
  shop.run(graph({"a", "b"}, "1"));
  check(shop.plan(graph({"a", "b", "c"}, "1")), "merge", State::Run, "input c added");
  check(shop.plan(graph({"a"}, "1")), "merge", State::Run, "input b removed");
  check(shop.plan(graph({"b", "a"}, "1")), "merge", State::Run, "the order of its inputs changed");
  check(shop.plan(graph({"a", "c"}, "2")), "merge", State::Run, "input a changed, input c added, input b removed");
  check(shop.plan(graph({"a", "b", "c", "d", "e"}, "2")), "merge", State::Run,
        "input a changed, input b changed, input c added, +2 more");
}

TEST_CASE("bytes that are gone are made again, up to where bytes are") {
  Workshop shop;
  const StepGraph graph = chain(shop.store);
  shop.run(graph);
  shop.store.lose(value_of("unpack(deb 1,)").digest);
  // No step reads it, so it does not run.
  check(shop.plan(graph), "unpack", State::Unneeded);
  shop.store.lose(value_of("image(merge(unpack(deb 1,),overlay 1,),)").digest);
  Plan plan = shop.plan(graph);
  check(plan, "image", State::Run, "its output is no longer in the store");
  check(plan, "merge", State::Cached);
  check(plan, "unpack", State::Unneeded);
  shop.store.lose(value_of("merge(unpack(deb 1,),overlay 1,)").digest);
  plan = shop.plan(graph);
  check(plan, "merge", State::Run, "its output is no longer in the store");
  check(plan, "unpack", State::Run, "its output is no longer in the store");
  check(plan, "fetch/deb", State::Cached);
  shop.store.lose(value_of("deb 1").digest);
  check(shop.plan(graph), "fetch/deb", State::Run, "needed by unpack, which runs");

  CHECK(shop.text(graph, "image") == "image(merge(unpack(deb 1,),overlay 1,),)");
  CHECK(shop.started() == Ids{"fetch/deb", "unpack", "merge", "image"});
  CHECK(shop.plan(graph).count(State::Run) == 0);
}

TEST_CASE("downloads for a step that may run are only needed if it does") {
  Workshop shop;
  const auto graph = [&](const std::string& source) {
    return graph_of({constant_step("tools", {{"source", shop.store.put(source)}}, "tools"),
                     fetch_step("fetch/deb", "deb"), join_step("build", {from("tools"), from("fetch/deb")}, "build")},
                    {"build"});
  };
  shop.run(graph("1"));
  shop.store.lose(value_of("deb").digest);
  const Plan plan = shop.plan(graph("2"));
  check(plan, "tools", State::Run, "input source changed");
  check(plan, "build", State::Maybe, "waits for tools");
  check(plan, "fetch/deb", State::Maybe, "needed if build runs");
  shop.store.put("deb");
  check(shop.plan(graph("2")), "fetch/deb", State::Cached);
}

TEST_CASE("a download that needs a tool runs when its bytes are gone, whatever its key") {
  Workshop shop;
  const auto graph = [&](const std::string& source) {
    return graph_of(
        {join_step("tools", {{"source", shop.store.put(source)}}, "tools"),
         fetch_step("fetch/modules", "modules", {from("tools")}), join_step("build", {from("fetch/modules")}, "build")},
        {"build"});
  };
  shop.run(graph("1"));
  // Other tools, the same modules: no later step changes.
  check(shop.plan(graph("2")), "tools", State::Unneeded);
  check(shop.plan(graph("2")), "build", State::Cached);
  shop.store.lose(value_of("modules").digest);
  check(shop.plan(graph("2")), "build", State::Cached);
  shop.store.lose(value_of("build(modules,)").digest);
  const Plan plan = shop.plan(graph("2"));
  check(plan, "build", State::Run, "its output is no longer in the store");
  check(plan, "fetch/modules", State::Run, "needed by build, which runs");
  check(plan, "tools", State::Run, "input source changed");
}

TEST_CASE("a download can be a target") {
  Workshop shop;
  const StepGraph graph = graph_of({fetch_step("fetch/deb", "deb")}, {"fetch/deb"});
  check(shop.plan(graph), "fetch/deb", State::Run, "its output is a target and not in the store");
  CHECK(shop.text(graph, "fetch/deb") == "deb");
  check(shop.plan(graph), "fetch/deb", State::Cached);
}

TEST_CASE("steps that no target reaches are not needed") {
  Workshop shop;
  const StepGraph graph =
      graph_of({join_step("a", {}, "a"), join_step("b", {}, "b"), join_step("c", {from("b")}, "c")}, {"a"});
  const Plan plan = shop.plan(graph);
  check(plan, "a", State::Run, "never built here");
  check(plan, "b", State::Unneeded);
  check(plan, "c", State::Unneeded);
}

TEST_CASE("a lost record is a step that was never built") {
  Workshop shop;
  const StepGraph graph = chain(shop.store);
  shop.run(graph);
  shop.store.lose_record(*shop.plan(graph).find("merge")->key);
  const Plan plan = shop.plan(graph);
  check(plan, "merge", State::Run, "never built here");
  check(plan, "image", State::Maybe, "waits for merge");
  shop.run(graph);
  CHECK(shop.started() == Ids{"merge"});
  CHECK(shop.cached() == Ids{"image"});
}

TEST_CASE("plans of other defconfigs share records but not explanations") {
  Workshop shop;
  shop.run(chain(shop.store));
  const Plan same = make_plan(chain(shop.store), shop.store, "pi");
  check(same, "image", State::Cached);
  check(make_plan(chain(shop.store, "overlay 2"), shop.store, "pi"), "merge", State::Run, "never built here");
}

TEST_CASE("the plan knows how long steps took") {
  Workshop shop;
  const Step step = join_step("a", {}, "a");
  shop.store.save_record("pc", {sha256("older key"), "a", action_digest(step), {{"gone", value_of("x")}}, {}, 12.5});
  const Plan plan = shop.plan(graph_of({step}, {"a"}));
  check(plan, "a", State::Run, "input gone removed");
  CHECK(plan.find("a")->last_seconds == 12.5);
}
