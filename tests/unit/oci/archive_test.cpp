// Tests OCI archives with other readers: Python's tarfile, and skopeo.
#include "oci/archive.hpp"

#include <nlohmann/json.hpp>

#include "process/command.hpp"
#include "support/catch.hpp"
#include "support/step_context.hpp"
#include "tree/archive.hpp"

using namespace k8simg;
using namespace k8simg::test;
using nlohmann::json;

namespace {

std::string output_of(const std::vector<std::string>& argv, const std::string& input = "") {
  const fs::path folder = fs::temp_directory_path();
  const CommandResult result = system_runner().run(
      {.argv = argv,
       .environment = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}, {"LC_ALL", "C.UTF-8"}, {"HOME", "/nonexistent"}},
       .working_folder = folder,
       .capture_stdout = true,
       .input = input});
  INFO(quote_argv(argv) << "\n" << result.output);
  REQUIRE(result.exit_code == 0);
  return result.output;
}

struct Fixture {
  TestContext context;
  Tree base, app;
  std::vector<OciImage> images;

  Fixture() {
    base.add_file(context.store(), "usr/bin/multi", std::string(5000, 'm'), 0755, "component:kubernetes");
    base.find("usr/bin/multi")->mtime = 2000000000;
    base.add_missing_parents("component:kubernetes");
    app.add_symlink("usr/bin/kube-proxy", "multi", "component:kubernetes");
    app.add_file(context.store(), "etc/owned", "x", 0640, "");
    app.find("etc/owned")->uid = 65535;
    app.add_missing_parents("");
    images = {{.reference = "registry.k8s.io/kube-proxy:v1.37.1",
               .architecture = "arm",
               .variant = "v6",
               .layers = {base, app},
               .entrypoint = {"/usr/bin/kube-proxy"},
               .command = {"--help"},
               .environment = {"A=b"},
               .user = "65535:65535",
               .labels = {},
               .contents = {}},
              {.reference = "registry.k8s.io/pause:3.10.2",
               .architecture = "amd64",
               .variant = "",
               .layers = {base},
               .entrypoint = {"/pause"},
               .command = {},
               .environment = {},
               .user = "",
               .labels = {},
               .contents = {}}};
  }
  Value make(std::int64_t epoch = 1763195591) {
    return make_oci_archive(context.store(), make_oci_layout(context.store(), images, epoch), epoch);
  }
  std::string path(const Value& archive) { return context.store().path(archive.digest).string(); }
  std::map<std::string, std::string> files(const Value& archive) {
    const Tree tree = read_tar(context.store(), context.store().path(archive.digest), {.origin = "test"});
    std::map<std::string, std::string> result;
    for (const auto& [name, node] : tree.nodes()) {
      if (node.type == NodeType::File) result[name] = context.store().read(node.content);
    }
    return result;
  }
};

const char* const golden_index =
    R"({"manifests":[{"digest":"sha256:ba40880d83b0c01ed90a083cfe84c2e30fc203ec788a7762ebc99d9a07cd07f7","mediaType":"application/vnd.oci.image.manifest.v1+json","platform":{"architecture":"arm","os":"linux","variant":"v6"},"size":398},)"
    R"({"digest":"sha256:a55d8e297d2bb56af91991e74fb34d570870121d94df9138d71cdcaaf589c817","mediaType":"application/vnd.oci.image.manifest.v1+json","platform":{"architecture":"riscv64","os":"linux"},"size":398}],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2})";

std::string blob(const std::map<std::string, std::string>& files, const json& descriptor) {
  const std::string digest = descriptor.at("digest");
  const std::string& bytes = files.at("blobs/sha256/" + digest.substr(7));
  CHECK(digest == "sha256:" + sha256(bytes).hex());
  CHECK(descriptor.at("size") == bytes.size());
  return bytes;
}

}  // namespace

