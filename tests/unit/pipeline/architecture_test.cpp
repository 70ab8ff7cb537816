// Tests the steps of an architecture: no kernel, no disk, packages only if an image uses their files; and SBOMs.
#include "pipeline/architecture.hpp"

#include <nlohmann/json.hpp>

#include "oci/archive.hpp"
#include "pipeline/contents.hpp"
#include "pipeline/programs.hpp"
#include "project.hpp"
#include "support/catch.hpp"
#include "tree/archive.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

using Names = std::vector<std::string>;

struct ArchitectureProject : Project {
  ArchitectureProject() {
    config.kernel = {}, config.disk = {}, config.overlays.clear(), config.name = config.board = "linux-armv6";
    config.arch = {.debian = "armel",
                   .go = "arm",
                   .goarm = "6",
                   .kernel = {},
                   .cross = "arm-linux-gnueabi-",
                   .triplet = "arm-linux-gnueabi"};
    auto& etcd = config.components[0];
    etcd.images = {{.name = "example.org/etcd", .tag = {}, .programs = {"etcd"}, .root = {}, .user = {}}};
    etcd.releases = {{.name = "etcd-server", .folder = "etcd/bin", .programs = {"etcd"}}};
  }
};

Names artifact_names(const Pipeline& pipeline) {
  Names names;
  for (const auto& [name, output] : pipeline.artifacts) {
    names.push_back(name);
    CHECK(pipeline.graph.find(OutputRef(output).step));
  }
  return names;
}

Names paths(const Tree& tree) {
  Names names;
  for (const auto& [path, node] : tree.nodes()) names.push_back(path);
  return names;
}

}  // namespace

TEST_CASE("an architecture has programs, images and releases, and no kernel, disk or boot") {
  ArchitectureProject p;
  const Pipeline pipeline = make_pipeline(p.inputs());
  CHECK(artifact_names(pipeline) ==
        Names{"SHA256SUMS", "binaries.tar.zst", "etcd-server-linux-armv6.tar.gz", "images.list", "images.tar.zst"});
  for (const auto& step : pipeline.graph.steps()) {
    INFO(step.id);
    for (const char* none : {"kernel/", "boot/", "disk/image", "disk/root", "rootfs/"})
      CHECK_FALSE(step.id.starts_with(none));
  }
  CHECK(pipeline.programs.at("etcd") == OutputRef{"component/etcd/check", "programs"});
  CHECK_FALSE(pipeline.boot);
  CHECK_FALSE(pipeline.rootfs);
  // No image uses files of packages, so none is fetched for the target.
  for (const auto& step : pipeline.graph.steps()) CHECK_FALSE(step.id == "fetch/systemd_1_amd64");
}

TEST_CASE("packages are fetched, assembled and audited when an image takes files of them") {
  ArchitectureProject p;
  p.config.components[0].images[0].root = {"/usr/sbin/nft"};
  const Pipeline pipeline = make_pipeline(p.inputs());
  CHECK(pipeline.rootfs == OutputRef{"rootfs/audit", "tree"});
  CHECK(pipeline.graph.find("fetch/systemd_1_amd64"));
  CHECK(input_names(*pipeline.graph.find("rootfs/tree")) == Names{"package/bash=1:amd64", "package/systemd=1:amd64"});
  CHECK(input_names(*pipeline.graph.find("images/archive")) == Names{"programs/etcd", "files/example.org/etcd:v3.7.2"});
}

TEST_CASE("without images or programs there are none of their artifacts") {
  ArchitectureProject p;
  p.config.components[0].images.clear();
  p.config.components[0].releases.clear();
  CHECK(artifact_names(make_pipeline(p.inputs())) == Names{"SHA256SUMS", "binaries.tar.zst"});
  p.config.components.clear();
  CHECK(artifact_names(make_pipeline(p.inputs())) == Names{"SHA256SUMS"});
}

TEST_CASE(
    "a release: programs in upstream's folder, links to a multi-call binary; its tar is gzip without name and time") {
  ArchitectureProject p;
  auto& component = p.config.components[0];
  component.binaries[0].name = "hyper", component.binaries[0].link = "multicall";
  component.releases[0].programs = {"one", "two"};
  const Pipeline pipeline = make_pipeline(p.inputs());
  Tree programs;
  programs.add_file(p.context.store(), "hyper", "#!", 0755, "component:etcd");
  const Step* step = pipeline.graph.find("release/etcd-server/archive");
  REQUIRE(step);
  const Value archive = p.context.run(*step, {{"programs", p.tree(programs)}}).at("archive");
  const Tree tree = read_tar(p.context.store(), p.context.store().path(archive.digest), {.origin = "test"});
  CHECK(paths(tree) == Names{"etcd", "etcd/bin", "etcd/bin/hyper", "etcd/bin/one", "etcd/bin/two"});
  CHECK(tree.find("etcd/bin/two")->target == "hyper");
  CHECK(tree.find("etcd/bin/one")->mtime == p.lock.date);
  CHECK(p.context.run(*step, {{"programs", p.tree(programs)}}).at("archive") == archive);
  const auto& command = std::get<CommandAction>(pipeline.graph.find("release/etcd-server/compressed")->action).argv;
  CHECK(contains(command.at(2), "gzip \"$1\" -n -c"));
}

TEST_CASE("all programs as one archive, each below its component's name") {
  ArchitectureProject p;
  const Pipeline pipeline = make_pipeline(p.inputs());
  Tree programs;
  programs.add_file(p.context.store(), "etcd", "#!", 0755, "component:etcd");
  const Value archive =
      p.context.run(*pipeline.graph.find("binaries/archive"), {{"programs/etcd", p.tree(programs)}}).at("archive");
  CHECK(paths(read_tar(p.context.store(), p.context.store().path(archive.digest), {.origin = "test"})) ==
        Names{"etcd", "etcd/etcd"});
}

TEST_CASE("a program that a component did not give is named") {
  Tree tree, none;
  for (const char* multicall : {"", "hyper"})
    CHECK(contains(failure([&] { add_program(tree, "bin", none, "etcd", multicall, "etcdctl", 0); }),
                   "component etcd gave no etcdctl"));
}

TEST_CASE("the contents of an image: its component, and the packages that its files came from") {
  TestContext context;
  const ComponentSoftware component{.name = "flannel", .version = "v0.26.7", .license = "Apache-2.0", .changes = {}};
  Tree programs, files;
  programs.add_file(context.store(), "usr/local/bin/flanneld", "#!/bin/sh", 0755, "component:flannel");
  files.add_file(context.store(), "usr/sbin/nft", "x", 0755, "package:nftables=1.1.3-1:armel");
  files.add_file(context.store(), "usr/lib/libnftables.so.1", "x", 0644, "package:libnftables1=1:1.1.3-1:armel");
  files.add_symlink("usr/sbin/iptables", "/etc/alternatives/iptables", "rule:alternatives");
  files.add_directory("usr/lib", 0755, "package:base-files=13:armel");
  const auto contents = image_contents(context.store(), component, {programs, files});
  REQUIRE(contents.size() == 3);
  CHECK(contents[0].kind == SoftwarePackage::Kind::Component);
  CHECK(contents[0].license == "Apache-2.0");
  CHECK(contents[1].name == "libnftables1");
  CHECK(contents[1].version == "1:1.1.3-1");
  CHECK(contents[2].purl == "pkg:deb/debian/nftables@1.1.3-1?arch=armel");
}
