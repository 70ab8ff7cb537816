// Tests the kernel's steps that need no compiler: the merged request, and the explanation of symbols that are not set.
#include "kernel/steps.hpp"

#include "support/catch.hpp"
#include "support/step_context.hpp"
#include "tree/tree.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

struct Fixture {
  TestContext context;
  StepGraph graph;
  Value base = context.store().put("CONFIG_NET=y\nCONFIG_HZ=100\n");
  Value vxlan = context.store().put("CONFIG_VXLAN=y\nCONFIG_HZ=250\n");
  Value source;

  explicit Fixture(const std::vector<KernelRequirement>& requirements = {}, const std::vector<std::string>& dtbs = {}) {
    graph.add({.id = "tools", .action = BuiltinAction{}});
    graph.add({.id = "package", .action = BuiltinAction{}});
    add_kernel_steps(graph, context.store(),
                     {.kernel = {.package = "linux-source-6.12",
                                 .base = "allnoconfig",
                                 .fragments = {},
                                 .targets = {"bzImage"},
                                 .image = "arch/x86/boot/bzImage",
                                 .dtbs = dtbs,
                                 .cmdline = {},
                                 .requirements = {},
                                 .required = requirements},
                      .arch = "x86",
                      .cross = "",
                      .fragments = {{"kernel-fragments/base.config", BlobHandle(base)},
                                    {"kernel-fragments/vxlan.config", BlobHandle(vxlan)}},
                      .source_date_epoch = 7},
                     TreePort{"tree"}.of("tools"), TreePort{"tree"}.of("package"));
    Tree tree;
    tree.add_file(context.store(), "Kconfig",
                  "if NETDEVICES\nsource \"drivers/net/Kconfig\"\nendif\nsource \"arch/$(SRCARCH)/Kconfig\"\n", 0644,
                  "");
    tree.add_file(context.store(), "drivers/net/Kconfig",
                  "config VXLAN\n\ttristate \"VXLAN\"\n\tdepends on INET && NET\nconfig NET_CORE\n\tbool\n", 0644, "");
    tree.add_file(context.store(), "arch/x86/Kconfig", "config HZ\n\tint\n", 0644, "");
    tree.add_file(context.store(), "drivers/net/vxlan.c", "config VXLAN\n", 0644, "");
    tree.add_file(context.store(), "arch/arm/boot/dts/toys/Makefile",
                  "dtb-$(CONFIG_ARCH_TOY) += \\\n\ttoy-zero.dtb \\\n\ttoy-one.dtb\n", 0644, "");
    tree.add_file(context.store(), "arch/arm/boot/dts/toys/toy-two.dts", "", 0644, "");
    source = put_tree(context.store(), tree);
  }
  std::vector<RecordedInput> fragments() const {
    return {{"fragment/kernel-fragments/base.config", base}, {"fragment/kernel-fragments/vxlan.config", vxlan}};
  }
  std::map<std::string, Value> check(const std::string& config) {
    std::vector<RecordedInput> inputs{{"config", context.store().put(config)}, {"source", source}};
    for (const auto& fragment : fragments()) inputs.push_back(fragment);
    return context.run(*graph.find("kernel/check"), inputs);
  }
};

}  // namespace

TEST_CASE("the request is all fragments in one, the later ones winning") {
  Fixture f;
  const auto outputs = f.context.run(*f.graph.find("kernel/request"), f.fragments());
  CHECK(f.context.store().read(outputs.at("request").digest) == "CONFIG_HZ=250\nCONFIG_NET=y\nCONFIG_VXLAN=y\n");
}

TEST_CASE("a config that has all that was asked for passes unchanged") {
  Fixture f;
  const std::string config = "CONFIG_NET=y\nCONFIG_HZ=250\nCONFIG_VXLAN=y\nCONFIG_MORE=y\n";
  CHECK(f.check(config).at("config").digest == sha256(config));
}

TEST_CASE("a symbol that was not set is reported with fragment, line and unmet dependency") {
  Fixture f;
  const std::string text = failure([&] { f.check("CONFIG_NET=y\nCONFIG_INET=y\nCONFIG_HZ=100\n"); });
  INFO(text);
  CHECK(contains(text, "2 requested kernel symbols not set as requested"));
  CHECK(contains(text, "kernel-fragments/vxlan.config:1: CONFIG_VXLAN=y was requested, but the result is n"));
  CHECK(contains(text, "drivers/net/Kconfig:1"));
  CHECK(contains(text, "depends on NETDEVICES (=n)"));
  CHECK(contains(text, "depends on INET (=y) && NET (=y)"));
  CHECK(contains(text, "kernel-fragments/vxlan.config:2: CONFIG_HZ=250 was requested, but the result is 100"));
  CHECK(contains(text, "arch/x86/Kconfig:1 (no prompt"));
  CHECK(contains(failure([&] { f.check("CONFIG_VXLAN=y\nCONFIG_HZ=250\n"); }), "this kernel has no such symbol"));
}