TEST_CASE("index, manifests, configs and layers hang together by digest and size") {
  Fixture f;
  const auto files = f.files(f.make());
  CHECK(json::parse(files.at("oci-layout")) == json{{"imageLayoutVersion", "1.0.0"}});
  const json index = json::parse(files.at("index.json"));
  CHECK(index.at("schemaVersion") == 2);
  REQUIRE(index.at("manifests").size() == 2);
  const json& entry = index.at("manifests")[0];
  CHECK(entry.at("mediaType") == "application/vnd.oci.image.manifest.v1+json");
  CHECK(entry.at("platform") == json{{"architecture", "arm"}, {"os", "linux"}, {"variant", "v6"}});
  CHECK(entry.at("annotations").at("io.containerd.image.name") == "registry.k8s.io/kube-proxy:v1.37.1");
  // The complete reference, because all images of one version have the same tag.
  CHECK(entry.at("annotations").at("org.opencontainers.image.ref.name") == "registry.k8s.io/kube-proxy:v1.37.1");
  CHECK(index.at("manifests")[1].at("platform") == json{{"architecture", "amd64"}, {"os", "linux"}});

  const json manifest = json::parse(blob(files, entry));
  CHECK(manifest.at("schemaVersion") == 2);
  REQUIRE(manifest.at("layers").size() == 2);
  const json config = json::parse(blob(files, manifest.at("config")));
  CHECK(config.at("architecture") == "arm");
  CHECK(config.at("variant") == "v6");
  CHECK(config.at("os") == "linux");
  CHECK(config.at("created") == "2025-11-15T08:33:11Z");
  CHECK(config.at("config") ==
        json{{"Env", {"A=b"}}, {"Entrypoint", {"/usr/bin/kube-proxy"}}, {"Cmd", {"--help"}}, {"User", "65535:65535"}});
  for (std::size_t i = 0; i < 2; ++i) {
    blob(files, manifest.at("layers")[i]);
    // Layers are not compressed, so their digests are also diff ids.
    CHECK(config.at("rootfs").at("diff_ids")[i] == manifest.at("layers")[i].at("digest"));
    CHECK(manifest.at("layers")[i].at("mediaType") == "application/vnd.oci.image.layer.v1.tar");
  }
  // kubeadm's manifests name commands without a path.
  const json pause = json::parse(blob(files, json::parse(blob(files, index.at("manifests")[1])).at("config")));
  CHECK(contains(pause.at("config").at("Env")[0], "/usr/local/bin"));
  CHECK_FALSE(pause.contains("variant"));
  CHECK_FALSE(pause.at("config").contains("Cmd"));
}

TEST_CASE("what images share is stored once, and nothing else lies there") {
  Fixture f;
  const auto files = f.files(f.make());
  // Two layers, two configs, two manifests, and oci-layout, index.json and manifest.json.
  CHECK(files.size() == 3 + 6);
  f.images.push_back(f.images[1]);
  f.images.back().reference = "registry.k8s.io/pause:again";
  CHECK(f.files(f.make()).size() == 3 + 6);
}

TEST_CASE("layers keep owners and modes, and no time is later than the epoch") {
  Fixture f;
  const auto files = f.files(f.make(1000000000));
  const json index = json::parse(files.at("index.json"));
  const json manifest = json::parse(blob(files, index.at("manifests")[0]));
  const Tree lower = read_tar_bytes(f.context.store(), blob(files, manifest.at("layers")[0]), {.origin = ""}, "lower");
  const Tree upper = read_tar_bytes(f.context.store(), blob(files, manifest.at("layers")[1]), {.origin = ""}, "upper");
  CHECK(lower.find("usr/bin/multi")->mtime == 1000000000);
  CHECK(lower.find("usr/bin/multi")->mode == 0755);
  CHECK(upper.find("etc/owned")->uid == 65535);
  CHECK(upper.find("etc/owned")->mode == 0640);
  CHECK(upper.find("usr/bin/kube-proxy")->target == "multi");
}

TEST_CASE("the same images give the same archive; any change gives another") {
  Fixture f, g;
  const Value archive = f.make();
  CHECK(archive == g.make());
  g.images[0].variant = "v7";
  CHECK(g.make().digest != archive.digest);
  CHECK(f.make(1763195592).digest != archive.digest);
}

TEST_CASE("a reference without a tag is refused") {
  Fixture f;
  for (const char* reference : {"registry.k8s.io/pause", "localhost:5000/pause", "", "pause:"}) {
    INFO(reference);
    f.images[0].reference = reference;
    CHECK(contains(failure([&] { f.make(); }), "has no tag"));
  }
  f.images[0].reference = "localhost:5000/pause:1";
  const json index = json::parse(f.files(f.make()).at("index.json"));
  CHECK(index.at("manifests")[0].at("annotations").at("org.opencontainers.image.ref.name") == "localhost:5000/pause:1");
}

TEST_CASE("python's tarfile reads it and finds every digest right") {
  Fixture f;
  const char* const program = R"(
import hashlib, json, sys, tarfile
with tarfile.open(sys.argv[1], "r:") as archive:
    names = archive.getnames()
    assert len(names) == len(set(names)), "a name twice"
    for member in archive.getmembers():
        assert member.uid == 0 and member.mtime <= 1763195591, member
        if member.isfile() and member.name.startswith("blobs/"):
            assert hashlib.sha256(archive.extractfile(member).read()).hexdigest() == member.name.split("/")[2], member
    index = json.load(archive.extractfile("index.json"))
    print(",".join(m["annotations"]["io.containerd.image.name"] for m in index["manifests"]))
)";
  CHECK(output_of({"python3", "-c", program, f.path(f.make())}) ==
        "registry.k8s.io/kube-proxy:v1.37.1,registry.k8s.io/pause:3.10.2\n");
}

