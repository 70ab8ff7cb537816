// Tests the steps for keymap and locale: which there are, what they run, and the layers that they give.
#include "pipeline/localisation.hpp"

#include "process/command.hpp"
#include "project.hpp"
#include "support/catch.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

constexpr std::int64_t localised_epoch = 1763195591;

/// Plays ckbcomp, which prints, and localedef, which writes below its prefix.
class FakeCompilers : public CommandRunner {
 public:
  CommandResult run(const Command& command, std::stop_token) override {
    argv = command.argv;
    if (command.capture_stdout) return {.exit_code = 0, .output = "keymaps 0-127\n"};
    for (std::size_t i = 0; i + 2 < argv.size(); ++i)
      if (argv[i] == "--bind" && argv[i + 2] == "/out") {
        const fs::path folder = fs::path(argv[i + 1]) / "usr/lib/locale/de_DE.utf8";
        fs::create_directories(folder);
        write_file_atomically(folder / "LC_TIME", "Montag");
      }
    return {};
  }
  std::vector<std::string> argv;
};

class CompilersContext : public TestContext {
 public:
  CommandRunner& runner() override { return compilers; }
  FakeCompilers compilers;

  Tree made(const StepGraph& graph, const std::string& id) {
    Tree tools;
    tools.add_file(store(), "usr/share/X11/xkb/rules/base.lst",
                   "! layout\n  us  English\n  de  German\n! variant\n  neo  de: German (Neo 2)\n", 0644, "test");
    tools.add_file(store(), "usr/share/i18n/SUPPORTED", "de_DE.UTF-8 UTF-8\n", 0644, "test");
    tools.add_missing_parents("test");
    return get_tree(store(), run(*graph.find(id), {{"tools", put_tree(store(), tools)}}).at("tree").digest);
  }
  bool ran(const std::vector<std::string>& words) const {
    return std::search(compilers.argv.begin(), compilers.argv.end(), words.begin(), words.end()) !=
           compilers.argv.end();
  }
};

struct Localised {
  Project project;
  StepGraph graph;
  NamedTrees layers;
  std::vector<std::string> asked;

  Localised(const std::string& keymap, const std::string& locale) {
    project.config.rootfs.keymap = keymap, project.config.rootfs.locale = locale;
    add_sources(graph, {"tools/keymap", "tools/locales"});
    layers = add_localisation_steps(
        graph, project.config,
        [&](const std::string& set) { return asked.push_back(set), TreePort{"tree"}.of("tools/" + set); },
        localised_epoch);
  }
};

}  // namespace

TEST_CASE("only what is configured has a step, and C.UTF-8 needs none") {
  CHECK(Localised("", "").graph.steps().size() == 2);
  CHECK(Localised("", "C.UTF-8").asked.empty());
  const Localised both("de", "de_DE.UTF-8");
  CHECK(both.asked == std::vector<std::string>{"keymap", "locales"});
  REQUIRE(both.layers.size() == 2);
  CHECK((both.layers[0].first == "rule:keymap" && both.layers[1].first == "rule:locale"));
}

TEST_CASE("ckbcomp makes the keymap of the layouts") {
  CompilersContext context;
  Tree tree = context.made(Localised("de(neo)", "").graph, "rootfs/keymap");
  CHECK(context.ran({"-layout", "de", "-variant", "neo"}));
  CHECK_FALSE(context.ran({"-option"}));
  const Node* file = tree.find("usr/share/keymaps/console.kmap");
  REQUIRE(file);
  CHECK(context.store().read(file->content) == "keymaps 0-127\n");
  CHECK((file->mtime == localised_epoch && file->origin == Origin::rule("keymap")));
  CHECK(tree.find("usr/share/keymaps")->mtime == localised_epoch);
  context.made(Localised("us,de", "").graph, "rootfs/keymap");
  CHECK(context.ran({"-layout", "us,de", "-variant", ",", "-option", "grp:alt_shift_toggle"}));
  CHECK(contains(failure([&] { context.made(Localised("fr", "").graph, "rootfs/keymap"); }),
                 "there is no keyboard layout \"fr\""));
}

TEST_CASE("localedef makes the locale for little-endian machines") {
  CompilersContext context;
  const Tree tree = context.made(Localised("", "de_DE.UTF-8").graph, "rootfs/locale");
  CHECK(context.ran({"--little-endian", "--prefix=/out", "-i", "de_DE", "-f", "UTF-8", "de_DE.UTF-8"}));
  const Node* file = tree.find("usr/lib/locale/de_DE.utf8/LC_TIME");
  REQUIRE(file);
  CHECK((file->mtime == localised_epoch && file->uid == 0 && file->mode == 0644));
  CHECK(file->origin == Origin::rule("locale"));
  CHECK(contains(failure([&] { context.made(Localised("", "de_DF.UTF-8").graph, "rootfs/locale"); }),
                 "did you mean \"de_DE.UTF-8\"?"));
}

TEST_CASE("the root filesystem has the layers, below those of overlays") {
  Project p;
  p.config.rootfs.keymap = "de", p.config.rootfs.locale = "de_DE.UTF-8";
  for (ToolSet& set : p.config.tools)
    if (set.name == "keymap" || set.name == "locales") set.packages = {"bash"};
  p.lock_tools();
  const Pipeline pipeline = make_pipeline(p.inputs());
  REQUIRE(pipeline.localisation.size() == 2);
  const auto names = input_names(*pipeline.graph.find("rootfs/tree"));
  const auto at = [&](const std::string& name) { return std::find(names.begin(), names.end(), name) - names.begin(); };
  CHECK(at("layer/rule:keymap") < at("layer/rule:locale"));
  CHECK(at("layer/rule:locale") < at("layer/overlay:base"));
  CHECK(at("layer/overlay:base") < static_cast<std::ptrdiff_t>(names.size()));
}
