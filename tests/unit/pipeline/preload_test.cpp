// Tests containerd's folder in the root filesystem: paths of files, shared inodes, and checksums for the first start.
#include "pipeline/preload.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "oci/archive.hpp"
#include "process/command.hpp"
#include "project.hpp"
#include "support/catch.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

constexpr std::int64_t epoch = 1763195591;
const PreloadedImages image_steps{.layout = TreePort{"layout"}.of("images/archive"),
                                  .tar = BlobPort{"archive"}.of("images/archive"),
                                  .list = BlobPort{"list"}.of("images/archive")};

Config containerd_config(const std::string& go) {
  Config config;
  config.name = "zero", config.arch = {.debian = "armel",
                                       .go = go,
                                       .goarm = "6",
                                       .kernel = "arm",
                                       .cross = "arm-linux-gnueabi-",
                                       .triplet = "arm-linux-gnueabi"};
  config.components = {{.name = "containerd",
                        .version = "v2.3.3",
                        .description = "containerd",
                        .license = "Apache-2.0",
                        .folder = {},
                        .tags = {},
                        .ldflags = {},
                        .binaries = {{.name = "containerd-preload",
                                      .package = "./preload",
                                      .install = {},
                                      .links = {},
                                      .tags = {},
                                      .link = {},
                                      .checks = {}}},
                        .images = {}}};
  return config;
}

/// The shared layer of the images of a multi-call binary.
Tree program_layer(Store& store) {
  Tree layer;
  layer.add_file(store, "usr/local/bin/hyperkube", std::string(5000, 'h'), 0755, "component:kubernetes");
  layer.add_symlink("usr/local/bin/kube-proxy", "hyperkube", "component:kubernetes");
  layer.add_directory("tmp", 01777, "component:kubernetes");
  layer.add_missing_parents("component:kubernetes", epoch);
  layer.find("usr/local/bin/hyperkube")->mtime = epoch;
  return layer;
}

Tree userland_layer(Store& store) {
  Tree layer;
  layer.add_file(store, "usr/sbin/nft", "nft", 0755, "package:nftables=1:armel");
  layer.add_file(store, "etc/protocols", "tcp", 0644, "package:netbase=1:all");
  layer.add_missing_parents("package:nftables=1:armel", epoch);
  for (const char* path : {"usr/sbin/nft", "etc/protocols"}) layer.find(path)->mtime = epoch;
  return layer;
}

}  // namespace