TEST_CASE("skopeo reads it and copies an image out of it") {
  Fixture f;
  const fs::path archive = f.context.folder() / "images.tar", layout = f.context.folder() / "layout";
  fs::copy_file(f.path(f.make()), archive);
  const json seen = json::parse(
      output_of({"skopeo", "inspect", "oci-archive:" + archive.string() + ":registry.k8s.io/kube-proxy:v1.37.1"}));
  CHECK(seen.at("Architecture") == "arm");
  CHECK(seen.at("Layers").size() == 2);
  CHECK(seen.at("Env") == json{"A=b"});
  // Copying verifies every digest and the layers against their diff_ids.
  output_of({"skopeo", "copy", "--insecure-policy", "--tmpdir", f.context.folder().string(),
             "oci-archive:" + archive.string() + ":registry.k8s.io/pause:3.10.2", "oci:" + layout.string() + ":pause"});
  CHECK(fs::exists(layout / "index.json"));
  // The archive in the form that older versions of Docker read.
  const json docker = json::parse(output_of(
      {"skopeo", "inspect", "--config", "docker-archive:" + archive.string() + ":registry.k8s.io/kube-proxy:v1.37.1"}));
  CHECK(docker.at("variant") == "v6");
  CHECK(docker.at("config").at("Entrypoint") == json{"/usr/bin/kube-proxy"});
}

TEST_CASE("variants: arm has one for each version, arm64 has v8, and nobody else has any") {
  CHECK(oci_variant("arm", "6") == "v6");
  CHECK(oci_variant("arm", "7") == "v7");
  CHECK(oci_variant("arm64", "") == "v8");
  for (const char* other : {"amd64", "riscv64", "s390x", "ppc64le"}) CHECK(oci_variant(other, "").empty());
}

TEST_CASE("manifest.json lists the same images for Docker") {
  Fixture f;
  const auto files = f.files(f.make());
  const json docker = json::parse(files.at("manifest.json")), index = json::parse(files.at("index.json"));
  REQUIRE(docker.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const json manifest = json::parse(blob(files, index.at("manifests")[i]));
    const auto path = [](const json& descriptor) {
      return "blobs/sha256/" + descriptor.at("digest").get<std::string>().substr(7);
    };
    json layers = json::array();
    for (const auto& layer : manifest.at("layers")) layers.push_back(path(layer));
    CHECK(docker[i] ==
          json{{"Config", path(manifest.at("config"))}, {"RepoTags", {f.images[i].reference}}, {"Layers", layers}});
  }
}

TEST_CASE("an image's SBOM is an artifact that refers to it, and no image of its own") {
  Fixture f;
  const std::size_t before = f.files(f.make()).size();
  f.images[1].contents = {{.kind = SoftwarePackage::Kind::Component,
                           .name = "pause",
                           .version = "3.10.2",
                           .license = "Apache-2.0",
                           .purl = generic_purl("pause", "3.10.2")}};
  const auto files = f.files(f.make());
  CHECK(files.size() == before + 3);  // document, empty config, manifest
  const json index = json::parse(files.at("index.json"));
  REQUIRE(index.at("manifests").size() == 3);
  const json& entry = index.at("manifests")[2];
  CHECK(entry.at("artifactType") == "application/spdx+json");
  CHECK(entry.at("annotations") == json{{"io.containerd.manifest.subject", index.at("manifests")[1].at("digest")}});
  CHECK_FALSE(entry.contains("platform"));
  const json artifact = json::parse(blob(files, entry));
  CHECK(artifact.at("artifactType") == "application/spdx+json");
  CHECK(artifact.at("subject").at("digest") == index.at("manifests")[1].at("digest"));
  CHECK(artifact.at("subject").at("size") == index.at("manifests")[1].at("size"));
  CHECK(artifact.at("config").at("mediaType") == "application/vnd.oci.empty.v1+json");
  CHECK(blob(files, artifact.at("config")) == "{}");
  REQUIRE(artifact.at("layers").size() == 1);
  CHECK(json::parse(blob(files, artifact.at("layers")[0])).at("name") == "registry.k8s.io/pause:3.10.2");
  CHECK(json::parse(files.at("manifest.json")).size() == 2);
}

