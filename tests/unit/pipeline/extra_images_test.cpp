// Tests the steps for container images of the user's: their inputs, the import, and the fetch with skopeo.
#include "pipeline/extra_images.hpp"

#include <nlohmann/json.hpp>

#include "oci/archive.hpp"
#include "oci/registry.hpp"
#include "process/command.hpp"
#include "project.hpp"
#include "support/catch.hpp"
#include "tree/archive.hpp"

using namespace k8simg;
using namespace k8simg::test;
using nlohmann::json;

namespace {

constexpr std::int64_t extra_epoch = 1763195591;

/// An archive with one image for `architecture`.
std::string archive_of(Store& store, const std::string& reference, const std::string& architecture = "amd64") {
  Tree layer;
  layer.add_file(store, "bin/app", reference, 0755, "test");
  layer.add_missing_parents("test");
  const std::vector<OciImage> images{
      {.reference = reference, .architecture = architecture, .variant = "", .layers = {layer}}};
  return store.read(make_oci_archive(store, make_oci_layout(store, images, extra_epoch), extra_epoch).digest);
}

/// Plays skopeo: answers `inspect` with a text, and `copy` with files.
class FakeSkopeo : public CommandRunner {
 public:
  CommandResult run(const Command& command, std::stop_token) override {
    commands.push_back(command.argv);
    if (command.capture_stdout) return {.exit_code = 0, .output = inspected};
    for (std::size_t i = 0; i + 2 < command.argv.size(); ++i)
      if (command.argv[i] == "--bind" && command.argv[i + 2] == "/out")
        for (const auto& [name, text] : files) write_file_atomically(fs::path(command.argv[i + 1]) / name, text);
    return {};
  }
  std::string inspected;
  std::map<std::string, std::string> files;
  std::vector<std::vector<std::string>> commands;
};

class SkopeoContext : public TestContext {
 public:
  CommandRunner& runner() override { return skopeo; }
  FakeSkopeo skopeo;

  /// Serves the first image of an archive.
  std::string serve(const std::string& archive) {
    const Tree layout = read_tar_bytes(store(), archive, {.origin = "test"}, "archive");
    const auto text = [&](const std::string& digest) {
      return store().read(layout.find("blobs/sha256/" + digest.substr(7))->content);
    };
    const json index = json::parse(store().read(layout.find("index.json")->content));
    const std::string digest = index.at("manifests")[0].at("digest");
    skopeo.inspected = skopeo.files["manifest.json"] = text(digest);
    skopeo.files["version"] = "Directory Transport Version: 1.1\n";
    const json manifest = json::parse(skopeo.inspected);
    std::vector<std::string> blobs{manifest.at("config").at("digest")};
    for (const json& layer : manifest.at("layers")) blobs.push_back(layer.at("digest"));
    for (const auto& blob : blobs) skopeo.files[blob.substr(7)] = text(blob);
    return digest;
  }
  Tree fetch(const std::string& name, const std::string& digest) {
    remove_all_forced(scratch());
    fs::create_directories(scratch());
    return fetch_image(*this, folder() / "tools", {.name = name, .tag = "", .digest = digest},
                       {.architecture = "amd64", .variant = ""});
  }
};

bool has_word(const std::vector<std::string>& argv, const std::string& word) {
  return std::find(argv.begin(), argv.end(), word) != argv.end();
}

}  // namespace

TEST_CASE("without images of the user's, no step is added") {
  Project p;
  StepGraph graph;
  add_sources(graph, {"images/archive", "images/compressed"});
  const ImageSteps own{BlobPort{"archive"}.of("images/compressed"), BlobPort{"list"}.of("images/archive"),
                       TreePort{"layout"}.of("images/archive"), BlobPort{"archive"}.of("images/archive")};
  const auto images = add_extra_image_steps(graph, p.context.store(), p.config, &own, {}, extra_epoch);
  CHECK(graph.steps().size() == 2);
  CHECK(std::get<OutputRef>(images.tar.source).step == "images/archive");
}

