// Tests explanations of paths, packages, kernel symbols and container images.
#include "provenance/why.hpp"

#include <fmt/format.h>

#include "support/catch.hpp"
#include "util/error.hpp"

using namespace k8simg;

namespace {

using Strings = std::vector<std::string>;

Node file(const Origin& origin, std::uint64_t size = 0) {
  return {.type = NodeType::File, .size = size, .origin = origin};
}
Node link(const Origin& origin, const std::string& target) {
  return {.type = NodeType::Symlink, .target = target, .origin = origin};
}

/// A small machine: packages vim and libc6, a component, an overlay, a kernel with one module.
struct Build {
  Config config;
  Lock lock;
  Tree root, boot;
  KernelSymbols kernel;
  std::map<std::string, Tree> shipped;
  std::optional<PackageGraph> graph;

  Build() {
    config.name = "mine", config.board = "pc", config.kernel.package = "linux-source-6.12";
    config.packages = {"vim"};
    config.overlays = {"base"};
    config.rootfs.exclude = {"/usr/share/doc/**"};
    ComponentConfig kubernetes;
    kubernetes.name = "kubernetes", kubernetes.version = "v1.37.2";
    ComponentBinary hyperkube;
    hyperkube.name = "hyperkube", hyperkube.install = "/usr/local/bin/hyperkube";
    hyperkube.links = {"/usr/local/bin/kubelet"};
    kubernetes.binaries = {hyperkube};
    kubernetes.images = {
        {.name = "registry.example/etcd", .tag = "3.7.0-0", .description = "etcd", .programs = {"etcd"}}};
    config.components = {kubernetes};
    config.extra_images = {{.from = "docker://registry.example:5000/app@sha256:00", .name = ""}};
    config.images_preload = true;
    config.disk.partitions = {{.name = "esp", .filesystem = "vfat", .mount = "/boot"}};
    config.boot_files = {{.path = "node.toml", .from = "file"}};
    config.kernel.required = {{.any_of = {"CONFIG_VXLAN"}, .by = {"flannel"}}};
    config.kernel.requirements = "kernel-fragments/requirements.toml";
    set_list("packages.install", {"vim"}, "defconfigs/mine.toml", 4);
    set_list("overlays.use", {"base"}, "defconfigs/base.toml", 9);
    set_list("rootfs.exclude", {"/usr/share/doc/**"}, "defconfigs/base.toml", 30);
    set_list("components.enable", {"kubernetes"}, "defconfigs/mine.toml", 6);
    set_list("components.kubernetes.binary.hyperkube.links", {"/usr/local/bin/kubelet"}, "components/k/component.toml",
             3);
    set_list("kernel.fragments", {"vxlan"}, "boards/pc/board.toml", 12);
    set_list("boot.files.\"node.toml\".from", {}, "defconfigs/mine.toml", 20);

    lock.target = {{.name = "libc6",
                    .version = "2.41",
                    .architecture = "amd64",
                    .source = "glibc",
                    .repository = "debian",
                    .suite = "trixie"},
                   {.name = "vim",
                    .version = "9",
                    .architecture = "amd64",
                    .source = "vim",
                    .repository = "debian",
                    .suite = "trixie"}};
    graph.emplace(config, lock,
                  std::map<std::string, std::string>{{"libc6", "Package: libc6\n"},
                                                     {"vim", "Package: vim\nDepends: libc6 (>= 2.38)\n"}});
    root.set("usr/bin/vim.basic", file("package:vim=9:amd64", 3000));
    root.set("usr/bin/vim", link("rule:alternatives", "/etc/alternatives/vim"));
    root.set("etc/alternatives/vim", link("rule:alternatives", "/usr/bin/vim.basic"));
    root.set("bin", link("package:libc6=2.41:amd64", "usr/bin"));
    root.set("usr/lib/libc.so", file("package:libc6=2.41:amd64", 1000));
    root.set("usr/local/bin/kubelet", link("component:kubernetes", "hyperkube"));
    root.set("usr/local/bin/hyperkube", file("component:kubernetes", 90));
    root.set("etc/issue", file("overlay:base"));
    root.set("etc/made", file("script:postinst of vim"));
    root.set("usr/lib/modules/6.12/kernel/drivers/net/vxlan/vxlan.ko.zst", file("kernel", 7));
    root.set("usr/lib/modules/6.12/modules.dep", file("kernel"));
    boot.set("node.toml", file("board:pc"));
    shipped["libc6"] = Tree();
    shipped["vim"].set("usr/share/doc/vim/README", file("package:vim=9:amd64"));
    shipped["vim"].set("bin/rvim", file("package:vim=9:amd64"));
    kernel.symbols = {
        {"CONFIG_VXLAN",
         {"m", {{"requested", "m", "kernel-fragments/vxlan.config", 5}}, {"drivers/net/Kconfig:9"}, {}}},
        {"CONFIG_UDP_TUNNEL",
         {"m", {{"default", "y", "net/Kconfig", 2}, {"selected", "CONFIG_VXLAN", "drivers/net/Kconfig", 11}}, {}, {}}},
        {"CONFIG_HZ", {"250", {{"default", "250", "kernel/Kconfig.hz", 4}}, {}, {}}},
        {"CONFIG_OFF", {"n", {}, {"net/Kconfig:7"}, {"VXLAN && NEVER"}}}};
    kernel.modules = {{"drivers/net/vxlan/vxlan", "CONFIG_VXLAN"}};
  }
  void set_list(const std::string& key, const Strings& items, const std::string& where, int line) {
    Setting setting{key, "", {{where, line, 1}}, {}};
    for (const auto& item : items) setting.items.push_back({item, {where, line, 1}});
    config.settings.push_back(setting);
  }
  WhyInputs inputs() const {
    return {.config = config,
            .lock = lock,
            .packages = [this]() -> const PackageGraph& { return *graph; },
            .root = [this]() -> const Tree& { return root; },
            .boot = [this]() -> const Tree& { return boot; },
            .symbols = [this]() -> const KernelSymbols& { return kernel; },
            .unpacked = [this](const std::string& package) { return shipped.at(package); }};
  }
  /// Subjects, and the lines below each.
  Strings ask(const std::string& asked) const {
    Strings lines;
    for (const auto& explanation : why(inputs(), asked)) {
      lines.push_back(explanation.subject);
      for (const auto& line : explanation.chain)
        lines.push_back("  " + line.text + (line.where.empty() ? "" : " @ " + line.where));
    }
    return lines;
  }
  std::string refusal(const std::string& asked) const {
    try {
      why(inputs(), asked);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
};

}  // namespace

TEST_CASE("a path leads to its package and to the line that asked for it, through all links") {
  const Build build;
  const Strings answer = build.ask("/bin/vim");
  REQUIRE(answer.size() == 7);
  CHECK(answer[0] == "/usr/bin/vim");
  CHECK(answer[1].find("  the rule alternatives: ") == 0);
  CHECK(answer[2] == "/etc/alternatives/vim");
  CHECK(Strings(answer.begin() + 4, answer.end()) ==
        Strings{"/usr/bin/vim.basic", "  package vim 9 (debian trixie, source vim) @ defconfigs/mine.lock",
                "  packages.install has \"vim\" @ defconfigs/mine.toml:4"});
}

TEST_CASE("paths of components, overlays, scripts, modules and the boot partition") {
  const Build build;
  CHECK(build.ask("/usr/local/bin/kubelet") ==
        Strings{"/usr/local/bin/kubelet", "  program hyperkube @ components/k/component.toml:3",
                "  component kubernetes v1.37.2", "  components.enable has \"kubernetes\" @ defconfigs/mine.toml:6",
                "/usr/local/bin/hyperkube", "  program hyperkube", "  component kubernetes v1.37.2",
                "  components.enable has \"kubernetes\" @ defconfigs/mine.toml:6"});
  CHECK(build.ask("/etc/issue") == Strings{"/etc/issue", "  a file of the overlay base @ overlays/base/etc/issue",
                                           "  overlays.use has \"base\" @ defconfigs/base.toml:9"});
  CHECK(build.ask("/etc/made")[1] == "  made by the postinst of vim, which the build evaluated");
  CHECK(build.ask("/etc/made").back() == "  packages.install has \"vim\" @ defconfigs/mine.toml:4");
  CHECK(build.ask("/usr/lib/modules/6.12/kernel/drivers/net/vxlan/vxlan.ko.zst")[1] == "  module of CONFIG_VXLAN=m");
  CHECK(build.ask("/usr/lib/modules/6.12/modules.dep") ==
        Strings{"/usr/lib/modules/6.12/modules.dep", "  the kernel, built from linux-source-6.12"});
  CHECK(build.ask("/boot/node.toml").back() ==
        "  boot.files has \"node.toml\", from \"file\" @ defconfigs/mine.toml:20");
}

TEST_CASE("a path that the image lacks: who ships it and what left it out") {
  const Build build;
  CHECK(build.refusal("/usr/share/doc/vim/README") ==
        "mine has no path /usr/share/doc/vim/README; package vim ships it, and rootfs.exclude \"/usr/share/doc/**\" "
        "(defconfigs/base.toml:30) leaves it out");
  CHECK(build.refusal("/usr/bin/rvim").find("package vim ships it, and a rule or script removes it") !=
        std::string::npos);
  CHECK(build.refusal("/nowhere\x1b") == "mine has no path /nowhere\\x1b");
}

TEST_CASE("a kernel symbol leads to its fragment, or to Kconfig") {
  const Build build;
  const Strings request{"  requested: CONFIG_VXLAN=m @ kernel-fragments/vxlan.config:5",
                        "  kernel.fragments has \"vxlan\" @ boards/pc/board.toml:12"};
  CHECK(build.ask("VXLAN") == Strings{"CONFIG_VXLAN=m", request[0], request[1],
                                      "  required by flannel @ kernel-fragments/requirements.toml"});
  CHECK(build.ask("CONFIG_UDP_TUNNEL") == Strings{"CONFIG_UDP_TUNNEL=m",
                                                  "  selected by CONFIG_VXLAN=m @ Linux, drivers/net/Kconfig:11",
                                                  request[0], request[1]});
  CHECK(build.ask("CONFIG_HZ") == Strings{"CONFIG_HZ=250", "  Kconfig's default is 250 @ Linux, kernel/Kconfig.hz:4"});
  CHECK(build.ask("CONFIG_OFF") == Strings{"CONFIG_OFF is not set",
                                           "  no fragment requests it, and no set symbol selects it",
                                           "  it depends on VXLAN (=m) && NEVER (=n)"});
  CHECK(build.refusal("CONFIG_VXLAM") == "the kernel of mine has no symbol CONFIG_VXLAM (did you mean CONFIG_VXLAN?)");
}

TEST_CASE("container images by their names, with and without registry and tag") {
  const Build build;
  for (const char* name : {"registry.example/etcd", "registry.example/etcd:3.7.0-0", "etcd", "etcd:3.7.0-0"})
    CHECK(build.ask(name).front() == "registry.example/etcd:3.7.0-0");
  CHECK(build.ask("etcd")[1] == "  made of etcd of component kubernetes v1.37.2");
  CHECK(build.ask("registry.example:5000/app")[1] ==
        "  image.extra names docker://registry.example:5000/app@sha256:00");
  CHECK(build.refusal("vin") ==
        "mine has no package, component, overlay or container image \"vin\" (did you mean vim?)");
}

TEST_CASE("costs count hard links once, and name what leaves with a package") {
  Build build;
  build.root.set("usr/share/vim/a", Node{.size = 500, .link_group = "a", .origin = "package:vim=9:amd64"});
  build.root.set("usr/share/vim/b", Node{.size = 500, .link_group = "a", .origin = "package:vim=9:amd64"});
  build.root.set("usr/share/vim-x", Node{.size = 9, .origin = "package:vim=9:amd64"});
  const Cost folder = cost_of_path(build.root, "usr/share/vim");
  CHECK(folder.bytes == 500);
  CHECK(folder.files == 2);
  const Cost package = cost_of_package(build.root, *build.graph, "libc6");
  CHECK(package.bytes == 1000);
  REQUIRE(package.leaving.size() == 1);
  CHECK(package.leaving[0].name == "vim");
  CHECK(package.leaving[0].bytes == 3509);
  CHECK(package.leaving[0].reason == "needs libc6");
}
