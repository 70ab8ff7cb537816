// Tests the import of other people's images: OCI layouts and Docker's archives, with everything that can be wrong.
#include "oci/import.hpp"

#include <nlohmann/json.hpp>

#include "oci/archive.hpp"
#include "oci/reference.hpp"
#include "process/command.hpp"
#include "support/catch.hpp"
#include "support/step_context.hpp"
#include "tree/archive.hpp"
#include "util/text.hpp"

using namespace k8simg;
using namespace k8simg::test;
using nlohmann::json;

namespace {

constexpr std::int64_t import_epoch = 1763195591;
const Platform amd64{.os = "linux", .architecture = "amd64", .variant = ""};

std::string gzipped(const std::string& bytes) {
  const CommandResult result = system_runner().run({.argv = {"gzip", "--no-name"},
                                                    .environment = {{"PATH", "/usr/bin:/bin"}},
                                                    .working_folder = fs::temp_directory_path(),
                                                    .capture_stdout = true,
                                                    .input = bytes});
  REQUIRE(result.exit_code == 0);
  return result.output;
}

/// Builds archives part by part, as docker and skopeo would.
struct Workbench {
  TestContext context;
  Store& store = context.store();
  Tree members;

  std::string layer(const std::string& content) {
    Tree tree;
    tree.add_file(store, "bin/app", content, 0755, "test");
    tree.add_missing_parents("test");
    return store.read(make_oci_archive(store, tree, import_epoch).digest);
  }
  void file(const std::string& path, const std::string& text) { members.add_file(store, path, text, 0644, "test"); }
  /// Adds a blob, and returns its descriptor.
  json blob_of(const std::string& type, const std::string& text) {
    const std::string hex = sha256(text).hex();
    file("blobs/sha256/" + hex, text);
    return {{"mediaType", type}, {"digest", "sha256:" + hex}, {"size", text.size()}};
  }
  json config_of(const Platform& platform, const std::vector<std::string>& layers) {
    json config{{"architecture", platform.architecture},
                {"os", platform.os},
                {"rootfs", {{"type", "layers"}, {"diff_ids", json::array()}}}};
    if (!platform.variant.empty()) config["variant"] = platform.variant;
    for (const auto& each : layers) config["rootfs"]["diff_ids"].push_back("sha256:" + sha256(each).hex());
    return config;
  }
  /// Adds an image with gzipped layers; returns the descriptor of its manifest.
  json image(const Platform& platform, const std::vector<std::string>& layers) {
    json list = json::array();
    for (const auto& each : layers)
      list.push_back(blob_of("application/vnd.oci.image.layer.v1.tar+gzip", gzipped(each)));
    const json config = blob_of("application/vnd.oci.image.config.v1+json", config_of(platform, layers).dump());
    json entry = blob_of("application/vnd.oci.image.manifest.v1+json",
                         json{{"schemaVersion", 2}, {"config", config}, {"layers", list}}.dump());
    entry["platform"] = {{"os", platform.os}, {"architecture", platform.architecture}};
    if (!platform.variant.empty()) entry["platform"]["variant"] = platform.variant;
    return entry;
  }
  static json named(json entry, const std::string& name) {
    entry["annotations"] = {{"org.opencontainers.image.ref.name", name}};
    return entry;
  }
  void index(const std::vector<json>& entries) {
    file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    file("index.json", json{{"schemaVersion", 2}, {"manifests", entries}}.dump());
  }
  ImportRequest request(const Platform& machine = amd64) const {
    return {.from = "oci:app.tar", .names = {}, .machine = machine};
  }
  Tree take(const ImportRequest& asked) { return import_oci_layout(store, members, asked, import_epoch); }
  Tree take() { return take(request()); }
  std::string refusal(const ImportRequest& asked) {
    return failure([&] { take(asked); });
  }
  std::string refusal() { return refusal(request()); }
  std::vector<std::string> names(const Tree& layout) { return layout_references(store, layout); }
  json entries(const Tree& layout) {
    return json::parse(store.read(layout.find("index.json")->content)).at("manifests");
  }

  /// Adds a Docker archive with one image of the given layers.
  void docker(const Platform& platform, const std::vector<std::string>& layers, const json& tags) {
    const std::string config = config_of(platform, layers).dump(), name = sha256(config).hex() + ".json";
    file(name, config);
    json paths = json::array();
    for (std::size_t i = 0; i < layers.size(); ++i) {
      paths.push_back(std::to_string(i) + "/layer.tar");
      file(paths.back(), layers[i]);
    }
    json images = json::array();
    if (const Node* before = members.find("manifest.json")) images = json::parse(store.read(before->content));
    images.push_back({{"Config", name}, {"RepoTags", tags}, {"Layers", paths}});
    file("manifest.json", images.dump());
  }
  Tree take_docker(const ImportRequest& asked) { return import_docker_archive(store, members, asked, import_epoch); }
};

}  // namespace