TEST_CASE("layouts of several architectures become one, with an index for each reference") {
  Fixture f;
  Store& store = f.context.store();
  const auto layout = [&](const char* architecture, const char* variant) {
    std::vector<OciImage> images = f.images;
    for (auto& image : images) image.architecture = architecture, image.variant = variant;
    images[1].contents = {{.kind = SoftwarePackage::Kind::Component,
                           .name = "pause",
                           .version = "3.10.2",
                           .license = {},
                           .purl = generic_purl("pause", "3.10.2")}};
    return make_oci_layout(store, images, 1763195591);
  };
  const Tree v6 = layout("arm", "v6"), v7 = layout("arm", "v7"), s390x = layout("s390x", "");
  const Tree joined = merge_oci_layouts(store, {v7, s390x, v6});
  CHECK(joined.serialise() == merge_oci_layouts(store, {v6, v7, s390x}).serialise());
  CHECK_FALSE(joined.find("manifest.json"));
  const auto read = [&](const std::string& path) { return store.read(joined.find(path)->content); };
  // Two layers and the empty config are shared; three of config, manifest (2 images each), SBOM, artifact; two indexes.
  std::size_t blobs = 0;
  for (const auto& [path, node] : joined.nodes()) {
    if (!path.starts_with("blobs/sha256/")) continue;
    ++blobs;
    CHECK(path.substr(13) == sha256(store.read(node.content)).hex());
  }
  CHECK(blobs == 3 + 3 * (2 + 2 + 1 + 1) + 2);
  const json index = json::parse(read("index.json"));
  REQUIRE(index.at("manifests").size() == 2 + 3);
  CHECK(index.at("manifests")[0].at("annotations") ==
        json{{"io.containerd.image.name", "registry.k8s.io/kube-proxy:v1.37.1"},
             {"org.opencontainers.image.ref.name", "registry.k8s.io/kube-proxy:v1.37.1"}});
  CHECK(index.at("manifests")[0].at("mediaType") == "application/vnd.oci.image.index.v1+json");
  const json proxy =
      json::parse(read("blobs/sha256/" + index.at("manifests")[0].at("digest").get<std::string>().substr(7)));
  const json expected[] = {{{"architecture", "arm"}, {"os", "linux"}, {"variant", "v6"}},
                           {{"architecture", "arm"}, {"os", "linux"}, {"variant", "v7"}},
                           {{"architecture", "s390x"}, {"os", "linux"}}};
  REQUIRE(proxy.at("manifests").size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(proxy.at("manifests")[i].at("platform") == expected[i]);
  const json of_v6 = json::parse(store.read(v6.find("index.json")->content));
  CHECK(proxy.at("manifests")[0].at("digest") == of_v6.at("manifests")[0].at("digest"));
  CHECK_FALSE(proxy.at("manifests")[0].contains("annotations"));
  for (std::size_t i = 2; i < 5; ++i) CHECK(index.at("manifests")[i].at("artifactType") == "application/spdx+json");

  CHECK(contains(failure([&] { merge_oci_layouts(store, {v6, v6}); }),
                 "registry.k8s.io/kube-proxy:v1.37.1 exists twice for linux/arm/v6"));
}

TEST_CASE("golden: the index of two architectures") {
  TestContext context;
  Tree layer;
  layer.add_file(context.store(), "pause", "p", 0755, "component:pause");
  const auto layout = [&](const char* architecture, const char* variant) {
    return make_oci_layout(context.store(),
                           {{.reference = "registry.k8s.io/pause:3.10.2",
                             .architecture = architecture,
                             .variant = variant,
                             .layers = {layer},
                             .entrypoint = {"/pause"},
                             .command = {},
                             .environment = {},
                             .user = {},
                             .labels = {},
                             .contents = {}}},
                           0);
  };
  const Tree joined = merge_oci_layouts(context.store(), {layout("arm", "v6"), layout("riscv64", "")});
  const json top = json::parse(context.store().read(joined.find("index.json")->content));
  REQUIRE(top.at("manifests").size() == 1);
  CHECK(context.store().read(
            joined.find("blobs/sha256/" + top.at("manifests")[0].at("digest").get<std::string>().substr(7))->content) ==
        golden_index);
}

TEST_CASE("skopeo chooses an architecture and variant out of the index") {
  Fixture f;
  std::vector<Tree> layouts;
  for (const char* variant : {"v6", "v7"}) {
    for (auto& image : f.images) image.architecture = "arm", image.variant = variant;
    layouts.push_back(make_oci_layout(f.context.store(), f.images, 1763195591));
  }
  const Tree joined = merge_oci_layouts(f.context.store(), layouts);
  const fs::path folder = checkout(f.context.store(), put_tree(f.context.store(), joined));
  for (const std::string variant : {"v6", "v7"}) {
    const json config =
        json::parse(output_of({"skopeo", "--override-arch", "arm", "--override-variant", variant, "inspect", "--config",
                               "oci:" + folder.string() + ":registry.k8s.io/kube-proxy:v1.37.1"}));
    CHECK(config.at("architecture") == "arm");
    CHECK(config.at("variant") == variant);
  }
}
