// Tests command steps in the real sandbox, with a tools tree that contains this machine's shell; without a sandbox,
// tests bwrap's arguments.
#include <thread>

#include "process/sandbox.hpp"
#include "support/catch.hpp"
#include "support/step_context.hpp"
#include "tree/archive.hpp"
#include "tree/tree.hpp"
#include "util/file.hpp"
#include "util/text.hpp"
#include "workshop.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

bool sandbox_works() {
  try {
    check_sandbox(system_runner());
    return true;
  } catch (const Error& error) {
    WARN("no sandbox on this machine, so command steps are not run: " << error.describe());
    return false;
  }
}

// A few programs and the libraries that ldd lists.
Value shell_tree(Store& store) {
  Tree tree;
  const auto add = [&](const std::string& host) {
    std::string path = host.substr(1);
    if (!tree.find(path)) tree.add_file(store, path, read_file(host), 0755, "test");
  };
  for (const std::string program : {"/bin/sh", "/bin/cat", "/bin/mkdir", "/bin/ln", "/bin/sleep"}) {
    add(program);
    const auto result = system_runner().run(
        {.argv = {"ldd", program}, .environment = {{"PATH", "/usr/bin:/bin"}}, .capture_stdout = true});
    for (const auto& word : split_words(result.output))
      if (word.starts_with('/') && fs::exists(word)) add(word);
  }
  for (const auto& point : sandbox_mount_points()) {
    if (point.ends_with('/'))
      tree.add_directory(point.substr(0, point.size() - 1), 0755, "test");
    else
      tree.add_file(store, point, "", 0644, "test");
  }
  tree.add_missing_parents("test");
  return put_tree(store, tree);
}

struct DiskShop {
  TempDir temp{fs::temp_directory_path(), "graph"};
  DiskStore store{temp.path() / "store"};
  Recorder reporter;
  RunOptions options{.defconfig = "pc", .jobs = 2};
  Value tools;

  std::map<OutputRef, Value> run(const StepGraph& graph, CommandRunner& runner = system_runner(),
                                 std::stop_token stop = {}) {
    reporter.clear();
    return run_plan(graph, make_plan(graph, store, options.defconfig), store, runner, reporter, options, stop).values;
  }
  std::string log_of(const std::string& step) { return read_file(store.folder("logs") / "pc" / (step + ".log")); }

  Step shell_step(const std::string& id, const std::string& script, std::vector<Input> inputs = {},
                  std::vector<Mount> mounts = {}) {
    inputs.insert(inputs.begin(), {"tools", tools});
    CommandAction action{.tools = "tools",
                         .argv = {"/bin/sh", "-c", script},
                         .environment = {{"GREETING", "hello"}},
                         .mounts = std::move(mounts),
                         .captures = {{"out", "/out/result"}}};
    return {.id = id, .inputs = std::move(inputs), .action = std::move(action)};
  }
};

std::string describe_error(const std::function<void()>& body, ErrorKind kind) {
  try {
    body();
  } catch (const Error& error) {
    CHECK(error.kind() == kind);
    return error.describe();
  }
  FAIL("no error");
  return {};
}

// Records the command, and writes the files of a command to /out on the host.
class PretendRunner : public CommandRunner {
 public:
  explicit PretendRunner(std::function<void(const fs::path& out)> act, int exit_code = 0)
      : act_(std::move(act)), exit_code_(exit_code) {}
  CommandResult run(const Command& command, std::stop_token) override {
    asked = command;
    for (std::size_t i = 0; i + 2 < command.argv.size(); ++i)
      if (command.argv[i] == "--bind" && command.argv[i + 2] == "/out") act_(command.argv[i + 1]);
    return {.exit_code = exit_code_};
  }
  Command asked;

 private:
  std::function<void(const fs::path&)> act_;
  int exit_code_;
};

}  // namespace

