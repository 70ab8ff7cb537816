// Tests which files of the root filesystem images contain, and that images of a multi-call binary share its layer.
#include "pipeline/images.hpp"

#include <nlohmann/json.hpp>

#include "elf/elf.hpp"
#include "project.hpp"
#include "support/catch.hpp"
#include "tree/archive.hpp"
#include "util/file.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

constexpr const char* triplet = "x86_64-linux-gnu";

std::vector<std::string> paths_of(const Tree& tree) {
  std::vector<std::string> list;
  for (const auto& [path, node] : tree.nodes()) list.push_back(path);
  return list;
}

}  // namespace

TEST_CASE("a selection follows links, over folders that are links too") {
  TestContext context;
  Tree root;
  root.add_file(context.store(), "usr/sbin/xtables-nft-multi", "#!", 0755, "package:iptables=1:amd64");
  root.add_symlink("usr/sbin/iptables-nft", "xtables-nft-multi", "package:iptables=1:amd64");
  root.add_symlink("usr/sbin/iptables", "/etc/alternatives/iptables", "rule:alternatives");
  root.add_symlink("etc/alternatives/iptables", "/sbin/iptables-nft", "rule:alternatives");
  root.add_symlink("sbin", "usr/sbin", "package:base-files=1:amd64");
  root.add_file(context.store(), "usr/sbin/other", "#!", 0755, "package:other=1:amd64");
  root.add_missing_parents("test");
  CHECK(paths_of(select_files(context.store(), root, {"/usr/sbin/iptables"}, triplet)) ==
        std::vector<std::string>{"etc", "etc/alternatives", "etc/alternatives/iptables", "sbin", "usr", "usr/sbin",
                                 "usr/sbin/iptables", "usr/sbin/iptables-nft", "usr/sbin/xtables-nft-multi"});
}

TEST_CASE("a selection takes the interpreter and the libraries of a program, and names what is missing") {
  TestContext context;
  const std::string self = read_file("/proc/self/exe");
  const ElfInfo info = read_elf(self, "self");
  const auto libraries = read_linkage(self, "self").value().needed;
  REQUIRE(!libraries.empty());
  CHECK(std::any_of(libraries.begin(), libraries.end(),
                    [](const std::string& name) { return name.starts_with("libc.so"); }));
  Tree root;
  root.add_file(context.store(), "usr/bin/self", self, 0755, "package:self=1:amd64");
  root.add_file(context.store(), info.interpreter.substr(1), "not looked into", 0755, "package:libc6=2:amd64");
  std::vector<std::string> wanted{"usr/bin/self", info.interpreter.substr(1)};
  for (const auto& library : libraries) {
    const std::string path = std::string("usr/lib/") + triplet + "/" + library;
    root.add_file(context.store(), path, "library", 0644, "package:libc6=2:amd64");
    wanted.push_back(path);
  }
  root.add_file(context.store(), std::string("usr/lib/") + triplet + "/libunused.so.1", "library", 0644,
                "package:unused=2:amd64");
  root.add_missing_parents("test");
  const Tree taken = select_files(context.store(), root, {"/usr/bin/*"}, triplet);
  for (const auto& path : wanted) CHECK(taken.find(path));
  CHECK(!taken.find(std::string("usr/lib/") + triplet + "/libunused.so.1"));
  CHECK(taken.find("usr/bin/self")->origin == "package:self=1:amd64");

  root.erase(wanted.back());
  CHECK(contains(failure([&] { select_files(context.store(), root, {"/usr/bin/self"}, triplet); }),
                 "/usr/bin/self needs " + libraries.back() + ", which the root filesystem does not have"));
  CHECK(contains(failure([&] { select_files(context.store(), root, {"/usr/bin/nft"}, triplet); }),
                 "no file of the root filesystem matches /usr/bin/nft"));
}

TEST_CASE("a dangling link is an error, and a circle of links ends") {
  TestContext context;
  Tree root;
  root.add_symlink("usr/bin/a", "b", "test");
  root.add_symlink("usr/bin/dangling", "../lib/nothing", "test");
  root.add_missing_parents("test");
  CHECK(contains(failure([&] { select_files(context.store(), root, {"/usr/bin/dangling"}, triplet); }),
                 "the image needs /usr/lib/nothing, which the root filesystem does not have"));
  root.add_symlink("usr/bin/b", "a", "test");
  CHECK(paths_of(select_files(context.store(), root, {"/usr/bin/a"}, triplet)) ==
        std::vector<std::string>{"usr", "usr/bin", "usr/bin/a", "usr/bin/b"});
}

