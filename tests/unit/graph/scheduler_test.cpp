// Tests running plans: order, limits, early cutoff, failures, stop requests.
#include <thread>

#include "support/catch.hpp"
#include "workshop.hpp"

using namespace k8simg;
using namespace k8simg::test;
using namespace std::chrono_literals;
using State = PlannedStep::State;

namespace {

Step step_of(const std::string& id, std::vector<Input> inputs,
             std::function<std::map<std::string, Value>(StepContext&)> run, Resource resource = Resource::Cpu) {
  return {.id = id,
          .inputs = std::move(inputs),
          .action = BuiltinAction{.function = "test.own", .parameters = id, .run = std::move(run)},
          .resource = resource};
}

std::map<std::string, Value> out(StepContext& context, const std::string& text) {
  return {{"out", context.store().put(text)}};
}

// The largest number of concurrent steps.
struct Gauge {
  std::atomic<int> now{0}, most{0};
  void pass() {
    const int count = ++now;
    int seen = most;
    while (count > seen && !most.compare_exchange_weak(seen, count)) {
    }
    std::this_thread::sleep_for(20ms);
    --now;
  }
};

Error error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  FAIL("no error");
  return Error(ErrorKind::Internal, "");
}

}  // namespace

TEST_CASE("a graph gives its targets, and events tell the story") {
  Workshop shop;
  const StepGraph graph =
      graph_of({join_step("a", {}, "a"), join_step("b", {from("a")}, "b"), join_step("c", {from("a"), from("b")}, "c")},
               {"c", "a"});
  const auto values = shop.run(graph);
  CHECK(values.size() == 2);
  CHECK(shop.store.read(values.at({"c", "out"}).digest) == "c(a(),b(a(),),)");
  CHECK(shop.reporter.steps(Event::Kind::StepStarted) == std::vector<std::string>{"a", "b", "c"});
  CHECK(shop.reporter.steps(Event::Kind::StepFinished) == std::vector<std::string>{"a", "b", "c"});
  const auto events = shop.reporter.events();
  CHECK(events.front().kind == Event::Kind::PlanReady);
  CHECK(events.front().total == 3);
  CHECK(events[1].text == "never built here");

  shop.run(graph);
  CHECK(shop.started().empty());
  CHECK(shop.reporter.events().size() == 1);
  CHECK(shop.reporter.events().front().done == 2);
}

TEST_CASE("early cut-off: the same result ends the rebuilding") {
  Workshop shop;
  const auto graph = [&](const std::string& source) {
    return graph_of({constant_step("config", {{"source", shop.store.put(source)}}, "CONFIG_A=y"),
                     join_step("build", {from("config")}, "kernel"), join_step("image", {from("build")}, "image")},
                    {"image"});
  };
  shop.run(graph("1"));
  CHECK(shop.started() == Ids{"config", "build", "image"});
  CHECK(shop.text(graph("2"), "image") == "image(kernel(CONFIG_A=y,),)");
  CHECK(shop.started() == Ids{"config"});
  CHECK(shop.cached() == Ids{"build", "image"});
  CHECK(shop.reporter.events().front().total == 3);
}

TEST_CASE("lazy downloads: cut off before a step that needs them") {
  Workshop shop;
  const auto graph = [&](const std::string& source, const std::string& tools) {
    return graph_of({constant_step("tools", {{"source", shop.store.put(source)}}, tools),
                     fetch_step("fetch/deb", "deb"), join_step("build", {from("tools"), from("fetch/deb")}, "build")},
                    {"build"});
  };
  shop.run(graph("1", "tools"));
  shop.store.lose(value_of("deb").digest);
  shop.run(graph("2", "tools"));
  CHECK(shop.started() == Ids{"tools"});
  CHECK(shop.cached() == Ids{"build", "fetch/deb"});

  CHECK(shop.text(graph("3", "new tools"), "build") == "build(new tools,deb,)");
  CHECK(shop.started() == Ids{"tools", "fetch/deb", "build"});
  for (const Event& event : shop.reporter.events())
    if (event.kind == Event::Kind::StepStarted && event.step == "fetch/deb")
      CHECK(event.text == "needed by a step that runs");
}

TEST_CASE("a step that runs again and gives other bytes makes those after it run on them") {
  Workshop shop;
  std::string now = "monday";
  const auto graph = [&] {
    return graph_of({step_of("clock", {}, [&](StepContext& context) { return out(context, now); }),
                     join_step("a", {from("clock")}, "a"), join_step("b", {from("a")}, "b")},
                    {"b"});
  };
  CHECK(shop.text(graph(), "b") == "b(a(monday,),)");
  now = "tuesday";
  for (const char* bytes : {"monday", "a(monday,)", "b(a(monday,),)"}) shop.store.lose(value_of(bytes).digest);
  CHECK(shop.text(graph(), "b") == "b(a(tuesday,),)");
  CHECK(shop.started() == Ids{"clock", "a", "b"});
  CHECK(shop.plan(graph()).count(State::Cached) == 1);
}