TEST_CASE("a command reads its inputs, writes its outputs, keeps its caches") {
  if (!sandbox_works()) return;
  DiskShop shop;
  shop.tools = shell_tree(shop.store);
  Tree source;
  source.add_file(shop.store, "deep/file", "from the tree", 0644, "test");
  source.add_missing_parents("test");
  Step step =
      shop.shell_step("make/it",
                      "set -e; cat /in/blob /in/source/deep/file > /out/result; echo $GREETING $JOBS >> /out/result; "
                      "mkdir -p /out/tree/sub; echo x > /out/tree/sub/x; ln -s sub/x /out/tree/link; "
                      "echo run >> /cache/test/count; cat /cache/test/count > /out/tree/count; echo scratch > "
                      "/build/s; echo to the log",
                      {{"blob", shop.store.put("from the blob, ")}, {"source", put_tree(shop.store, source)}},
                      {{"blob", "/in/blob"}, {"source", "/in/source"}});
  auto& action = std::get<CommandAction>(step.action);
  action.caches = {{"test", "/cache/test"}};
  action.captures.push_back({"tree", "/out/tree", ValueKind::Tree});
  StepGraph graph = graph_of({step}, {"make/it"});
  graph.add_target({"make/it", "tree"});
  auto values = shop.run(graph);
  CHECK(shop.store.read(values.at({"make/it", "out"}).digest) == "from the blob, from the treehello 2\n");
  const Value tree_value = values.at({"make/it", "tree"});
  CHECK(tree_value.kind == ValueKind::Tree);
  const Tree tree = get_tree(shop.store, tree_value.digest);
  REQUIRE(tree.find("sub/x"));
  CHECK(shop.store.read(tree.find("sub/x")->content) == "x\n");
  CHECK(tree.find("link")->target == "sub/x");
  CHECK(shop.store.read(tree.find("count")->content) == "run\n");
  const std::string log = shop.log_of("make__it");
  CHECK(log.starts_with("step: make/it\nreason: never built here\nkey: "));
  CHECK(contains(log, "environment: GREETING=hello\n"));
  CHECK(contains(log, "input: blob blob " + sha256("from the blob, ").hex()));
  CHECK(log.ends_with("to the log\n"));
  CHECK(fs::exists(shop.store.folder("cache/test") / "count"));
  std::size_t left = 0;
  for (const auto& entry : fs::directory_iterator(shop.store.folder("scratch")))
    left += entry.path().filename() != "held";
  CHECK(left == 0);

  // Another environment: another key, the same cache, a new log.
  std::get<CommandAction>(step.action).environment["GREETING"] = "again";
  graph = graph_of({step}, {"make/it"});
  graph.add_target({"make/it", "tree"});
  values = shop.run(graph);
  CHECK(shop.store.read(values.at({"make/it", "out"}).digest) == "from the blob, from the treeagain 2\n");
  CHECK(shop.store.read(get_tree(shop.store, values.at({"make/it", "tree"}).digest).find("count")->content) ==
        "run\nrun\n");
  CHECK(shop.log_of("make__it").starts_with("step: make/it\nreason: recipe changed\n"));
  CHECK_FALSE(contains(shop.log_of("make__it"), "GREETING=hello"));
}

TEST_CASE("a command cannot write to its tools or inputs, nor see the host") {
  if (!sandbox_works()) return;
  DiskShop shop;
  shop.tools = shell_tree(shop.store);
  Tree source;
  source.add_file(shop.store, "file", "untouched", 0644, "test");
  const auto values = shop.run(graph_of(
      {shop.shell_step("nosy",
                       "for f in /in/source/file /in/source/new /in/blob /bin/sh /usr/new; do (echo bad > $f) "
                       "2>/dev/null && echo wrote $f; done > /out/result; "
                       "test -e " +
                           shop.temp.path().string() + " && echo saw the host >> /out/result; echo end >> /out/result",
                       {{"blob", shop.store.put("blob")}, {"source", put_tree(shop.store, source)}},
                       {{"blob", "/in/blob"}, {"source", "/in/source"}})},
      {"nosy"}));
  CHECK(shop.store.read(values.at({"nosy", "out"}).digest) == "end\n");
  CHECK(shop.store.read(sha256("untouched")) == "untouched");
}

TEST_CASE("a failing command shows its step, argv, last lines and log") {
  if (!sandbox_works()) return;
  DiskShop shop;
  shop.tools = shell_tree(shop.store);
  const std::string text = describe_error(
      [&] { shop.run(graph_of({shop.shell_step("kernel/build", "echo the last words; exit 7")}, {"kernel/build"})); },
      ErrorKind::Step);
  CHECK(contains(text, "kernel/build"));
  CHECK(contains(text, "exit code 7"));
  CHECK(contains(text, "'echo the last words; exit 7'"));
  CHECK(contains(text, "the last words\n"));
  CHECK(contains(text, "pc/kernel__build.log"));
  CHECK_FALSE(shop.store.last_record("pc", "kernel/build"));
}

TEST_CASE("a stop request kills a command at once") {
  if (!sandbox_works()) return;
  DiskShop shop;
  shop.tools = shell_tree(shop.store);
  std::stop_source user;
  std::jthread presser([&] {
    while (shop.reporter.steps(Event::Kind::StepStarted).empty())
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    user.request_stop();
  });
  const auto start = std::chrono::steady_clock::now();
  describe_error(
      [&] { shop.run(graph_of({shop.shell_step("sleep", "sleep 60")}, {"sleep"}), system_runner(), user.get_token()); },
      ErrorKind::Interrupted);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
}

