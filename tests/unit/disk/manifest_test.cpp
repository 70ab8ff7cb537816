// Tests manifest.json, and the layout that steps pass to each other.
#include "disk/manifest.hpp"

#include <nlohmann/json.hpp>

#include "support/catch.hpp"
#include "support/step_context.hpp"
#include "util/text.hpp"

using namespace k8simg;
using namespace k8simg::test;
using nlohmann::json;

namespace {

struct ManifestFixture {
  MemoryStore store;
  Tree root, boot;
  ManifestInput input;

  ManifestFixture() {
    root.add_file(store, "usr/bin/ping", "ping", 0755, "package:iputils-ping=1:amd64");
    root.find("usr/bin/ping")->xattrs["security.capability"] = std::string("\x01\x00\xff", 3);
    root.add_symlink("bin", "usr/bin", "package:base-files=1:amd64");
    root.add_directory("tmp", 01777, "rule:tmpfiles");
    Node device{.type = NodeType::CharDevice, .mode = 0666, .uid = 1, .gid = 2, .mtime = 5, .major = 1, .minor = 3};
    device.origin = "rule:devices";
    root.set("dev/null", device);
    boot.add_file(store, "bzImage", "kernel", 0755, "kernel");
    input = {.defconfig = "pc",
             .board = "pc",
             .version = "0.1.0",
             .kernel_release = "6.12.1",
             .source_date_epoch = 1763195591,
             .table = "gpt",
             .layout = {.size = 1000,
                        .partitions = {{"esp", 10, 20, "esp", "aa"}, {"root", 30, 40, "root-x86-64", "bb"}},
                        .areas = {{"boot code", 0, 30, std::nullopt, "\x90\x01"},
                                  {"partition root", 30, 970, sha256("root"), ""}}},
             .partitions = {{"esp", "vfat", "BOOT", "ABCD-1234", &boot}, {"root", "ext4", "root", "cc", &root}},
             .artifacts = {{"disk.img", {ValueKind::Blob, sha256("d"), 1000}},
                           {"bzImage", {ValueKind::Blob, sha256("b"), 6}}},
             .packages = {{.name = "bash",
                           .version = "5.2",
                           .architecture = "amd64",
                           .source = "bash",
                           .repository = "debian",
                           .suite = "trixie",
                           .path = "pool/bash.deb",
                           .size = 1,
                           .sha256 = sha256("bash")}},
             .components = {{"etcd", "v3.7.2"}}};
  }
};

}  // namespace

TEST_CASE("the manifest is JSON and says all of the image") {
  ManifestFixture f;
  const json manifest = json::parse(make_manifest(f.input));
  CHECK(manifest.at("format") == 1);
  CHECK(manifest.at("name") == "pc");
  CHECK(manifest.at("board") == "pc");
  CHECK(manifest.at("k8simg") == "0.1.0");
  CHECK(manifest.at("kernel") == "6.12.1");
  CHECK(manifest.at("source_date_epoch") == 1763195591);
  CHECK(manifest.at("artifacts") == json{{"bzImage", {{"size", 6}, {"sha256", sha256("b").hex()}}},
                                         {"disk.img", {{"size", 1000}, {"sha256", sha256("d").hex()}}}});
  CHECK(manifest.at("disk").at("table") == "gpt");
  CHECK(manifest.at("disk").at("size") == 1000);
  CHECK_FALSE(manifest.at("disk").contains("sector_size"));
  f.input.sector_size = 4096;
  CHECK(json::parse(make_manifest(f.input)).at("disk").at("sector_size") == 4096);
  CHECK(manifest.at("disk").at("areas") ==
        json::array({{{"name", "boot code"}, {"start", 0}, {"size", 30}, {"hex", "9001"}},
                     {{"name", "partition root"}, {"start", 30}, {"size", 970}, {"sha256", sha256("root").hex()}}}));
  CHECK(manifest.at("packages") == json::array({{{"name", "bash"},
                                                 {"version", "5.2"},
                                                 {"architecture", "amd64"},
                                                 {"source", "bash"},
                                                 {"sha256", sha256("bash").hex()}}}));
  CHECK(manifest.at("components") == json::array({{{"name", "etcd"}, {"version", "v3.7.2"}}}));

  const json& partitions = manifest.at("disk").at("partitions");
  REQUIRE(partitions.size() == 2);
  CHECK(partitions[0].at("uuid") == "ABCD-1234");
  CHECK(partitions[1].at("name") == "root");
  CHECK(partitions[1].at("start") == 30);
  CHECK(partitions[1].at("size") == 40);
  CHECK(partitions[1].at("type") == "root-x86-64");
  CHECK(partitions[1].at("partuuid") == "bb");
  CHECK(partitions[1].at("filesystem") == "ext4");
  CHECK(partitions[1].at("label") == "root");

  const json& paths = partitions[1].at("paths");
  CHECK(paths.at("/usr/bin/ping") == json{{"type", "file"},
                                          {"mode", "0755"},
                                          {"uid", 0},
                                          {"gid", 0},
                                          {"mtime", 0},
                                          {"size", 4},
                                          {"sha256", sha256("ping").hex()},
                                          {"xattrs", {{"security.capability", "0100ff"}}},
                                          {"origin", "package:iputils-ping=1:amd64"}});
  CHECK(paths.at("/bin").at("target") == "usr/bin");
  CHECK(paths.at("/bin").at("type") == "symlink");
  CHECK(paths.at("/tmp").at("mode") == "1777");
  CHECK(paths.at("/dev/null").at("device") == "1:3");
  CHECK(paths.at("/dev/null").at("uid") == 1);
  CHECK(paths.size() == 4);
  // FAT has no owners and modes.
  CHECK(partitions[0].at("paths").at("/bzImage") ==
        json{{"type", "file"}, {"size", 6}, {"sha256", sha256("kernel").hex()}, {"origin", "kernel"}});
}