TEST_CASE("limits: jobs for cpu steps, one heavy step beside them, downloads on their own") {
  Workshop shop;
  shop.options.jobs = 2;
  shop.options.downloads = 3;
  Gauge cpu, heavy, network, all;
  std::vector<Step> steps;
  std::vector<Input> inputs;
  const auto add = [&](const std::string& kind, Gauge& gauge, Resource resource) {
    for (int i = 0; i < 6; ++i) {
      const std::string id = kind + std::to_string(i);
      steps.push_back(step_of(
          id, {},
          [&, id](StepContext& context) {
            all.now++;
            gauge.pass();
            all.most = std::max(all.most.load(), all.now.load());
            all.now--;
            return out(context, id);
          },
          resource));
      inputs.push_back(from(id));
    }
  };
  add("cpu", cpu, Resource::Cpu);
  add("heavy", heavy, Resource::Heavy);
  add("network", network, Resource::Network);
  steps.push_back(join_step("all", inputs, "all"));
  shop.run(graph_of(std::move(steps), {"all"}));
  CHECK(heavy.most == 1);
  CHECK(cpu.most == 2);
  CHECK(network.most == 3);
  CHECK(all.most > 3);
}

TEST_CASE("the longest path starts first") {
  Workshop shop;
  shop.options.jobs = 1;
  std::vector<Step> steps{join_step("quick1", {}, "1"),
                          join_step("quick2", {}, "2"),
                          join_step("to-kernel", {}, "3"),
                          join_step("kernel", {from("to-kernel")}, "4", Resource::Heavy),
                          join_step("slow", {}, "5"),
                          join_step("all", {from("quick1"), from("quick2"), from("kernel"), from("slow")}, "6")};
  // "slow" took 20 s with another input: less than a heavy step without a record, more than the fast ones.
  shop.store.save_record("pc", {sha256("older"), "slow", action_digest(steps[4]), {{"x", value_of("x")}}, {}, 20});
  shop.run(graph_of(std::move(steps), {"all"}));
  const auto started = shop.reporter.steps(Event::Kind::StepStarted);
  std::vector<std::string> cpu;
  for (const auto& id : started)
    if (id != "kernel") cpu.push_back(id);
  CHECK(cpu == std::vector<std::string>{"to-kernel", "slow", "quick1", "quick2", "all"});
}

TEST_CASE("steps that are the same work are done once") {
  Workshop shop;
  std::atomic<int> runs{0};
  const auto twin = [&](const std::string& id) {
    Step step = step_of("twin", {}, [&](StepContext& context) {
      runs++;
      std::this_thread::sleep_for(30ms);
      return out(context, "same");
    });
    step.id = id;
    return step;
  };
  const StepGraph graph =
      graph_of({twin("one"), twin("two"), join_step("both", {from("one"), from("two")}, "both")}, {"both"});
  CHECK(shop.text(graph, "both") == "both(same,same,)");
  CHECK(runs == 1);
  CHECK(shop.store.last_record("pc", "one"));
  CHECK(shop.store.last_record("pc", "two"));
}

TEST_CASE("the first failure stops the others and says where") {
  Workshop shop;
  std::atomic<bool> stopped{false};
  const StepGraph graph = graph_of({step_of("slow", {},
                                            [&](StepContext& context) {
                                              for (int i = 0; i < 500 && !context.stop().stop_requested(); ++i)
                                                std::this_thread::sleep_for(10ms);
                                              stopped = context.stop().stop_requested();
                                              throw Error(ErrorKind::Interrupted, "stopped");
                                              return out(context, "");
                                            }),
                                    step_of("broken", {},
                                            [](StepContext&) -> std::map<std::string, Value> {
                                              std::this_thread::sleep_for(30ms);
                                              throw Error(ErrorKind::Fetch, "a.deb has the wrong size", "lock again");
                                            }),
                                    join_step("image", {from("slow"), from("broken")}, "image")},
                                   {"image"});
  const Error error = error_of([&] { shop.run(graph); });
  CHECK(error.kind() == ErrorKind::Fetch);
  CHECK(error.message() == "a.deb has the wrong size");
  REQUIRE(error.context().size() == 1);
  CHECK(error.context()[0] == "in step broken");
  CHECK(stopped);
  CHECK(shop.reporter.steps(Event::Kind::StepFailed) == std::vector<std::string>{"broken"});
  CHECK(shop.started() == Ids{"slow", "broken"});
  CHECK_FALSE(shop.store.last_record("pc", "broken"));
}

TEST_CASE("with keep_going all that can be built is built") {
  Workshop shop;
  shop.options.keep_going = true;
  shop.options.jobs = 1;
  const StepGraph graph = graph_of(
      {step_of("broken", {}, [](StepContext&) -> std::map<std::string, Value> { throw std::runtime_error("odd"); }),
       join_step("after", {from("broken")}, "after"), join_step("other", {}, "other"),
       join_step("image", {from("after"), from("other")}, "image")},
      {"image"});
  const Error error = error_of([&] { shop.run(graph); });
  CHECK(error.kind() == ErrorKind::Internal);
  CHECK(error.message() == "odd");
  CHECK(shop.started() == Ids{"broken", "other"});
  CHECK(shop.plan(graph).find("other")->state == State::Cached);
}

