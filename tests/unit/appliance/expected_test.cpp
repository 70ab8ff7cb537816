// Tests reading expectations from manifests, and the errors for invalid ones.
#include "appliance/expected.hpp"

#include <functional>
#include <nlohmann/json.hpp>

#include "support/catch.hpp"
#include "util/error.hpp"

using namespace k8simg;
using nlohmann::json;

namespace {

const std::string digest(64, 'a');

json manifest() {
  return {{"format", 1},
          {"name", "pc"},
          {"source_date_epoch", 1000},
          {"artifacts", {{"disk.img", {{"size", 4096}, {"sha256", digest}}}}},
          {"disk",
           {{"table", "gpt"},
            {"size", 4096},
            {"partitions",
             json::array(
                 {{{"name", "root"},
                   {"start", 2097152},
                   {"size", 1048576},
                   {"type", "root-x86-64"},
                   {"partuuid", "p2"},
                   {"filesystem", "ext4"},
                   {"label", "root"},
                   {"uuid", "u"},
                   {"paths",
                    {{"/bin",
                      {{"type", "symlink"},
                       {"target", "usr/bin"},
                       {"mode", "0777"},
                       {"uid", 0},
                       {"gid", 0},
                       {"mtime", 5},
                       {"origin", "package:x"}}},
                     {"/dev/null",
                      {{"type", "char"}, {"device", "1:3"}, {"mode", "0666"}, {"uid", 0}, {"gid", 0}, {"mtime", 5}}},
                     {"/ping",
                      {{"type", "file"},
                       {"size", 7},
                       {"sha256", digest},
                       {"mode", "4755"},
                       {"uid", 1},
                       {"gid", 2},
                       {"mtime", 2000},
                       {"xattrs", {{"security.capability", "0100"}}}}}}}},
                  {{"name", "esp"},
                   {"start", 1048576},
                   {"size", 1048576},
                   {"type", "esp"},
                   {"partuuid", "p1"},
                   {"filesystem", "vfat"},
                   {"label", "BOOT"},
                   {"uuid", "1234-ABCD"},
                   {"paths", {{"/EFI", {{"type", "directory"}, {"origin", "board:pc"}}}}}}})}}}};
}

std::string refusal(const std::string& text) {
  try {
    parse_manifest(text, "m.json");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Usage);
    CHECK(error.message().find("m.json") != std::string::npos);
    return error.message();
  }
  return "accepted";
}

std::string refusal(const std::function<void(json&)>& damage) {
  json document = manifest();
  damage(document);
  return refusal(document.dump());
}

bool says(const std::string& message, const std::string& part) {
  INFO(message);
  return message.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the size of sectors is 512 bytes if it is not said, or 4096") {
  json document = manifest();
  CHECK(parse_manifest(document.dump(), "m").sector_size == 512);
  document["disk"]["sector_size"] = 4096;
  CHECK(parse_manifest(document.dump(), "m").sector_size == 4096);
  document["disk"]["sector_size"] = 520;
  try {
    parse_manifest(document.dump(), "m");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.message() == "m: disk.sector_size is neither 512 nor 4096");
  }
}

