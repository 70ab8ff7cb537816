// The steps of a component: what decides their keys, what the compile is told, and which binaries are refused before
// anything runs.
#include "component/steps.hpp"

#include <algorithm>

#include "process/command.hpp"
#include "support/catch.hpp"
#include "support/step_context.hpp"
#include "tree/tree.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

struct Fixture {
  TestContext context;
  ComponentSpec spec{
      .name = "etcd",
      .version = "v3.7.2",
      .tags = {"a", "b"},
      .ldflags = {"-X main.version=${version}", "-X main.minor=${major}.${minor}", "-X main.arch=${goarch}"},
      .binaries = {{.name = "etcd",
                    .package = "go.etcd.io/etcd/server/v3",
                    .install = "/usr/bin/etcd",
                    .links = {},
                    .checks = {}}},
      .goarch = "amd64",
      .goarm = "",
      .source_date_epoch = 1763195591};

  Value source(const std::string& main) {
    Tree tree;
    tree.add_file(context.store(), "go.mod", "module x\n", 0644, "");
    tree.add_file(context.store(), "go.sum", "", 0644, "");
    tree.add_file(context.store(), "main.go", main, 0644, "");
    return put_tree(context.store(), tree);
  }
  StepGraph graph(const Value& from) {
    StepGraph steps;
    for (const char* id : {"tools/go", "tools/programs"}) steps.add({.id = id, .action = BuiltinAction{}});
    add_component_steps(
        steps, context.store(), spec, from,
        {.compiler = TreePort{"tree"}.of("tools/go"), .programs = TreePort{"tree"}.of("tools/programs")});
    return steps;
  }
  std::string script(const StepGraph& steps, const std::string& step, const std::string& name) {
    for (const auto& input : steps.find(step)->inputs) {
      if (input.name == name) return context.store().read(std::get<Value>(input.source).digest);
    }
    return "";
  }
};

Digest value_named(const Step& step, const std::string& name) {
  for (const auto& input : step.inputs) {
    if (input.name == name) return std::get<Value>(input.source).digest;
  }
  return {};
}

}  // namespace

TEST_CASE("only go.mod and go.sum decide what is fetched; only the fetch has a network") {
  Fixture f;
  const StepGraph one = f.graph(f.source("package main")), two = f.graph(f.source("package main // changed"));
  CHECK(value_named(*one.find("component/etcd/modules"), "source") ==
        value_named(*two.find("component/etcd/modules"), "source"));
  CHECK(value_named(*one.find("component/etcd/build"), "source") !=
        value_named(*two.find("component/etcd/build"), "source"));
  CHECK(std::get<CommandAction>(one.find("component/etcd/modules")->action).network);
  const auto& build = std::get<CommandAction>(one.find("component/etcd/build")->action);
  CHECK_FALSE(build.network);
  CHECK(build.environment.at("CGO_ENABLED") == "0");
  CHECK(build.environment.at("GOARCH") == "amd64");
  CHECK_FALSE(build.environment.contains("GOARM"));
  CHECK(contains(build.environment.at("GOPROXY"), "file://"));
}

TEST_CASE("packages that have tests are tested where their programs run, and the check waits for them") {
  Fixture f;
  Tree tree = get_tree(f.context.store(), f.source("package main").digest);
  tree.add_file(f.context.store(), "startup/startup_test.go", "package startup\n", 0644, "");
  tree.add_file(f.context.store(), "startup/more_test.go", "package startup\n", 0644, "");
  const Value source = put_tree(f.context.store(), tree);
  const StepGraph graph = f.graph(source);
  REQUIRE(graph.find("component/etcd/test"));
  CHECK_FALSE(std::get<CommandAction>(graph.find("component/etcd/test")->action).network);
  CHECK(contains(f.script(graph, "component/etcd/test-build", "test-build.sh"),
                 "go test -c -o '/out/tests/startup.test' -tags 'a,b' -trimpath -ldflags=-buildid= './startup'\n"));
  CHECK(contains(f.script(graph, "component/etcd/test", "test.sh"),
                 "(cd '/build/./startup' && '/in/tests/startup.test')\n"));
  // Code of a project runs there, and must not reach what other projects' programs are compiled with.
  CHECK(std::get<CommandAction>(graph.find("component/etcd/test")->action).caches.empty());
  const auto& checked = graph.find("component/etcd/check")->inputs;
  CHECK(std::any_of(checked.begin(), checked.end(), [](const Input& input) { return input.name == "tested"; }));
  CHECK_FALSE(f.graph(f.source("package main")).find("component/etcd/test"));
  f.spec.goarch = "arm", f.spec.goarm = "6";
  CHECK_FALSE(f.graph(source).find("component/etcd/test"));
}

