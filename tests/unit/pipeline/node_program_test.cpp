// Tests completing node.json of an overlay with facts of the configuration.
#include "pipeline/node_program.hpp"

#include <nlohmann/json.hpp>

#include "project.hpp"
#include "support/catch.hpp"
#include "support/step_context.hpp"
#include "util/error.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

const std::string path = "usr/share/k8simg/node.json";

Config config() {
  Config config;
  config.name = "small", config.board = "pc", config.arch.go = "amd64";
  config.components.resize(1);
  config.components[0].name = "kubernetes", config.components[0].version = "v1.37.1";
  return config;
}

}  // namespace

TEST_CASE("node.json says what the image is, and keeps what it says itself") {
  TestContext context;
  Tree overlay;
  overlay.add_file(context.store(), path, R"({"failSwapOn": false, "board": "mine"})", 0640, "overlay:node");
  const Tree completed = complete_node_program(context.store(), overlay, config());
  const auto json = nlohmann::json::parse(context.store().read(completed.find(path)->content));
  CHECK(json == nlohmann::json{{"failSwapOn", false},
                               {"board", "mine"},
                               {"name", "small"},
                               {"architecture", "amd64"},
                               {"kubernetesVersion", "v1.37.1"}});
  CHECK(completed.find(path)->mode == 0640);
  CHECK(completed.find(path)->origin == "overlay:node");
}

TEST_CASE("an overlay without node.json stays as it is, and one that is no object is told") {
  TestContext context;
  Tree other;
  other.add_file(context.store(), "etc/motd", "x", 0644, "overlay:mine");
  CHECK(complete_node_program(context.store(), other, config()).find(path) == nullptr);
  for (const char* text : {"", "[]", "{"}) {
    Tree overlay;
    overlay.add_file(context.store(), path, text, 0644, "overlay:node");
    CHECK_THROWS_AS(complete_node_program(context.store(), overlay, config()), Error);
  }
}