TEST_CASE("a manifest gives partitions in the order of the disk, and every field of a path") {
  const Manifest read = parse_manifest(manifest().dump(), "m.json");
  CHECK(read.defconfig == "pc");
  CHECK(read.artifacts.at("disk.img").size == 4096);
  CHECK(read.artifacts.at("disk.img").sha256.hex() == digest);
  CHECK(read.image.table == "gpt");
  REQUIRE(read.image.partitions.size() == 2);
  const PartitionState& esp = read.image.partitions[0];
  CHECK(esp.name == "esp");
  CHECK(esp.type == "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
  CHECK(esp.paths.at("/EFI").type == "directory");
  CHECK_FALSE(esp.paths.at("/EFI").mode.has_value());
  const PartitionState& root = read.image.partitions[1];
  CHECK(root.start == 2097152);
  CHECK(root.type == "4f68bce3-e8cd-4db1-96e7-fbcaf984b709");
  const PathState& ping = root.paths.at("/ping");
  CHECK(ping.mode == 04755u);
  CHECK(ping.uid == 1u);
  CHECK(ping.gid == 2u);
  CHECK(ping.mtime == 1000);  // limited to the time of the build, as in the image
  CHECK(ping.size == 7);
  CHECK(ping.sha256->hex() == digest);
  CHECK(ping.xattrs.at("security.capability") == "0100");
  CHECK(root.paths.at("/bin").target == "usr/bin");
  CHECK(root.paths.at("/bin").mtime == 5);
  CHECK(root.paths.at("/bin").origin == "package:x");
  CHECK(root.paths.at("/dev/null").device == "1:3");
}

TEST_CASE("a dos table has types of one byte") {
  json document = manifest();
  document["disk"]["table"] = "dos";
  document["disk"]["partitions"][0]["type"] = "linux";
  document["disk"]["partitions"][1]["type"] = "0x0C";
  const Manifest read = parse_manifest(document.dump(), "m.json");
  CHECK(read.image.partitions[0].type == "0xc");
  CHECK(read.image.partitions[1].type == "0x83");
  document["disk"]["partitions"][1]["type"] = "0x1ff";
  CHECK(says(refusal(document.dump()), "\"0x1ff\" is not a known type of a dos partition"));
}

TEST_CASE("a GPT type may be a GUID") {
  json document = manifest();
  document["disk"]["partitions"][0]["type"] = "4D21B016-B534-45C2-A9FB-5C16E091FD2D";
  CHECK(parse_manifest(document.dump(), "m.json").image.partitions[1].type == "4d21b016-b534-45c2-a9fb-5c16e091fd2d");
}

TEST_CASE("a bad manifest is refused with the place") {
  CHECK(says(refusal(std::string("{\"format\": 1")), "is not JSON"));
  CHECK(says(refusal(std::string()), "is not JSON"));
  CHECK(says(refusal(std::string("[]")), "the document is not an object"));
  CHECK(says(refusal(std::string("{}")), "the document has no \"format\""));
  CHECK(says(refusal([](json& d) { d["format"] = 2; }), "has format 2, this k8simg reads format 1"));
  CHECK(says(refusal([](json& d) { d["format"] = "1"; }), "format is not a number"));
  CHECK(says(refusal([](json& d) { d.erase("name"); }), "has no \"name\""));
  CHECK(says(refusal([](json& d) { d["source_date_epoch"] = 1.5; }), "source_date_epoch is not a whole number"));
  CHECK(says(refusal([](json& d) { d["artifacts"]["disk.img"]["sha256"] = "abc"; }),
             "artifacts[disk.img].sha256 is not a SHA-256"));
  CHECK(says(refusal([](json& d) { d["disk"]["table"] = "apm"; }), "disk.table is neither"));
  CHECK(says(refusal([](json& d) { d["disk"]["size"] = -1; }), "disk.size is not a number of zero or more"));
  CHECK(says(refusal([](json& d) { d["disk"]["partitions"] = json::object(); }), "disk.partitions is not an array"));
  CHECK(says(refusal([](json& d) { d["disk"]["partitions"][1] = nullptr; }), "disk.partitions[1] is not an object"));
  CHECK(says(refusal([](json& d) { d["disk"]["partitions"][0].erase("uuid"); }), "disk.partitions[0] has no \"uuid\""));
  CHECK(says(refusal([](json& d) { d["disk"]["partitions"][0]["type"] = "swap"; }),
             "\"swap\" is not a known type of a gpt partition"));
  CHECK(says(refusal([](json& d) { d["disk"]["partitions"][0]["paths"] = 3; }),
             "disk.partitions[0].paths is not an object"));
}

TEST_CASE("areas are the whole disk, each where the one before ends; an older manifest has none") {
  CHECK(parse_manifest(manifest().dump(), "m.json").areas.empty());
  const json areas = json::array({{{"name", "boot code"}, {"start", 0}, {"size", 440}, {"hex", "90ff"}},
                                  {{"name", "partition root"}, {"start", 440}, {"size", 3656}, {"sha256", digest}}});
  const auto refused = [&](const std::function<void(json&)>& damage) {
    return refusal([&](json& document) { damage(document["disk"]["areas"] = areas); });
  };
  json document = manifest();
  document["disk"]["areas"] = areas;
  const Manifest read = parse_manifest(document.dump(), "m.json");
  REQUIRE(read.areas.size() == 2);
  CHECK(read.areas[0].name == "boot code");
  CHECK(read.areas[0].bytes == "\x90\xff");
  CHECK(read.areas[1].start == 440);
  CHECK(read.areas[1].sha256->hex() == digest);
  CHECK(says(refused([](json& a) { a = 3; }), "disk.areas is not an array"));
  CHECK(says(refused([](json& a) { a[1]["start"] = 441; }),
             "disk.areas[1].start is 441, where the area before ends at 440"));
  CHECK(says(refused([](json& a) { a[0]["size"] = 0; }), "disk.areas[0].size is 0, or more than is left of the disk"));
  CHECK(says(refused([](json& a) { a[1]["size"] = 18446744073709551615u; }), "disk.areas[1].size is 0, or more"));
  CHECK(says(refused([](json& a) { a[1]["size"] = 3657; }), "disk.areas[1].size is 0, or more"));
  CHECK(says(refused([](json& a) { a[1]["size"] = 3655; }), "disk.areas ends at byte 4095 of 4096"));
  CHECK(says(refused([](json& a) { a[0]["hex"] = std::string(882, '0'); }),
             "disk.areas[0].hex has more bytes than the area"));
  CHECK(says(refused([](json& a) { a[0]["hex"] = "9"; }), "is not hexadecimal"));
  CHECK(says(refused([](json& a) { a[0].erase("hex"); }), "disk.areas[0] has no \"hex\""));
}

TEST_CASE("a bad path is refused with the place") {
  const auto path_refusal = [](const char* path, const std::function<void(json&)>& damage) {
    return refusal([&](json& document) { damage(document["disk"]["partitions"][0]["paths"][path]); });
  };
  CHECK(says(path_refusal("bin", [](json& p) { p = {{"type", "directory"}}; }),
             "disk.partitions[0].paths[bin] is not an absolute path"));
  CHECK(says(path_refusal("/", [](json& p) { p = {{"type", "directory"}}; }), "is not an absolute path"));
  CHECK(says(path_refusal("/ping", [](json& p) { p["type"] = "socket"; }), "\"socket\" is not a type of file"));
  CHECK(says(path_refusal("/ping", [](json& p) { p["mode"] = "0688"; }), "\"0688\" is not a mode"));
  CHECK(says(path_refusal("/ping", [](json& p) { p["mode"] = "17777"; }), "\"17777\" is not a mode"));
  CHECK(says(path_refusal("/ping", [](json& p) { p["mode"] = ""; }), "\"\" is not a mode"));
  CHECK(says(path_refusal("/ping", [](json& p) { p["mode"] = 420; }), "mode is not a string"));
  CHECK(says(path_refusal("/ping", [](json& p) { p["uid"] = 4294967296; }), "uid is larger than 32 bits"));
  CHECK(says(path_refusal("/ping", [](json& p) { p.erase("gid"); }), "has no \"gid\""));
  CHECK(says(path_refusal("/ping", [](json& p) { p.erase("sha256"); }), "has no \"sha256\""));
  CHECK(
      says(path_refusal("/ping", [](json& p) { p["xattrs"]["security.capability"] = "xyz0"; }), "is not hexadecimal"));
  CHECK(says(path_refusal("/ping", [](json& p) { p["xattrs"]["security.capability"] = "012"; }), "is not hexadecimal"));
  CHECK(says(path_refusal("/bin", [](json& p) { p["target"] = json::array(); }), "target is not a string"));
  CHECK(says(path_refusal("/dev/null", [](json& p) { p.erase("device"); }), "has no \"device\""));
}

TEST_CASE("names outside UTF-8 are read as the manifest writes them") {
  CHECK(manifest_text("/usr/bin") == "/usr/bin");
  CHECK(manifest_text("/T\xc3\x9c"
                      "B\xc4\xb0TAK") ==
        "/T\xc3\x9c"
        "B\xc4\xb0TAK");
  CHECK(manifest_text("/caf\xe9") == "/caf\xef\xbf\xbd");
}
