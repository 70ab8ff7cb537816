// Tests the steps of a component: their keys, the commands of the compilation, and the checks of binaries.
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
  ComponentSpec spec{.name = "etcd",
                     .version = "v3.7.2",
                     .tags = {"a", "b"},
                     .ldflags = {"-X main.version=v3.7.2", "-X main.patches=${patches}", "-X main.arch=${goarch}"},
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
  // This step runs code of the project, so it must not have access to the cache of other projects.
  CHECK(std::get<CommandAction>(graph.find("component/etcd/test")->action).caches.empty());
  const auto& checked = graph.find("component/etcd/check")->inputs;
  CHECK(std::any_of(checked.begin(), checked.end(), [](const Input& input) { return input.name == "tested"; }));
  CHECK_FALSE(f.graph(f.source("package main")).find("component/etcd/test"));
  f.spec.goarch = "arm", f.spec.goarm = "6";
  CHECK_FALSE(f.graph(source).find("component/etcd/test"));
}

TEST_CASE("patched copies stand in for modules, in the build and in the tests, and programs say which patches") {
  Fixture f;
  f.spec.ldflags = {"-X main.patches=${patches}"};
  f.spec.patches = {{"0001-a", BlobHandle(f.context.store().put("one"))},
                    {"0002-b", BlobHandle(f.context.store().put("two"))}};
  Tree tree = get_tree(f.context.store(), f.source("package main").digest);
  tree.add_file(f.context.store(), "startup/startup_test.go", "package startup\n", 0644, "");
  const StepGraph graph = f.graph(put_tree(f.context.store(), tree));
  for (const char* step : {"build", "test-build"}) {
    const std::string script = f.script(graph, std::string("component/etcd/") + step, std::string(step) + ".sh");
    const auto use = script.find("done </in/patched/modules"), go = script.find("\ngo ");
    REQUIRE(use != std::string::npos);
    CHECK(use < go);  // before Go runs over the sources
  }
  CHECK(contains(f.script(graph, "component/etcd/build", "build.sh"), "-X main.patches=0001-a,0002-b"));
  const Step* patched = graph.find("component/etcd/patched");
  REQUIRE(patched != nullptr);
  CHECK(value_named(*patched, "patch/0002-b") == sha256("two"));
  f.spec.patches.clear();
  const StepGraph plain = f.graph(f.source(""));
  CHECK(plain.find("component/etcd/patched") == nullptr);
  CHECK_FALSE(contains(f.script(plain, "component/etcd/build", "build.sh"), "patched"));
  CHECK(contains(f.script(plain, "component/etcd/build", "build.sh"), "-X main.patches=none"));
}

TEST_CASE("a patch applies exactly, or the step says whether upstream has it already") {
  Fixture f;
  f.spec.patches = {{"0001-a", BlobHandle(f.context.store().put(""))}};
  const TempDir folder(std::filesystem::temp_directory_path());
  const auto at = [&](const std::string& name) { return (folder.path() / name).string(); };
  const std::string script = replace_all(
      replace_all(f.script(f.graph(f.source("")), "component/etcd/patched", "patched.sh"), "/in/", at("in/")), "/out/",
      at("out/"));
  // A fake of Go without a module proxy: the module is a folder.
  write_file_atomically(folder.path() / "go", "#!/bin/sh\ncase $1 in list) echo " + at("module") + " ;; esac\n");
  std::filesystem::permissions(folder.path() / "go", std::filesystem::perms::owner_all);
  for (const char* name : {"in/source", "in/patches", "module/sub"})
    std::filesystem::create_directories(folder.path() / name);
  write_file_atomically(folder.path() / "in/source/go.mod", "module x\nrequire (\n\ta.org/x v1.0.0\n)\n");
  const auto run = [&](const std::string& source, const std::string& file) {
    write_file_atomically(folder.path() / "module/sub/z.go", source);
    write_file_atomically(folder.path() / "in/patches/0001-a", "Reason: why\n\n--- a/" + file + "\n+++ b/" + file +
                                                                   "\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n");
    for (const char* name : {"out", "build"}) std::filesystem::remove_all(folder.path() / name);
    for (const char* name : {"out", "build"}) std::filesystem::create_directories(folder.path() / name);
    return system_runner().run({.argv = {"/bin/sh", "-c", "exec 2>&1\n" + replace_all(script, "/build/", at("build/"))},
                                .environment = {{"PATH", folder.path().string() + ":/usr/bin:/bin"}},
                                .working_folder = folder.path() / "build",
                                .log = {},
                                .capture_stdout = true,
                                .input = {},
                                .input_fd = {}});
  };
  const auto good = run("one\ntwo\n", "a.org/x/sub/z.go");
  INFO(good.output);
  CHECK(good.exit_code == 0);
  CHECK(read_file(folder.path() / "out/patched/a.org/x/sub/z.go") == "one\nthree\n");
  CHECK(read_file(folder.path() / "out/patched/modules") == "a.org/x\n");
  CHECK(contains(run("one\nthree\n", "a.org/x/sub/z.go").output, "patch 0001-a is already in these sources"));
  const auto moved = run("zero\n2\n", "a.org/x/sub/z.go");
  CHECK(moved.exit_code != 0);
  CHECK(contains(moved.output, "Reason: why"));
  CHECK(contains(moved.output, "patch 0001-a does not apply to these sources"));
  CHECK(contains(run("one\ntwo\n", "b.org/x/z.go").output, "go.mod requires no module that contains b.org/x/z.go"));
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
                 "-X main.patches=none -X main.arch=amd64' '.'\n"));
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
  CHECK(contains(failure([&] { check("other", ""); }), "component etcd has no program etcd"));
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
    // A 32-bit header for ARM without sections, and build information at a place where Go's linker may put it.
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
  CHECK(contains(failure([&] { f.graph(f.source("")); }), "component etcd has programs in Go and in C"));
}