TEST_CASE("references have the defaults of Docker, and containerd's name") {
  const std::map<std::string, std::string> names{
      {"nginx", "docker.io/library/nginx:latest"},
      {"nginx:1.27", "docker.io/library/nginx:1.27"},
      {"me/app", "docker.io/me/app:latest"},
      {"localhost/app:1", "localhost/app:1"},
      {"localhost:5000/app", "localhost:5000/app:latest"},
      {"registry.example/a/b__c/d--e.f:v1", "registry.example/a/b__c/d--e.f:v1"},
      {"[::1]:5000/app:1", "[::1]:5000/app:1"},
      {"app:1@sha256:" + std::string(64, 'a'), "docker.io/library/app@sha256:" + std::string(64, 'a')}};
  for (const auto& [text, name] : names) {
    INFO(text);
    REQUIRE(parse_image_reference(text));
    CHECK(parse_image_reference(text)->text() == name);
    CHECK(parse_image_reference(name)->text() == name);
  }
  for (const char* text : {"", ":1", "App:1", "a//b", "/a", "a/", "a:", "a: 1", "a b", "a_", "-a", "a..b", "a___b",
                           "registry.example:x/app", "a@sha256:abc", "a@sha512:00", "http://registry.example/app"}) {
    INFO(text);
    CHECK_FALSE(parse_image_reference(text));
  }
}

TEST_CASE("a layout keeps its manifests and compressed layers, and gets containerd's names") {
  Workbench w;
  const json image = w.image(amd64, {w.layer("one"), w.layer("two")});
  w.index({w.named(image, "registry.example/app:1.0")});
  const Tree layout = w.take();
  CHECK(w.names(layout) == std::vector<std::string>{"registry.example/app:1.0",
                                                    "registry.example/app@" + image.at("digest").get<std::string>()});
  for (const json& entry : w.entries(layout)) {
    CHECK(entry.at("digest") == image.at("digest"));
    CHECK(entry.at("platform") == json{{"architecture", "amd64"}, {"os", "linux"}});
    CHECK(entry.at("annotations").at("io.containerd.image.name") ==
          entry.at("annotations").at("org.opencontainers.image.ref.name"));
  }
  // The same blobs as before, and nothing else: two layers, configuration, manifest.
  std::size_t blobs = 0;
  for (const auto& [path, node] : layout.nodes()) {
    if (!path.starts_with("blobs/sha256/")) continue;
    ++blobs;
    CHECK(path.substr(13) == node.content.hex());
    CHECK(w.members.find(path)->content == node.content);
  }
  CHECK(blobs == 4);
  CHECK(layout.serialise() == w.take().serialise());
}

TEST_CASE("containerd's own name wins, and a name can be set") {
  Workbench w;
  json image = w.named(w.image(amd64, {w.layer("one")}), "1.0");
  w.index({image});
  CHECK(contains(w.refusal(), "oci:app.tar: \"1.0\" is not the whole name of an image"));
  CHECK(contains(w.refusal(), "set `name` in this [[image.extra]]"));
  ImportRequest asked = w.request();
  asked.names = {"registry.example/mine:2"};
  CHECK(w.names(w.take(asked)).front() == "registry.example/mine:2");
  image["annotations"]["io.containerd.image.name"] = "docker.io/library/app:1.0";
  w.index({image});
  CHECK(w.names(w.take()).front() == "docker.io/library/app:1.0");
  image.erase("annotations");
  w.index({image});
  CHECK(contains(w.refusal(), "the image has no name"));
}

TEST_CASE("several images, several names of one image, and what is no image") {
  Workbench w;
  const json first = w.image(amd64, {w.layer("one")}), second = w.image(amd64, {w.layer("two")});
  json artifact = second;
  artifact["artifactType"] = "application/spdx+json";
  w.index({w.named(first, "registry.example/app:1"), w.named(first, "registry.example/app:latest"),
           w.named(second, "registry.example/other:1"), artifact});
  const auto names = w.names(w.take());
  CHECK(names.size() == 5);  // three tags, two digests
  ImportRequest asked = w.request();
  asked.names = {"registry.example/mine:2"};
  CHECK(contains(w.refusal(asked),
                 "`name` is set, but there are 2 images: registry.example/app:1, "
                 "registry.example/app:latest, registry.example/other:1"));
  w.index({w.named(first, "registry.example/app:1"), w.named(first, "registry.example/app:latest")});
  CHECK(w.names(w.take(asked)).size() == 2);
  w.index({});
  CHECK(contains(w.refusal(), "contains no container image"));
  json chart = w.blob_of("application/vnd.cncf.helm.config.v1+json", "{}");
  w.index({w.named(w.blob_of("application/vnd.oci.image.manifest.v1+json",
                             json{{"config", chart}, {"layers", json::array()}}.dump()),
                   "registry.example/chart:1")});
  CHECK(contains(w.refusal(), " is not a container image, but application/vnd.cncf.helm.config.v1+json"));
}