TEST_CASE("what a command left out or put wrongly is named") {
  DiskShop shop;
  Tree root;
  root.add_directory("usr", 0755, "test");
  shop.tools = put_tree(shop.store, root);
  const auto failure = [&](const std::function<void(const fs::path&)>& act,
                           const std::function<void(CommandAction&)>& change = {}) {
    PretendRunner runner(act);
    Step step = shop.shell_step("make", "true");
    if (change) change(std::get<CommandAction>(step.action));
    return describe_error([&] { shop.run(graph_of({step}, {"make"}), runner); },
                          change ? ErrorKind::Internal : ErrorKind::Step);
  };
  CHECK(contains(failure([](const fs::path&) {}),
                 "step \"make\" was to give \"out\" as /out/result, but it is not there"));
  CHECK(contains(failure([](const fs::path& out) { fs::create_directory(out / "result"); }),
                 "result is not a regular file"));
  // A link to the host's files is not followed.
  CHECK(contains(failure([](const fs::path& out) { fs::create_symlink("/etc/passwd", out / "result"); }),
                 "result is not a regular file"));
  CHECK(contains(
      failure([](const fs::path&) {}, [](CommandAction& action) { action.captures[0].path = "/out/../build/x"; }),
      "not below /out"));
  CHECK(contains(failure([](const fs::path&) {}, [](CommandAction& action) { action.tools = "hammer"; }),
                 "has no input \"hammer\""));
}

TEST_CASE("what is asked of the sandbox") {
  DiskShop shop;
  Tree root;
  root.add_directory("usr", 0755, "test");
  shop.tools = put_tree(shop.store, root);
  PretendRunner runner([](const fs::path& out) { write_file_atomically(out / "result", "made"); });
  const Value blob = shop.store.put("blob");
  Step step = shop.shell_step("make", "true", {{"blob", blob}}, {{"blob", "/in/blob"}});
  std::get<CommandAction>(step.action).caches = {{"go-build", "/cache/go-build"}};
  shop.run(graph_of({step}, {"make"}), runner);
  const std::string argv = quote_argv(runner.asked.argv);
  CHECK(contains(argv, "--ro-bind " + (shop.store.folder("checkouts") / shop.tools.digest.hex()).string() + " / "));
  CHECK(contains(argv, "--ro-bind " + shop.store.path(blob.digest).string() + " /in/blob"));
  CHECK(contains(argv, "--bind " + shop.store.folder("cache/go-build").string() + " /cache/go-build"));
  CHECK(contains(argv, "/build --"));
  CHECK(runner.asked.environment.at("JOBS") == "2");
  CHECK_FALSE(contains(argv, "--share-net"));
  CHECK(runner.asked.log == shop.store.folder("logs") / "pc" / "make.log");
  CHECK(shop.store.last_record("pc", "make")->inputs.size() == 2);
}

TEST_CASE("built-in steps on a disk have scratch and a log") {
  DiskShop shop;
  fs::path scratch;
  Step step{.id = "own",
            .action = BuiltinAction{.function = "test.own", .run = [&](StepContext& context) {
                                      scratch = context.scratch();
                                      CHECK(context.scratch() == scratch);
                                      write_file_atomically(scratch / "result", "made");
                                      context.log("line 1");
                                      context.log("line 2");
                                      CHECK(context.log_file() == shop.store.folder("logs") / "pc" / "own.log");
                                      return std::map<std::string, Value>{
                                          {"out", context.store().put_file(scratch / "result", true)}};
                                    }}};
  const auto values = shop.run(graph_of({step}, {"own"}));
  CHECK(shop.store.read(values.at({"own", "out"}).digest) == "made");
  CHECK_FALSE(fs::exists(scratch));
  CHECK(scratch.string().starts_with(shop.store.folder("scratch").string()));
  CHECK(contains(shop.log_of("own"), "built-in: test.own"));
  CHECK(shop.log_of("own").ends_with("\nline 1\nline 2\n"));
}

TEST_CASE("a plan and run of seven hundred cached steps is quick") {
  DiskShop shop;
  std::vector<Step> steps;
  std::vector<Input> inputs;
  for (int i = 0; i < 350; ++i) {
    const std::string n = std::to_string(i);
    steps.push_back(fetch_step("fetch/" + n, "deb " + n));
    steps.push_back(join_step("unpack/" + n, {from("fetch/" + n)}, "unpack"));
    inputs.push_back(from("unpack/" + n));
  }
  steps.push_back(join_step("merge", inputs, "merge"));
  const StepGraph graph = graph_of(std::move(steps), {"merge"});
  shop.run(graph);
  DiskStore fresh(shop.store.root());
  const Plan plan = make_plan(graph, fresh, "pc");
  run_plan(graph, plan, fresh, system_runner(), shop.reporter, shop.options);
  CHECK(plan.count(PlannedStep::State::Run) == 0);
}