TEST_CASE("the snapshots have the files of their layers, and a file that is there already gets one more name") {
  TestContext context;
  Store& store = context.store();
  const Tree program = program_layer(store), userland = userland_layer(store);
  const Tree layout = make_oci_layout(
      store,
      {{.reference = "registry.k8s.io/kube-proxy:v1.37.1",
        .architecture = "arm",
        .variant = "v6",
        .layers = {program, userland}},
       {.reference = "registry.k8s.io/other:v1", .architecture = "arm", .variant = "v6", .layers = {userland}}},
      epoch);
  const auto index = nlohmann::json::parse(store.read(layout.find("index.json")->content));
  const auto manifest = nlohmann::json::parse(store.read(
      layout.find("blobs/sha256/" + index.at("manifests")[0].at("digest").get<std::string>().substr(7))->content));
  const std::string program_digest = manifest.at("layers")[0].at("digest"),
                    userland_digest = manifest.at("layers")[1].at("digest");

  Tree prepared;
  prepared.add_file(store, "snapshots.json",
                    nlohmann::json{{{"id", "1"}, {"layer", program_digest}},
                                   {{"id", "2"}, {"layer", userland_digest}},
                                   {{"id", "3"}, {"layer", userland_digest}}}
                        .dump(),
                    0644, "step");
  prepared.add_file(store, "io.containerd.metadata.v1.bolt/meta.db", "database", 0600, "step");
  prepared.add_file(store, "io.containerd.content.v1.content/blobs/sha256/ab", "manifest", 0600, "step");
  prepared.add_missing_parents("step");

  Tree root = userland;  // equal to files in a layer: those below /usr share inodes, those that users may edit do not
  root.set("usr/local/bin/hyperkube", *program.find("usr/local/bin/hyperkube"));
  root.add_missing_parents("test", epoch);

  StepGraph graph;
  add_sources(graph, {"tools", "root", "programs", "images/archive", "images/compressed"});
  add_preload_steps(graph, containerd_config("arm"), TreePort{"tree"}.of("tools"), TreePort{"tree"}.of("root"),
                    image_steps, {{"containerd", TreePort{"p"}.of("programs")}}, epoch);
  const auto outputs =
      context.run(*graph.find("rootfs/preloaded"), {{"root", put_tree(store, root)},
                                                    {"store", put_tree(store, prepared)},
                                                    {"layout", put_tree(store, layout)},
                                                    {"list", store.put("registry.k8s.io/kube-proxy:v1.37.1\n")},
                                                    {"programs/containerd", put_tree(store, Tree())}});
  const Tree tree = get_tree(store, outputs.at("tree").digest);
  const std::string folder = "var/lib/containerd/",
                    snapshots = folder + "io.containerd.snapshotter.v1.overlayfs/snapshots/";

  CHECK(tree.find("var/lib/containerd")->mode == 0700);
  CHECK(tree.find(snapshots + "1")->mode == 0700);
  CHECK(tree.find(snapshots + "1/fs")->mode == 0755);
  CHECK(tree.find(snapshots + "1/fs/tmp")->mode == 01777);
  CHECK(tree.find(snapshots + "1/fs/usr/local/bin/kube-proxy")->target == "hyperkube");
  CHECK(tree.find(folder + "io.containerd.content.v1.content/blobs/sha256/ab")->mode == 0444);
  CHECK(tree.find(folder + "io.containerd.metadata.v1.bolt/meta.db")->mode == 0644);
  CHECK_FALSE(tree.find(folder + "snapshots.json"));

  const Node& program_file = *tree.find(snapshots + "1/fs/usr/local/bin/hyperkube");
  CHECK(program_file.link_group == "usr/local/bin/hyperkube");
  CHECK(program_file.origin == "component:kubernetes");
  CHECK(tree.find("usr/local/bin/hyperkube")->link_group == "usr/local/bin/hyperkube");
  for (const char* id : {"2", "3"}) {
    CHECK(tree.find(snapshots + id + "/fs/usr/sbin/nft")->link_group == "usr/sbin/nft");
    CHECK(tree.find(snapshots + id + "/fs/etc/protocols")->link_group == snapshots + "2/fs/etc/protocols");
  }
  CHECK(tree.find("etc/protocols")->link_group.empty());

  CHECK(store.read(tree.find("usr/share/k8simg/images.list")->content) == "registry.k8s.io/kube-proxy:v1.37.1\n");
  const auto line = [&](const std::string& content, const std::string& path) {
    return sha256(content).hex() + "  " + path + "\n";
  };
  CHECK(store.read(tree.find("usr/share/k8simg/images.sha256")->content) ==
        line("manifest", folder + "io.containerd.content.v1.content/blobs/sha256/ab") +
            line(std::string(5000, 'h'), snapshots + "1/fs/usr/local/bin/hyperkube") +
            line("tcp", snapshots + "2/fs/etc/protocols") + line("nft", snapshots + "2/fs/usr/sbin/nft"));
}

