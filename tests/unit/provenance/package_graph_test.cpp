// Tests the graph of installed packages: ways to what asked for them, and what leaves with a package.
#include "provenance/package_graph.hpp"

#include "support/catch.hpp"
#include "util/error.hpp"

using namespace k8simg;

namespace {

using Names = std::set<std::string>;

/// Packages by their control fields: "name: fields".
struct Installation {
  Config config;
  Lock lock;
  std::map<std::string, std::string> controls;

  void package(const std::string& name, const std::string& fields, const std::string& version = "1") {
    lock.target.push_back({.name = name, .version = version, .architecture = "amd64", .repository = "debian"});
    controls[name] = "Package: " + name + "\nVersion: " + version + "\n" + fields;
  }
  void asks(const std::string& choice, const std::string& file, int line) {
    config.packages.push_back(choice);
    for (auto& setting : config.settings)
      if (setting.key == "packages.install") return setting.items.push_back({choice, {file, line, 1}});
    config.settings.push_back({"packages.install", "", {{file, line, 1}}, {{choice, {file, line, 1}}}});
  }
  PackageGraph graph() const { return {config, lock, controls}; }
};

std::vector<std::string> texts(const std::vector<Evidence>& lines) {
  std::vector<std::string> texts;
  for (const auto& line : lines) texts.push_back(line.where.empty() ? line.text : line.text + " @ " + line.where);
  return texts;
}

}  // namespace

TEST_CASE("a chain is the shortest way to the line of a file that asked for a package") {
  Installation machine;
  machine.package("dash", "Essential: yes\nDepends: libc6\n");
  machine.package("htop", "Depends: libnl (>= 3), libc6\n", "3.4-5");
  machine.package("libc6", "");
  machine.package("libnl", "Pre-Depends: libc6 (>= 1)\n", "3.7");
  machine.package("orphan", "");
  machine.asks("htop=3.4-5", "defconfigs/mine.toml", 7);
  const PackageGraph graph = machine.graph();
  CHECK(texts(graph.chain("libnl")) ==
        std::vector<std::string>{"htop 3.4-5 needs it (Depends: libnl (>= 3))",
                                 "packages.install has \"htop=3.4-5\" @ defconfigs/mine.toml:7"});
  CHECK(texts(graph.chain("libc6")).back() == "every installation has it (Essential: yes)");
  CHECK(texts(graph.chain("htop")).size() == 1);
  CHECK(texts(graph.chain("orphan")) ==
        std::vector<std::string>{"nothing needs it any more: `k8simg lock` removes it"});
  CHECK(graph.needing("libc6") == std::vector<std::string>{"dash", "htop", "libnl"});
}

TEST_CASE("a dependency is met by alternatives, virtual packages and what stands for a package") {
  Installation machine;
  machine.package("docker.io", "Depends: containerd (>= 1.6), mta | mail-agent, adduser, editor (>= 2)\n");
  machine.package("nullmailer", "Provides: mail-agent\n");
  machine.package("vim", "Provides: editor (= 3)\n");
  machine.package("nano", "Provides: editor\n");  // without a version it does not satisfy (>= 2)
  machine.asks("docker.io", "defconfigs/mine.toml", 3);
  ComponentConfig containerd;
  containerd.name = "containerd", containerd.provides = {"containerd"};
  machine.config.components = {containerd};
  machine.config.exclude_packages = {"adduser"};
  const PackageGraph graph = machine.graph();
  const auto& needs = graph.find("docker.io")->needs;
  REQUIRE(needs.size() == 4);
  CHECK(needs[0].stand_in == "component containerd");
  CHECK(needs[1].by == std::vector<std::string>{"nullmailer"});
  CHECK(needs[2].stand_in == "packages.exclude");
  CHECK(needs[3].by == std::vector<std::string>{"vim"});
}

TEST_CASE("what leaves with a package: those that need it, and those that only they needed") {
  Installation machine;
  machine.package("app", "Depends: plugin-a | plugin-b, base\n");
  machine.package("base", "");
  machine.package("data", "");
  machine.package("needs-tool", "Depends: tool\n");
  machine.package("plugin-a", "");
  machine.package("plugin-b", "");
  machine.package("tool", "Depends: data, base\n");
  machine.asks("app", "d.toml", 1);
  machine.asks("needs-tool", "d.toml", 2);
  const PackageGraph graph = machine.graph();
  CHECK(graph.broken_without("tool") == Names{"needs-tool"});
  CHECK(graph.unneeded_without("tool") == Names{"data"});
  CHECK(graph.broken_without("plugin-a").empty());  // plugin-b still satisfies app
  CHECK(graph.broken_without("base") == Names{"app", "needs-tool", "tool"});
}

TEST_CASE("an essential package is no request if the configuration does without them") {
  Installation machine;
  machine.package("dash", "Essential: yes\n");
  machine.config.essential_packages = false;
  CHECK(machine.graph().find("dash")->asked_for.empty());
}

TEST_CASE("a control file with a mistake names the package and the field") {
  Installation machine;
  machine.package("broken", "Depends: a (>> \n");
  try {
    machine.graph();
    FAIL("it was accepted");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("broken") != std::string::npos);
    CHECK(std::string(error.what()).find("Depends") != std::string::npos);
  }
}
