// Tests random graphs with random changes and losses: the plan is correct, the result is correct, and a second run has
// nothing to do.
#include <random>

#include "support/catch.hpp"
#include "workshop.hpp"

using namespace k8simg;
using namespace k8simg::test;
using State = PlannedStep::State;

namespace {

struct Blueprint {
  struct Part {
    enum { Join, Constant, Fetch } kind;
    std::string id, text;
    std::vector<std::size_t> inputs;
    std::string local;  // content of a local input, empty for none
  };
  std::vector<Part> parts;
  std::vector<std::size_t> targets;

  static Blueprint random(std::mt19937& dice) {
    Blueprint print;
    const std::size_t count = 1 + dice() % 18;
    for (std::size_t i = 0; i < count; ++i) {
      Part part;
      part.id = "s" + std::to_string(i);
      part.text = part.id;
      const unsigned kind = dice() % 5;
      part.kind = kind == 0 ? Part::Fetch : kind == 1 ? Part::Constant : Part::Join;
      for (std::size_t n = i ? dice() % std::min<std::size_t>(i + 1, 4) : 0; n > 0; --n)
        part.inputs.push_back(dice() % i);
      if (dice() % 3 == 0) part.local = "local " + part.id;
      print.parts.push_back(part);
    }
    for (std::size_t n = 1 + dice() % 2; n > 0; --n) print.targets.push_back(dice() % count);
    return print;
  }

  void change(std::mt19937& dice) {
    Part& part = parts[dice() % parts.size()];
    if (!part.local.empty() && dice() % 2)
      part.local += "'";
    else
      part.text += "*";
  }

  StepGraph graph(Store& store) const {
    std::vector<Step> steps;
    for (const Part& part : parts) {
      std::vector<Input> inputs;
      for (const std::size_t input : part.inputs)
        inputs.push_back({"in" + std::to_string(inputs.size()), OutputRef{parts[input].id, "out"}});
      if (!part.local.empty()) inputs.push_back({"local", store.put(part.local)});
      steps.push_back(part.kind == Part::Fetch      ? fetch_step(part.id, part.text, inputs)
                      : part.kind == Part::Constant ? constant_step(part.id, inputs, part.text.substr(0, 2))
                                                    : join_step(part.id, inputs, part.text));
    }
    StepGraph graph;
    for (auto& step : steps) graph.add(std::move(step));
    for (const std::size_t target : targets) graph.add_target({parts[target].id, "out"});
    return graph;
  }

  // The output of a step, computed without the graph.
  std::string result(std::size_t i) const {
    const Part& part = parts[i];
    if (part.kind == Part::Fetch) return part.text;
    if (part.kind == Part::Constant) return part.text.substr(0, 2);
    std::string text = part.text + "(";
    for (const std::size_t input : part.inputs) text += result(input) + ",";
    if (!part.local.empty()) text += part.local + ",";
    return text + ")";
  }
};

}  // namespace

TEST_CASE("random graphs stay right through changes and losses") {
  for (unsigned seed = 1; seed <= 150; ++seed) {
    std::mt19937 dice(seed);
    Workshop shop;
    Blueprint print = Blueprint::random(dice);
    for (int round = 0; round < 6; ++round) {
      INFO("seed " << seed << ", round " << round);
      const StepGraph graph = print.graph(shop.store);
      const Plan plan = shop.plan(graph);
      shop.reporter.clear();
      const auto values = run_plan(graph, plan, shop.store, shop.runner, shop.reporter, shop.options).values;
      for (const std::size_t target : print.targets)
        REQUIRE(shop.store.read(values.at({print.parts[target].id, "out"}).digest) == print.result(target));

      const Ids started = shop.started(), cached = shop.cached();
      REQUIRE(shop.reporter.steps(Event::Kind::StepStarted).size() == started.size());
      for (const auto& step : plan.steps) {
        INFO(step.id << ": " << step.reason);
        if (step.state == State::Run) REQUIRE((started.contains(step.id) || cached.contains(step.id)));
        if (step.state == State::Maybe) REQUIRE((started.contains(step.id) != cached.contains(step.id)));
        if (step.state == State::Cached || step.state == State::Unneeded) REQUIRE_FALSE(started.contains(step.id));
        if (step.state == State::Run || step.state == State::Maybe) REQUIRE_FALSE(step.reason.empty());
      }
      REQUIRE(shop.reporter.events().front().total == started.size() + cached.size());

      const Plan again = shop.plan(graph);
      REQUIRE(again.count(State::Run) + again.count(State::Maybe) == 0);
      run_plan(graph, again, shop.store, shop.runner, shop.reporter, shop.options);
      REQUIRE(shop.started() == started);  // nothing more

      if (dice() % 2) print.change(dice);
      for (unsigned losses = dice() % 4; losses > 0; --losses) {
        const std::size_t i = dice() % print.parts.size();
        shop.store.lose(value_of(print.result(i)).digest);
      }
      if (dice() % 3 == 0)
        if (const auto& key = again.steps[dice() % again.steps.size()].key) shop.store.lose_record(*key);
    }
  }
}
