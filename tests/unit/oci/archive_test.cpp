// OCI archives, read back by others: python's tarfile, and skopeo where images are copied out of them.
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
  const CommandResult result = system_runner().run({.argv = argv, .environment = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}, {"LC_ALL", "C.UTF-8"}, {"HOME", "/nonexistent"}}, .working_folder = folder,
                                                    .capture_stdout = true, .input = input});
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
    images = {{.reference = "registry.k8s.io/kube-proxy:v1.37.1", .architecture = "arm", .variant = "v6", .layers = {base, app}, .entrypoint = {"/usr/bin/kube-proxy"}, .command = {"--help"},
               .environment = {"A=b"}, .user = "65535:65535"},
              {.reference = "registry.k8s.io/pause:3.10.2", .architecture = "amd64", .variant = "", .layers = {base}, .entrypoint = {"/pause"}, .command = {}, .environment = {}, .user = ""}};
  }
  Value make(std::int64_t epoch = 1763195591) { return make_oci_archive(context.store(), images, epoch); }
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
  CHECK(entry.at("annotations").at("org.opencontainers.image.ref.name") == "v1.37.1");
  CHECK(index.at("manifests")[1].at("platform") == json{{"architecture", "amd64"}, {"os", "linux"}});

  const json manifest = json::parse(blob(files, entry));
  CHECK(manifest.at("schemaVersion") == 2);
  REQUIRE(manifest.at("layers").size() == 2);
  const json config = json::parse(blob(files, manifest.at("config")));
  CHECK(config.at("architecture") == "arm");
  CHECK(config.at("variant") == "v6");
  CHECK(config.at("os") == "linux");
  CHECK(config.at("created") == "2025-11-15T08:33:11Z");
  CHECK(config.at("config") == json{{"Env", {"A=b"}}, {"Entrypoint", {"/usr/bin/kube-proxy"}}, {"Cmd", {"--help"}}, {"User", "65535:65535"}});
  for (std::size_t i = 0; i < 2; ++i) {
    blob(files, manifest.at("layers")[i]);
    // Uncompressed, so the layer is its own diff.
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
  // Two layers, two configs, two manifests.
  CHECK(files.size() == 2 + 6);
  f.images.push_back(f.images[1]);
  f.images.back().reference = "registry.k8s.io/pause:again";
  CHECK(f.files(f.make()).size() == 2 + 6);
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
  CHECK(index.at("manifests")[0].at("annotations").at("org.opencontainers.image.ref.name") == "1");
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
  CHECK(output_of({"python3", "-c", program, f.path(f.make())}) == "registry.k8s.io/kube-proxy:v1.37.1,registry.k8s.io/pause:3.10.2\n");
}

TEST_CASE("skopeo reads it and copies an image out of it") {
  Fixture f;
  const fs::path archive = f.context.folder() / "images.tar", layout = f.context.folder() / "layout";
  fs::copy_file(f.path(f.make()), archive);
  const json seen = json::parse(output_of({"skopeo", "inspect", "oci-archive:" + archive.string() + ":v1.37.1"}));
  CHECK(seen.at("Architecture") == "arm");
  CHECK(seen.at("Layers").size() == 2);
  CHECK(seen.at("Env") == json{"A=b"});
  // Copying verifies every digest and the layers against their diff_ids.
  output_of({"skopeo", "copy", "--insecure-policy", "--tmpdir", f.context.folder().string(), "oci-archive:" + archive.string() + ":3.10.2", "oci:" + layout.string() + ":pause"});
  CHECK(fs::exists(layout / "index.json"));
}