TEST_CASE("of an image for several platforms, the most suitable is taken") {
  const Platform v5{"linux", "arm", "v5"}, v6{"linux", "arm", "v6"}, v7{"linux", "arm", "v7"},
      arm64{"linux", "arm64", ""}, arm64_v8{"linux", "arm64", "v8"};
  Workbench w;
  std::vector<json> manifests;
  for (const Platform& platform : {v7, v5, v6, arm64, amd64}) manifests.push_back(w.image(platform, {w.layer("one")}));
  json attestation = manifests.front();
  attestation["platform"] = {{"os", "unknown"}, {"architecture", "unknown"}};
  manifests.push_back(attestation);
  const json index =
      w.blob_of("application/vnd.oci.image.index.v1+json", json{{"schemaVersion", 2}, {"manifests", manifests}}.dump());
  w.index({w.named(index, "registry.example/app:1")});
  const auto chosen = [&](const Platform& machine) { return w.entries(w.take(w.request(machine)))[0].at("platform"); };
  CHECK(chosen(v6).at("variant") == "v6");
  CHECK(chosen(v7).at("variant") == "v7");
  CHECK(chosen(v5).at("variant") == "v5");
  CHECK(chosen(arm64_v8).at("architecture") == "arm64");
  // Pods ask for the digest of the index.
  CHECK(w.names(w.take())[1] == "registry.example/app@" + index.at("digest").get<std::string>());
  CHECK(contains(w.refusal(w.request({"linux", "riscv64", ""})),
                 "oci:app.tar: registry.example/app:1 is for linux/amd64, linux/arm/v5, linux/arm/v6, linux/arm/v7, "
                 "linux/arm64, but the board needs linux/riscv64"));
}

TEST_CASE("the configuration of an image decides about its platform, and ARM without a variant is v7") {
  Workbench w;
  json image = w.image({"linux", "arm", ""}, {w.layer("one")});
  w.index({w.named(image, "registry.example/app:1")});
  CHECK(contains(w.refusal(), "is for linux/arm, but the board needs linux/amd64"));
  CHECK(contains(w.refusal(w.request({"linux", "arm", "v6"})), "is for linux/arm, but the board needs linux/arm/v6"));
  CHECK(w.refusal(w.request({"linux", "arm", "v7"})).empty());
  image["platform"]["architecture"] = "amd64";
  w.index({w.named(image, "registry.example/app:1")});
  CHECK(contains(w.refusal(), "is for linux/arm, but the board needs linux/amd64"));
}

TEST_CASE("blobs with another digest or size, and missing ones, are refused") {
  Workbench w;
  json image = w.named(w.image(amd64, {w.layer("one")}), "registry.example/app:1");
  const std::string path = "blobs/sha256/" + image.at("digest").get<std::string>().substr(7);
  w.index({image});
  const Node manifest = *w.members.find(path);
  w.file(path, w.store.read(manifest.content) + " ");
  CHECK(contains(w.refusal(), path + " has the digest sha256:"));
  w.members.erase(path);
  CHECK(contains(w.refusal(), path + " is missing"));
  w.members.set(path, manifest);
  image["size"] = 1;
  w.index({image});
  CHECK(contains(w.refusal(), "bytes, but 1 are stated"));
  image["digest"] = "sha512:00";
  w.index({image});
  CHECK(contains(w.refusal(), "the digest \"sha512:00\" is not one of SHA-256"));
  image["digest"] = "sha256:../../index.json";
  w.index({image});
  CHECK(contains(w.refusal(), "is not one of SHA-256"));
  w.file("index.json", "{");
  CHECK(contains(w.refusal(), "oci:app.tar: index.json: "));
  w.file("index.json", "[]");
  CHECK(contains(w.refusal(), "oci:app.tar: index.json: "));
}

TEST_CASE("a layer must be what the configuration says after decompression") {
  Workbench w;
  const std::string good = w.layer("one"), other = w.layer("two");
  const auto with_layer = [&](const std::string& bytes) {
    const json config = w.blob_of("application/vnd.oci.image.config.v1+json", w.config_of(amd64, {good}).dump());
    const json layer = w.blob_of("application/vnd.oci.image.layer.v1.tar+gzip", bytes);
    w.index({w.named(w.blob_of("application/vnd.oci.image.manifest.v1+json",
                               json{{"schemaVersion", 2}, {"config", config}, {"layers", {layer}}}.dump()),
                     "registry.example/app:1")});
    return w.refusal();
  };
  CHECK(with_layer(gzipped(good)).empty());
  CHECK(with_layer(good).empty());
  CHECK(contains(with_layer(gzipped(other)), "after decompression, but the configuration states"));
  CHECK(contains(with_layer(gzipped(good).substr(0, 60)), "cannot be decompressed"));
  CHECK(contains(with_layer(""), "cannot be decompressed"));
}