TEST_CASE("archives and folders are inputs, an image of a registry has a step of its own") {
  Project p;
  p.write("images/app.tar", archive_of(p.context.store(), "registry.example/app:1"));
  p.write("images/layout/index.json", "{}");
  const std::string digest(64, 'a');
  p.config.extra_images = {{"docker-archive:images/app.tar", ""},
                           {"oci:images/layout", "registry.example/x:1"},
                           {"docker://registry.example/some/app:2@sha256:" + digest, ""},
                           {"docker://mirror.example/some/app@sha256:" + digest, "registry.example/y:1"}};
  const auto steps = [&] {
    StepGraph graph;
    add_sources(graph, {"tools/registry"});
    int asked = 0;
    const auto tools = [&] { return ++asked, TreePort{"tree"}.of("tools/registry"); };
    add_extra_image_steps(graph, p.context.store(), p.config, nullptr, tools, extra_epoch);
    CHECK(asked == 1);
    return graph;
  };
  const StepGraph graph = steps();
  CHECK(input_names(*graph.find("images/extra")) ==
        std::vector<std::string>{"archive/docker-archive:images/app.tar", "layout/oci:images/layout",
                                 "layout/docker://registry.example/some/app:2@sha256:" + digest,
                                 "layout/docker://mirror.example/some/app@sha256:" + digest});
  const Step* fetch = graph.find("images/fetch/app@aaaaaaaaaaaa");
  REQUIRE(fetch);
  CHECK(fetch->resource == Resource::Network);
  CHECK(input_names(*graph.find("images/joined")) == std::vector<std::string>{"extra"});
  // Another file gives another input.
  const auto value = [](const StepGraph& of) { return std::get<Value>(of.find("images/extra")->inputs[0].source); };
  p.write("images/app.tar", archive_of(p.context.store(), "registry.example/app:2"));
  CHECK(value(steps()).digest != value(graph).digest);
  p.config.extra_images = {{"docker://Registry/Name@sha256:" + digest, ""}};
  CHECK(contains(failure([&] { steps(); }), "is not the reference of an image"));
}

TEST_CASE("imported images are joined with those of the components, and listed") {
  Project p;
  Store& store = p.context.store();
  const auto layout_of = [&](const std::string& reference) {
    return put_tree(store, read_tar_bytes(store, archive_of(store, reference), {.origin = "test"}, "archive"));
  };
  p.write("images/app.tar", archive_of(store, "app:1"));
  const std::string digest(64, 'b'), fetched = "docker://registry.example/b:3@sha256:" + digest;
  p.config.extra_images = {{"docker-archive:images/app.tar", "registry.example/a:9"}, {fetched, ""}};
  StepGraph graph;
  add_sources(graph, {"tools/registry", "images/archive", "images/compressed"});
  const ImageSteps own{BlobPort{"archive"}.of("images/compressed"), BlobPort{"list"}.of("images/archive"),
                       TreePort{"layout"}.of("images/archive"), BlobPort{"archive"}.of("images/archive")};
  const auto images = add_extra_image_steps(
      graph, store, p.config, &own, [] { return TreePort{"tree"}.of("tools/registry"); }, extra_epoch);
  CHECK(std::get<OutputRef>(images.list.source).step == "images/joined");
  const Value archive = store.put_file(p.config.project / "images/app.tar");
  const auto import = [&] {
    return p.context.run(*graph.find("images/extra"), {{"archive/docker-archive:images/app.tar", archive},
                                                       {"layout/" + fetched, layout_of("ignored:1")}});
  };
  const Value extra = import().at("layout");
  const auto joined =
      p.context.run(*graph.find("images/joined"), {{"own", layout_of("registry.k8s.io/pause:3")}, {"extra", extra}});
  const std::string list = store.read(joined.at("list").digest);
  CHECK(contains(list, "registry.example/a:9\n"));
  CHECK(contains(list, "registry.example/b:3\n"));
  CHECK(contains(list, "registry.example/b@sha256:" + digest + "\n"));
  CHECK(contains(list, "registry.k8s.io/pause:3\n"));
  CHECK_FALSE(contains(list, "ignored"));
  const Tree members = read_tar(store, store.path(joined.at("archive").digest), {.origin = "test"});
  CHECK(members.find("index.json")->content == get_tree(store, joined.at("layout").digest).find("index.json")->content);

  // Damaged files are named as the configuration names them.
  const auto refused = [&](const std::string& bytes) {
    const Value bad = store.put(bytes);
    return failure([&] {
      p.context.run(*graph.find("images/extra"),
                    {{"archive/docker-archive:images/app.tar", bad}, {"layout/" + fetched, layout_of("ignored:1")}});
    });
  };
  const std::string whole = store.read(archive.digest);
  CHECK(contains(refused(whole.substr(0, whole.size() / 2)), "docker-archive:images/app.tar: not a valid tar"));
  CHECK(contains(refused("words"), "docker-archive:images/app.tar: not a valid tar"));
  CHECK(contains(refused(archive_of(store, "app:1", "arm64")), "is for linux/arm64, but the board needs linux/amd64"));
}