TEST_CASE("changed copies stand in for modules, in the build and in the tests") {
  Fixture f;
  f.spec.edits = {{"a.org/x", "y/z.go", "it's", "a\nb", 2}, {"b.org", "w.go", "p", ""}, {"a.org/x", "v.go", "q", "r"}};
  Tree tree = get_tree(f.context.store(), f.source("package main").digest);
  tree.add_file(f.context.store(), "startup/startup_test.go", "package startup\n", 0644, "");
  const StepGraph graph = f.graph(put_tree(f.context.store(), tree));
  for (const char* step : {"build", "test-build"}) {
    const std::string script = f.script(graph, std::string("component/etcd/") + step, std::string(step) + ".sh");
    CHECK(contains(script,
                   "use 'a.org/x'\nedit 'a.org/x' 'y/z.go' 2 'it'\\''s' 'a\nb'\nuse 'b.org'\nedit 'b.org' 'w.go' 1 'p' "
                   "''\nedit 'a.org/x' 'v.go' 1 'q' 'r'\n"));
    // Before Go is run over the sources, whatever for.
    const auto go = script.find("\ngo ");
    REQUIRE(go != std::string::npos);
    CHECK(script.rfind("\nedit 'a.org/x'") < go);
  }
  f.spec.edits.clear();
  CHECK_FALSE(contains(f.script(f.graph(f.source("")), "component/etcd/build", "build.sh"), "edit"));
}

TEST_CASE("an edit takes text as it is, and fails where it is not found as often as was said") {
  Fixture f;
  const TempDir folder(std::filesystem::temp_directory_path());
  std::filesystem::create_directories(folder.path() / ".edited/a.org/x");
  write_file_atomically(folder.path() / ".edited/a.org/x/z.go", "a.b(c) a.b(c)\n$1 \\E axb(c)\n");
  const auto run = [&](const std::string& from, const std::string& to, int times) {
    f.spec.edits = {{"a.org/x", "z.go", from, to, times}};
    const std::string script = f.script(f.graph(f.source("")), "component/etcd/build", "build.sh");
    // The function and its call, without Go's part.
    const auto function = script.find("edit() {"), call = script.find("\nedit ") + 1;
    const std::string alone = "set -eu\n" + script.substr(function, script.find("\n}\n", function) + 3 - function) +
                              script.substr(call, script.find("mkdir -p /out") - call);
    return system_runner().run({.argv = {"/bin/sh", "-c", "exec 2>&1\n" + alone},
                                .environment = {{"PATH", "/usr/bin:/bin"}},
                                .working_folder = folder.path(),
                                .log = {},
                                .capture_stdout = true,
                                .input = {},
                                .input_fd = {}});
  };
  CHECK(run("a.b(c)", "$& \\n\n@x", 2).exit_code == 0);
  CHECK(read_file(folder.path() / ".edited/a.org/x/z.go") == "$& \\n\n@x $& \\n\n@x\n$1 \\E axb(c)\n");
  CHECK(run("$1 \\E", "", 1).exit_code == 0);
  const auto wrong = run("axb", "y", 2);
  CHECK(wrong.exit_code != 0);
  CHECK(contains(wrong.output, "a.org/x/z.go holds 1 times what an edit of component.toml changes 2 times: axb"));
}

TEST_CASE("a 32-bit ARM build says which ARM") {
  Fixture f;
  f.spec.goarch = "arm", f.spec.goarm = "6";
  const StepGraph graph = f.graph(f.source(""));
  CHECK(std::get<CommandAction>(graph.find("component/etcd/build")->action).environment.at("GOARM") == "6");
}

TEST_CASE("tags, stamps and odd names reach go as single words") {
  Fixture f;
  f.spec.binaries[0].name = "it's $HOME";
  f.spec.binaries[0].package = ".";
  const std::string script = f.script(f.graph(f.source("")), "component/etcd/build", "build.sh");
  INFO(script);
  CHECK(contains(script,
                 "go build -o '/out/bin/it'\\''s $HOME' -tags 'a,b' -ldflags '-s -w -buildid= -X main.version=v3.7.2 "
                 "-X main.minor=3.7 -X main.arch=amd64' '.'\n"));
  f.spec.ldflags = {"-X a=${versoin}"};
  const std::string text = failure([&] { f.graph(f.source("")); });
  CHECK(contains(text, "versoin"));
  CHECK(contains(text, "build.ldflags of component etcd"));
}