TEST_CASE("Docker's archives: tags, layers, and a manifest that is made") {
  Workbench w;
  w.docker(amd64, {w.layer("one"), w.layer("two")}, {"app:1.0", "registry.example/app:latest"});
  ImportRequest asked = w.request();
  asked.from = "docker-archive:app.tar";
  const Tree layout = w.take_docker(asked);
  CHECK(w.names(layout) == std::vector<std::string>{"docker.io/library/app:1.0", "registry.example/app:latest"});
  const json entry = w.entries(layout)[0];
  const json manifest = json::parse(
      w.store.read(layout.find("blobs/sha256/" + entry.at("digest").get<std::string>().substr(7))->content));
  REQUIRE(manifest.at("layers").size() == 2);
  CHECK(manifest.at("layers")[1].at("digest") == "sha256:" + sha256(w.layer("two")).hex());
  CHECK(manifest.at("layers")[1].at("mediaType") == "application/vnd.oci.image.layer.v1.tar");
  // The result can be imported again, as an OCI layout.
  w.members = layout;
  CHECK(w.names(w.take()).size() == 4);

  Workbench other;
  other.docker({"linux", "arm64", ""}, {other.layer("one")}, {"app:1.0"});
  CHECK(contains(failure([&] { other.take_docker(asked); }),
                 "docker-archive:app.tar: app:1.0 is for linux/arm64, but the board needs linux/amd64"));
}

TEST_CASE("Docker's archives that are wrong") {
  ImportRequest asked;
  asked.from = "docker-archive:app.tar", asked.machine = amd64;
  const auto refused = [&](Workbench& w) { return failure([&] { w.take_docker(asked); }); };
  Workbench untagged;
  untagged.docker(amd64, {untagged.layer("one")}, nullptr);
  CHECK(contains(refused(untagged), "the image has no name"));
  asked.names = {"registry.example/app:1"};
  CHECK(refused(untagged).empty());
  untagged.docker(amd64, {untagged.layer("two")}, {"x:1"});
  CHECK(contains(refused(untagged), "`name` is set, but there are 2 images"));
  asked.names.clear();
  Workbench swapped;
  swapped.docker(amd64, {swapped.layer("one")}, {"x:1"});
  swapped.file("0/layer.tar", swapped.layer("two"));
  CHECK(contains(refused(swapped), "layer 0/layer.tar has the digest sha256:"));
  swapped.members.erase("0/layer.tar");
  CHECK(contains(refused(swapped), "0/layer.tar is missing"));
  // Old versions of Docker store a layer that two images share as a link.
  swapped.file("other/layer.tar", swapped.layer("one"));
  swapped.members.add_symlink("0/layer.tar", "../other/layer.tar", "test");
  swapped.members.add_missing_parents("test");
  CHECK(refused(swapped).empty());
  swapped.members.add_symlink("0/layer.tar", "../../../../etc/passwd", "test");
  CHECK(contains(refused(swapped), "0/layer.tar is missing"));
  Workbench layout;
  layout.index({});
  CHECK(contains(refused(layout), "write oci:FILE for an OCI layout"));
  CHECK(contains(swapped.refusal(), "write docker-archive:FILE"));
  Workbench forged;
  forged.docker(amd64, {forged.layer("one")}, {"x:1"});
  const std::string config =
      json::parse(forged.store.read(forged.members.find("manifest.json")->content))[0].at("Config");
  forged.file(config, forged.config_of(amd64, {forged.layer("one")}).dump() + " ");
  CHECK(contains(refused(forged), config + " has the digest"));
}

TEST_CASE("layouts are joined by name; a name for two images is refused") {
  Workbench w;
  w.index({w.named(w.image(amd64, {w.layer("one")}), "registry.example/b:1")});
  const Tree first = w.take();
  w.index({w.named(w.image(amd64, {w.layer("two")}), "registry.example/a:1")});
  const Tree second = w.take();
  const Tree joined = join_oci_layouts(w.store, {first, second}, import_epoch);
  CHECK(joined.serialise() == join_oci_layouts(w.store, {second, first, second}, import_epoch).serialise());
  const auto names = w.names(joined);
  REQUIRE(names.size() == 4);
  CHECK(names[0] == "registry.example/a:1");
  CHECK(names[2] == "registry.example/b:1");
  w.index({w.named(w.image(amd64, {w.layer("two")}), "registry.example/b:1")});
  const Tree third = w.take();
  CHECK(contains(failure([&] { join_oci_layouts(w.store, {first, third}, import_epoch); }),
                 "two container images have the name registry.example/b:1"));
}