TEST_CASE("an image is fetched by its digest, and the registry must give what was asked for") {
  SkopeoContext context;
  const std::string digest = context.serve(archive_of(context.store(), "ignored:1"));
  const Tree layout = context.fetch("registry.example/app", digest);
  const json index = json::parse(context.store().read(layout.find("index.json")->content));
  CHECK(index.at("manifests")[0].at("digest") == digest);
  REQUIRE(layout.find("blobs/sha256/" + digest.substr(7)));
  CHECK_FALSE(layout.find("blobs/sha256/version"));
  REQUIRE(context.skopeo.commands.size() == 2);
  CHECK(context.skopeo.commands[0].back() == "docker://registry.example/app@" + digest);
  for (const auto& argv : context.skopeo.commands) {
    CHECK(has_word(argv, "--share-net"));
    CHECK_FALSE(has_word(argv, "--tls-verify=false"));
    CHECK_FALSE(has_word(argv, "--src-tls-verify=false"));
  }
  context.fetch("localhost:5000/app", digest);
  CHECK(has_word(context.skopeo.commands[2], "--tls-verify=false"));
  CHECK(has_word(context.skopeo.commands[3], "--src-tls-verify=false"));
  CHECK(contains(failure([&] { context.fetch("registry.example/app", "sha256:" + std::string(64, 'a')); }),
                 "registry.example/app is " + digest + " at the registry, but sha256:aaaa"));
  context.skopeo.files["manifest.json"] += " ";
  CHECK(contains(failure([&] { context.fetch("registry.example/app", digest); }), "but " + digest + " is expected"));
}

TEST_CASE("of an index, the manifest for the machine is fetched") {
  SkopeoContext context;
  const std::string digest = context.serve(archive_of(context.store(), "ignored:1"));
  const auto index_with = [&](const std::string& architecture) {
    return json{
        {"schemaVersion", 2},
        {"mediaType", "application/vnd.docker.distribution.manifest.list.v2+json"},
        {"manifests",
         {{{"digest", "sha256:" + std::string(64, 'c')}, {"platform", {{"os", "linux"}, {"architecture", "s390x"}}}},
          {{"digest", digest}, {"platform", {{"os", "linux"}, {"architecture", architecture}}}}}}}
        .dump();
  };
  context.skopeo.inspected = index_with("amd64");
  context.fetch("registry.example/app", "sha256:" + sha256(context.skopeo.inspected).hex());
  CHECK(has_word(context.skopeo.commands[1], "docker://registry.example/app@" + digest));
  context.skopeo.inspected = index_with("arm64");
  const std::string other = "sha256:" + sha256(context.skopeo.inspected).hex();
  CHECK(contains(failure([&] { context.fetch("registry.example/app", other); }),
                 "docker://registry.example/app@" + other +
                     ": the image is for linux/arm64, linux/s390x, but the board needs linux/amd64"));
}
