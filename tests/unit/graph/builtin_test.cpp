// Tests built-in steps: the text of the parameters is in the key and is all that the function gets; ports have kinds.
#include "graph/builtin.hpp"

#include "graph/port.hpp"
#include "support/catch.hpp"
#include "support/step_context.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

const BlobPort text_in{"text"}, text_out{"text"};
const TreePort tree_in{"text"};
const BlobFamily files{"file/"};

struct Repeat {
  std::string word;
  int times = 0;
  Digest digest;
  Uuid uuid;
  std::vector<std::string> forgotten;  // not in the field list
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Repeat, word, times, digest, uuid)

Outputs repeat(StepContext& context, const Repeat& parameters) {
  std::string text = context.store().read(text_in.in(context).digest);
  for (int i = 0; i < parameters.times; ++i) text += parameters.word;
  text += parameters.digest.hex().substr(0, 2) + parameters.uuid.text().substr(0, 2);
  for (const auto& word : parameters.forgotten) text += word;
  for (const auto& [name, value] : files.all(context)) text += " " + name + "=" + context.store().read(value.digest);
  return {text_out.give(context.store().put(text))};
}

Outputs echo(StepContext& context) { return {text_out.give(text_in.in(context))}; }

struct Suffix {
  std::string text;
};
Outputs append(StepContext& context, const Repeat& parameters, const Suffix& suffix) {
  return {text_out.give(context.store().put(parameters.word + suffix.text))};
}

std::string text_of(TestContext& context, const Outputs& outputs) {
  return context.store().read(outputs.at("text").digest);
}

}  // namespace

TEST_CASE("a built-in step's function gets what the key says, and nothing else") {
  TestContext context;
  Repeat parameters{.word = "ab", .times = 2, .digest = sha256("x"), .uuid = uuid5("y"), .forgotten = {"never"}};
  const Step step{.id = "repeat", .inputs = {}, .action = builtin<repeat>("test.repeat", parameters)};
  parameters.word = "changed later";
  const auto& action = std::get<BuiltinAction>(step.action);
  CHECK(action.function == "test.repeat");
  CHECK(action.parameters.find("\"word\":\"ab\"") != std::string::npos);
  const Outputs outputs = context.run(step, {{"text", context.store().put("x:")},
                                             {"file/b", context.store().put("2")},
                                             {"other", context.store().put("3")},
                                             {"file/a", context.store().put("1")}});
  CHECK(text_of(context, outputs) ==
        "x:abab" + sha256("x").hex().substr(0, 2) + uuid5("y").text().substr(0, 2) + " b=2 a=1");
}

TEST_CASE("a step without parameters, and one that needs something of the machine") {
  TestContext context;
  const Step plain{.id = "echo", .inputs = {}, .action = builtin<echo>("test.echo")};
  CHECK(std::get<BuiltinAction>(plain.action).parameters == "{}");
  CHECK(text_of(context, context.run(plain, {{"text", context.store().put("said")}})) == "said");
  const Step with{.id = "append",
                  .inputs = {},
                  .action = builtin_with<append>("test.append", {.word = "a", .times = 0}, Suffix{"b"})};
  CHECK(std::get<BuiltinAction>(with.action).parameters.find("\"b\"") == std::string::npos);
  CHECK(text_of(context, context.run(with, {})) == "ab");
}

TEST_CASE("a value of another kind fits into no port") {
  TestContext context;
  const Value blob = context.store().put("x");
  CHECK_THROWS_AS(tree_in.give(blob), Error);
  context.run({.id = "x", .inputs = {}, .action = builtin<echo>("test.echo")}, {{"text", blob}});
  CHECK_THROWS_AS(tree_in.in(context), Error);
  CHECK(text_in.in(context) == blob);
  CHECK_FALSE(TreeHandle());
  CHECK(text_out.of("step"));
  const OutputRef output = text_out.of("step");
  CHECK(output == OutputRef{"step", "text"});
}