TEST_CASE("a layer of somebody else: compressed, with a removed file, and refused if it points outside") {
  TestContext context;
  Store& store = context.store();
  const auto run = [&](const Tree& lower, const std::string& upper) {
    Tree layout, prepared;
    const Value base = make_oci_archive(store, lower, epoch);
    layout.set("blobs/sha256/" + base.digest.hex(), Node{.size = base.size, .content = base.digest});
    layout.add_file(store, "blobs/sha256/" + sha256(upper).hex(), upper, 0644, "test");
    prepared.add_file(store, "snapshots.json",
                      nlohmann::json{{{"id", "1"}, {"layer", "sha256:" + base.digest.hex()}},
                                     {{"id", "2"}, {"parent", "1"}, {"layer", "sha256:" + sha256(upper).hex()}}}
                          .dump(),
                      0644, "step");
    StepGraph graph;
    add_sources(graph, {"tools", "root", "programs", "images/archive", "images/compressed"});
    add_preload_steps(graph, containerd_config("arm"), TreePort{"tree"}.of("tools"), TreePort{"tree"}.of("root"),
                      image_steps, {{"containerd", TreePort{"p"}.of("programs")}}, epoch);
    const auto outputs =
        context.run(*graph.find("rootfs/preloaded"), {{"root", put_tree(store, Tree())},
                                                      {"store", put_tree(store, prepared)},
                                                      {"layout", put_tree(store, layout)},
                                                      {"list", store.put("")},
                                                      {"programs/containerd", put_tree(store, Tree())}});
    return get_tree(store, outputs.at("tree").digest);
  };
  Tree upper;
  upper.add_file(store, "etc/.wh.protocols", "", 0644, "");
  upper.add_file(store, "etc/own", "mine", 0644, "");
  const auto compressed = system_runner().run({.argv = {"gzip", "--no-name"},
                                               .environment = {{"PATH", "/usr/bin:/bin"}},
                                               .working_folder = context.folder(),
                                               .capture_stdout = true,
                                               .input = store.read(make_oci_archive(store, upper, epoch).digest)});
  REQUIRE(compressed.exit_code == 0);
  const Tree tree = run(userland_layer(store), compressed.output);
  const std::string fs = "var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/2/fs/";
  REQUIRE(tree.find(fs + "etc/protocols"));
  CHECK(tree.find(fs + "etc/protocols")->type == NodeType::CharDevice);
  CHECK(store.read(tree.find(fs + "etc/own")->content) == "mine");
  CHECK_FALSE(tree.find(fs + "etc/.wh.protocols"));

  // A tar header with a name outside of the folder; libarchive's own writer would refuse it.
  std::string outside = store.read(make_oci_archive(store, upper, epoch).digest);
  const auto at = outside.find("etc/own");
  REQUIRE(at != std::string::npos);
  outside.replace(at, 7, "../../x");
  unsigned sum = 8 * ' ';
  const std::size_t header = at / 512 * 512;
  for (std::size_t i = 0; i < 512; ++i)
    if (i < 148 || i >= 156) sum += static_cast<unsigned char>(outside[header + i]);
  outside.replace(header + 148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  CHECK(
      contains(failure([&] { run(userland_layer(store), outside); }), "'../../x' is outside of the archive's folder"));
}

TEST_CASE("the program that prepares the folder runs by itself or emulated, and has to be there") {
  StepGraph graph;
  add_sources(graph, {"tools", "root", "programs", "images/archive", "images/compressed"});
  const NamedTrees programs{{"containerd", TreePort{"p"}.of("programs")}};
  add_preload_steps(graph, containerd_config("arm"), TreePort{"tree"}.of("tools"), TreePort{"tree"}.of("root"),
                    image_steps, programs, epoch);
  CHECK(std::get<CommandAction>(graph.find("images/store")->action).argv ==
        std::vector<std::string>{"/usr/bin/qemu-arm", "-0", "containerd-preload", "/in/programs/containerd-preload",
                                 "/in/archive", "/out/store", "1763195591"});

  StepGraph other;
  Config config = containerd_config("amd64");
  config.components.front().binaries.clear();
  CHECK_THROWS_WITH(add_preload_steps(other, config, TreePort{"tree"}.of("tools"), TreePort{"tree"}.of("root"),
                                      image_steps, programs, epoch),
                    Catch::Matchers::Contains("no component of zero has the program containerd-preload"));
}