TEST_CASE("the same image gives the same manifest, with a line for each path") {
  ManifestFixture f, g;
  const std::string text = make_manifest(f.input);
  CHECK(text == make_manifest(g.input));
  for (const auto& line : split(text, '\n')) {
    int paths = 0;
    for (const char* path : {"\"/usr/bin/ping\"", "\"/bin\"", "\"/tmp\"", "\"/dev/null\"", "\"/bzImage\""})
      paths += contains(line, path);
    CHECK(paths <= 1);
  }
  g.root.find("usr/bin/ping")->mode = 04755;
  CHECK(text != make_manifest(g.input));
}

TEST_CASE("odd names and empty lists are JSON too") {
  ManifestFixture f;
  f.root.add_file(f.store, "a \"quoted\"\\ name", "x", 0644, "overlay:a\nb");
  f.root.add_file(f.store, "latin1-\xe9", "x", 0644, "");
  f.root.add_file(f.store, "snowman-\xe2\x98\x83", "x", 0644, "");
  f.input.packages.clear();
  f.input.components.clear();
  f.input.artifacts.clear();
  const Tree empty;
  f.input.partitions[0].tree = &empty;
  const json manifest = json::parse(make_manifest(f.input));
  const json& paths = manifest.at("disk").at("partitions")[1].at("paths");
  CHECK(paths.contains("/a \"quoted\"\\ name"));
  CHECK(paths.at("/a \"quoted\"\\ name").at("origin") == "overlay:a\nb");
  CHECK(paths.contains("/snowman-\xe2\x98\x83"));
  CHECK(paths.contains("/latin1-\xef\xbf\xbd"));
  CHECK(manifest.at("packages").empty());
  CHECK(manifest.at("artifacts").empty());
  CHECK(manifest.at("disk").at("partitions")[0].at("paths").empty());
}

TEST_CASE("a layout survives being written and read; a damaged one is refused") {
  ManifestFixture f;
  const std::string text = serialise_layout(f.input.layout);
  const DiskLayout again = parse_layout(text);
  CHECK(again.size == 1000);
  REQUIRE(again.partitions.size() == 2);
  CHECK(again.partitions[1].name == "root");
  CHECK(again.partitions[1].start == 30);
  CHECK(again.partitions[1].size == 40);
  CHECK(again.partitions[1].type == "root-x86-64");
  CHECK(again.partitions[1].partuuid == "bb");
  REQUIRE(again.areas.size() == 2);
  CHECK(again.areas[0].bytes == "\x90\x01");
  CHECK(again.areas[1].digest == sha256("root"));
  CHECK(serialise_layout(again) == text);
  for (const char* bad :
       {"", "[]", "{}", "{\"size\": 1}", "{\"size\": \"1\", \"partitions\": []}", "{\"size\": 1, \"partitions\": [{}]}",
        "{\"size\": 1, \"partitions\": []}",
        "{\"size\": 1, \"partitions\": [], \"areas\": [{\"name\": \"a\", \"start\": 0, \"size\": 1, \"hex\": \"0g\"}]}",
        "{\"size\": 1, \"partitions\": [], \"areas\": [{\"name\": \"a\", \"start\": 0, \"size\": 1, \"sha256\": "
        "\"00\"}]}"}) {
    INFO(bad);
    CHECK(contains(failure([&] { parse_layout(bad); }), "malformed disk layout"));
  }
}