TEST_CASE("a component without go.sum is named") {
  Fixture f;
  Tree tree;
  tree.add_file(f.context.store(), "go.mod", "module x\n", 0644, "");
  const Value source = put_tree(f.context.store(), tree);
  CHECK(contains(failure([&] { f.graph(source); }), "component etcd has no go.sum"));
}

TEST_CASE(
    "a binary that is missing, dynamic or of another machine is refused; a good one is installed with its links") {
  Fixture f;
  f.spec.binaries[0].links = {"/usr/bin/etcd-beside", "/opt/bin/etcd"};
  const StepGraph graph = f.graph(f.source(""));
  const auto check = [&](const std::string& name, const std::string& bytes) {
    Tree tools, bin;
    tools.add_directory("tmp", 0755, "");
    bin.add_file(f.context.store(), name, bytes, 0644, "");
    return f.context.run(*graph.find("component/etcd/check"),
                         {{"tools", put_tree(f.context.store(), tools)}, {"bin", put_tree(f.context.store(), bin)}});
  };
  CHECK(contains(failure([&] { check("other", ""); }), "component etcd did not give etcd"));
  CHECK(contains(failure([&] { check("etcd", "#!/bin/sh\n"); }), "not an ELF file"));
  CHECK(contains(failure([&] { check("etcd", read_file("/bin/true")); }), "etcd: is dynamically linked"));

  // The smallest static program: a 64-bit header for x86-64 with nothing else.
  std::string small = std::string(
                          "\x7f"
                          "ELF\2\1\1",
                          7) +
                      std::string(57, '\0');
  small[16] = 2, small[18] = 62, small[20] = 1, small[52] = 64, small[54] = 56, small[58] = 64;
  std::string arm = small;
  arm[18] = static_cast<char>(183);
  CHECK(contains(failure([&] { check("etcd", arm); }), "is 64-bit AArch64, wanted 64-bit x86-64"));
  const Tree files = get_tree(f.context.store(), check("etcd", small).at("files").digest);
  REQUIRE(files.find("usr/bin/etcd"));
  CHECK(files.find("usr/bin/etcd")->mode == 0755);
  CHECK(files.find("usr/bin/etcd")->origin == "component:etcd");
  CHECK(files.find("usr/bin/etcd")->mtime == 1763195591);
  CHECK(files.find("usr/bin/etcd-beside")->target == "etcd");
  CHECK(files.find("opt/bin/etcd")->target == "/usr/bin/etcd");
  CHECK(files.find("opt/bin")->type == NodeType::Directory);
  CHECK(f.context.programs.asked.empty());
}

TEST_CASE("a program for a newer processor than the board's is refused") {
  Fixture f;
  f.spec.goarch = "arm", f.spec.goarm = "6";
  const StepGraph graph = f.graph(f.source(""));
  const auto check = [&](const std::string& goarm) {
    // A 32-bit header for ARM without sections, and the build information where Go's linker may put it.
    std::string bytes = std::string(
                            "\x7f"
                            "ELF\1\1\1",
                            7) +
                        std::string(57, '\0');
    bytes[16] = 2, bytes[18] = 40, bytes[20] = 1, bytes[40] = 52, bytes[42] = 32, bytes[46] = 40;
    const std::string version = "go1.26", settings = "build\tGOARM=" + goarm + "\n";
    bytes += std::string("\xff Go buildinf:\x04\x02", 16) + std::string(16, '\0') + static_cast<char>(version.size()) +
             version + static_cast<char>(settings.size()) + settings;
    Tree bin;
    bin.add_file(f.context.store(), "etcd", bytes, 0644, "");
    f.context.run(*graph.find("component/etcd/check"),
                  {{"tools", put_tree(f.context.store(), Tree())}, {"bin", put_tree(f.context.store(), bin)}});
  };
  check("6");
  CHECK(contains(failure([&] { check("7"); }), "component etcd: etcd: is a Go program for GOARM=7"));
}

TEST_CASE("a component is compiled with the compiler's tools and tried with those that run programs") {
  Fixture f;
  const StepGraph graph = f.graph(f.source(""));
  const auto tools = [&](const std::string& step) {
    for (const auto& input : graph.find("component/etcd/" + step)->inputs)
      if (input.name == "tools") return std::get<OutputRef>(input.source).step;
    return std::string();
  };
  CHECK(tools("modules") == "tools/go");
  CHECK(tools("build") == "tools/go");
  CHECK(tools("check") == "tools/programs");

  f.spec.binaries.push_back(
      {.name = "helper", .package = "helper.c", .install = {}, .links = {}, .tags = {}, .checks = {}});
  CHECK(contains(failure([&] { f.graph(f.source("")); }), "component etcd has programs of Go and of C"));
}