TEST_CASE("a stop request ends the run at once") {
  Workshop shop;
  std::stop_source user;
  std::atomic<bool> running{false};
  const StepGraph graph = graph_of({step_of("endless", {},
                                            [&](StepContext& context) {
                                              running = true;
                                              while (!context.stop().stop_requested()) std::this_thread::sleep_for(1ms);
                                              throw Error(ErrorKind::Interrupted, "killed");
                                              return out(context, "");
                                            }),
                                    join_step("after", {from("endless")}, "after")},
                                   {"after"});
  std::jthread presser([&] {
    while (!running) std::this_thread::sleep_for(1ms);
    user.request_stop();
  });
  const Error error = error_of([&] {
    run_plan(graph, shop.plan(graph), shop.store, shop.runner, shop.reporter, shop.options, user.get_token());
  });
  CHECK(error.kind() == ErrorKind::Interrupted);
  CHECK(shop.reporter.steps(Event::Kind::StepFailed).empty());
  CHECK_FALSE(shop.store.last_record("pc", "endless"));

  // With a stop request before the start, nothing starts.
  shop.reporter.clear();
  CHECK(error_of([&] {
          run_plan(graph, shop.plan(graph), shop.store, shop.runner, shop.reporter, shop.options, user.get_token());
        }).kind() == ErrorKind::Interrupted);
  CHECK(shop.started().empty());
}

TEST_CASE("a step must give what was promised") {
  Workshop shop;
  const auto give = [](std::map<std::string, Value> outputs) { return [outputs](StepContext&) { return outputs; }; };
  const Value there = shop.store.put("there"), known = value_of("known");

  Step lying = step_of("lying", {}, give({{"out", there}}));
  lying.known_outputs = {{"out", known}};
  const Error other = error_of([&] { shop.run(graph_of({lying}, {"lying"})); });
  CHECK(other.kind() == ErrorKind::Step);
  CHECK(other.message().find(known.digest.hex()) != std::string::npos);

  CHECK(
      error_of([&] { shop.run(graph_of({step_of("silent", {}, give({}))}, {"silent"})); }).message().find("\"out\"") !=
      std::string::npos);
  CHECK(error_of([&] { shop.run(graph_of({step_of("empty", {}, give({{"out", known}}))}, {"empty"})); })
            .message()
            .find("not in the store") != std::string::npos);
  for (const char* id : {"lying", "silent", "empty"}) CHECK_FALSE(shop.store.last_record("pc", id));
}

TEST_CASE("a built-in step sees its inputs and nothing else") {
  Workshop shop;
  const Error error = error_of([&] {
    shop.run(graph_of({step_of("nosy", {{"mine", shop.store.put("mine")}},
                               [](StepContext& context) {
                                 CHECK(context.store().read(context.input("mine").digest) == "mine");
                                 context.progress(1, 2);
                                 context.input("yours");
                                 return out(context, "");
                               })},
                      {"nosy"}));
  });
  CHECK(error.kind() == ErrorKind::Internal);
  CHECK(error.message() == "step \"nosy\" has no input \"yours\" (it has: mine)");
  const auto events = shop.reporter.events();
  CHECK(std::any_of(events.begin(), events.end(), [](const Event& event) {
    return event.kind == Event::Kind::StepProgress && event.step == "nosy" && event.done == 1 && event.total == 2;
  }));
}

TEST_CASE("a local input that is not in the store is named") {
  Workshop shop;
  const Error error =
      error_of([&] { shop.run(graph_of({join_step("a", {{"overlay", value_of("nowhere")}}, "a")}, {"a"})); });
  CHECK(error.message().find("\"overlay\"") != std::string::npos);
}

TEST_CASE("going back makes the older record the newest again") {
  Workshop shop;
  const auto graph = [&](const std::string& source) {
    return graph_of({join_step("a", {{"source", shop.store.put(source)}}, "a")}, {"a"});
  };
  shop.run(graph("1"));
  const Digest first = shop.store.last_record("pc", "a")->key;
  shop.run(graph("2"));
  CHECK(shop.store.last_record("pc", "a")->key != first);
  shop.run(graph("1"));
  CHECK(shop.started().empty());
  CHECK(shop.store.last_record("pc", "a")->key == first);
}

TEST_CASE("a plan of another graph is refused") {
  Workshop shop;
  const StepGraph graph = graph_of({join_step("a", {}, "a")}, {"a"});
  const Plan other = shop.plan(graph_of({join_step("b", {}, "b")}, {"b"}));
  CHECK_THROWS_AS(run_plan(graph, other, shop.store, shop.runner, shop.reporter, shop.options), Error);
  CHECK_THROWS_AS(run_plan(graph, Plan{}, shop.store, shop.runner, shop.reporter, shop.options), Error);
}