TEST_CASE("what the node needs is checked, what is only recommended is reported") {
  Fixture f({{{"CONFIG_MEMCG"}, {"kubelet", "runc"}, true, "memory limits"},
             {{"CONFIG_AUFS_FS", "CONFIG_OVERLAY_FS"}, {"kubeadm"}, true, ""},
             {{"CONFIG_ZRAM"}, {"us"}, false, ""}});
  const std::string good = "CONFIG_NET=y\nCONFIG_HZ=250\nCONFIG_VXLAN=y\n";
  const std::string text = failure([&] { f.check(good + "CONFIG_MEMCG=y\n"); });
  CHECK(contains(text, "CONFIG_AUFS_FS or CONFIG_OVERLAY_FS (needed by kubeadm)"));
  CHECK_FALSE(contains(text, "CONFIG_MEMCG"));
  CHECK(contains(failure([&] { f.check(good + "CONFIG_OVERLAY_FS=y\n"); }),
                 "CONFIG_MEMCG (needed by kubelet, runc): memory limits"));
  const auto outputs = f.check(good + "CONFIG_OVERLAY_FS=m\nCONFIG_MEMCG=y\n");
  CHECK(f.context.store().read(outputs.at("report").digest) == "recommended, not set: CONFIG_ZRAM (needed by us)\n");
}

TEST_CASE("a driver list is one of the fragments") {
  Fixture f;
  const Value drivers = f.context.store().put(
      "[[driver]]\nsymbol = \"CONFIG_TYPO\"\nmodule = \"typo\"\nbuild = \"module\"\nhardware = \"x\"\n");
  const std::vector<RecordedInput> fragments{{"fragment/boards/toy/drivers.toml", drivers}};
  const auto outputs = f.context.run(*f.graph.find("kernel/request"), fragments);
  CHECK(f.context.store().read(outputs.at("request").digest) == "CONFIG_TYPO=m\n");
  const std::string text = failure([&] {
    f.context.run(
        *f.graph.find("kernel/check"),
        {{"config", f.context.store().put("")}, {"source", f.source}, {"fragment/boards/toy/drivers.toml", drivers}});
  });
  CHECK(contains(text, "boards/toy/drivers.toml:1: CONFIG_TYPO=m was requested, but the result is n"));
  CHECK(contains(text, "this kernel has no such symbol"));
}

TEST_CASE("what only a program of the image needs does not fail the build") {
  Fixture f({{{"CONFIG_MACVLAN"}, {"cni"}, true, "", "/opt/cni/bin/macvlan"}});
  const std::string config = "CONFIG_NET=y\nCONFIG_HZ=250\nCONFIG_VXLAN=y\n";
  CHECK(f.check(config).at("config").digest == sha256(config));
}

TEST_CASE("a source package without the tarball is named") {
  Fixture f;
  const Value empty = put_tree(f.context.store(), Tree());
  CHECK(contains(failure([&] { f.context.run(*f.graph.find("kernel/source"), {{"package", empty}}); }),
                 "linux-source-6.12 has no usr/src/linux-source-6.12.tar.xz"));
}

TEST_CASE("device trees that the kernel does not build are told before it is compiled") {
  const std::string config = "CONFIG_NET=y\nCONFIG_HZ=250\nCONFIG_VXLAN=y\n", folder = "arch/arm/boot/dts/toys/";
  Fixture good({}, {folder + "toy-zero.dtb", folder + "toy-one.dtb"});
  CHECK(good.check(config).at("config").digest == sha256(config));
  Fixture bad({}, {folder + "toy-zero.dtb", folder + "toy-zeros.dtb", folder + "toy-two.dtb",
                   "arch/arm/boot/dts/toy-zero.dtb", "toy-zero.dtb"});
  const std::string text = failure([&] { bad.check(config); });
  INFO(text);
  CHECK(contains(text,
                 "arch/arm/boot/dts/toys/toy-zeros.dtb: arch/arm/boot/dts/toys/Makefile has no toy-zeros.dtb (did you "
                 "mean toy-zero.dtb?)"));
  CHECK(contains(text, "toys/toy-two.dtb: "));  // no Makefile lists the source
  CHECK(contains(text, "\n  arch/arm/boot/dts/toy-zero.dtb: no device tree is built in this folder"));
  CHECK(contains(text, "\n  toy-zero.dtb: no device tree"));
  CHECK_FALSE(contains(text, "toys/toy-zero.dtb:"));
  CHECK(contains(text, "check kernel.dtbs in the board's board.toml"));
}