TEST_CASE("images of a multi-call binary are one layer; references, entry points and platform are as asked") {
  TestContext context;
  Config config;
  config.name = "zero", config.arch = {.debian = "armel",
                                       .go = "arm",
                                       .goarm = "6",
                                       .kernel = "arm",
                                       .cross = "arm-linux-gnueabi-",
                                       .triplet = "arm-linux-gnueabi"};
  ComponentConfig kubernetes{.name = "kubernetes",
                             .version = "v1.37.1",
                             .description = "Kubernetes",
                             .license = "Apache-2.0",
                             .folder = {},
                             .tags = {},
                             .ldflags = {},
                             .binaries = {{.name = "hyperkube",
                                           .package = ".",
                                           .install = {},
                                           .links = {},
                                           .tags = {},
                                           .link = "multicall",
                                           .checks = {}}},
                             .images = {{.name = "registry.k8s.io/kube-scheduler",
                                         .tag = {},
                                         .description = {},
                                         .programs = {"kube-scheduler"},
                                         .root = {},
                                         .user = {}},
                                        {.name = "registry.k8s.io/kube-proxy",
                                         .tag = {},
                                         .description = {},
                                         .programs = {"kube-proxy"},
                                         .root = {"/usr/sbin/nft"},
                                         .user = {}}}};
  ComponentConfig etcd{
      .name = "etcd",
      .version = "v3.7.0",
      .description = "etcd",
      .license = "Apache-2.0",
      .folder = {},
      .tags = {},
      .ldflags = {},
      .binaries = {{.name = "etcd", .package = ".", .install = {}, .links = {}, .tags = {}, .link = {}, .checks = {}}},
      .images = {{.name = "registry.k8s.io/etcd",
                  .tag = "3.7.0-0",
                  .description = "the database",
                  .programs = {"etcd"},
                  .root = {},
                  .user = "1:1"}}};
  config.components = {kubernetes, etcd};
  Tree root, hyperkube, server;
  root.add_file(context.store(), "usr/sbin/nft", "nft", 0755, "package:nftables=1:armel");
  root.add_missing_parents("test");
  hyperkube.add_file(context.store(), "hyperkube", std::string(100000, 'h'), 0755, "component:kubernetes");
  server.add_file(context.store(), "etcd", "etcd", 0755, "component:etcd");

  StepGraph graph;
  add_sources(graph, {"tools", "root", "k", "e"});
  add_image_steps(graph, config, TreePort{"tree"}.of("tools"), TreePort{"tree"}.of("root"),
                  {{"kubernetes", TreePort{"p"}.of("k")}, {"etcd", TreePort{"p"}.of("e")}}, 1763195591);
  // Other files of the root filesystem do not change the images.
  const auto files_of = [&] {
    return context.run(*graph.find("images/files"), {{"root", put_tree(context.store(), root)}});
  };
  const auto files = files_of();
  const std::string of_proxy = "files/registry.k8s.io/kube-proxy:v1.37.1";
  REQUIRE(files.size() == 1);
  root.add_file(context.store(), "usr/bin/htop", "htop", 0755, "package:htop=1:armel");
  root.add_missing_parents("test");
  CHECK(files_of().at(of_proxy) == files.at(of_proxy));
  const auto outputs =
      context.run(*graph.find("images/archive"), {{of_proxy, files.at(of_proxy)},
                                                  {"programs/kubernetes", put_tree(context.store(), hyperkube)},
                                                  {"programs/etcd", put_tree(context.store(), server)}});
  CHECK(context.store().read(outputs.at("list").digest) ==
        "registry.k8s.io/etcd:3.7.0-0\nregistry.k8s.io/kube-proxy:v1.37.1\nregistry.k8s.io/kube-scheduler:v1.37.1\n");

  const Tree layout = read_tar(context.store(), context.store().path(outputs.at("archive").digest), {.origin = "test"});
  const auto json = [&](const std::string& path) {
    return nlohmann::json::parse(context.store().read(layout.find(path)->content));
  };
  const auto blob = [&](const nlohmann::json& descriptor) {
    return json("blobs/sha256/" + descriptor.at("digest").get<std::string>().substr(7));
  };
  const auto index = json("index.json").at("manifests");
  REQUIRE(index.size() == 3 + 3);  // images and their SBOMs
  CHECK(index[0].at("platform") == nlohmann::json{{"architecture", "arm"}, {"os", "linux"}, {"variant", "v6"}});
  const auto etcd_image = blob(index[0]), proxy = blob(index[1]), scheduler = blob(index[2]);
  REQUIRE(scheduler.at("layers").size() == 1);
  REQUIRE(proxy.at("layers").size() == 2);
  CHECK(proxy.at("layers")[0] == scheduler.at("layers")[0]);
  CHECK(blob(proxy.at("config")).at("config").at("Entrypoint") == nlohmann::json{"/usr/local/bin/kube-proxy"});
  CHECK(blob(etcd_image.at("config")).at("config").at("User") == "1:1");
  CHECK(blob(etcd_image.at("config")).at("config").at("Labels").at("org.opencontainers.image.description") ==
        "the database (rebuilt by k8simg, not upstream's image)");
  CHECK(blob(scheduler.at("config")).at("config").at("Labels").at("org.opencontainers.image.description") ==
        "Kubernetes (rebuilt by k8simg, not upstream's image)");
  CHECK(blob(etcd_image.at("config")).at("config").at("Labels").at("org.opencontainers.image.version") == "3.7.0-0");
  const Tree layer = read_tar(
      context.store(),
      context.store().path(
          layout.find("blobs/sha256/" + scheduler.at("layers")[0].at("digest").get<std::string>().substr(7))->content),
      {.origin = "test"});
  CHECK(paths_of(layer) == std::vector<std::string>{"tmp", "usr", "usr/local", "usr/local/bin",
                                                    "usr/local/bin/hyperkube", "usr/local/bin/kube-proxy",
                                                    "usr/local/bin/kube-scheduler"});
  CHECK(layer.find("usr/local/bin/kube-scheduler")->target == "hyperkube");
  CHECK(layer.find("tmp")->mode == 01777);
}
