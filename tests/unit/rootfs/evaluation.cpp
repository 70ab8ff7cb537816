// Scripts that are evaluated: what components/maintscript is asked, and what its result does to the tree.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "small_system.hpp"

#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

using namespace k8simg;
using namespace k8simg::test;
using nlohmann::json;

namespace {

/// Stands for the program: keeps the request, and gives a result that the test says.
struct Evaluator {
  TempDir folder{std::filesystem::temp_directory_path(), "evaluation"};
  json request, result = json::object();

  Evaluator() {
    result["report"]["scripts"] = json::array();
    result["nodes"] = json::array();
    result["removed"] = json::array();
  }
  ScriptEvaluator evaluator() {
    return [this](const std::string& text) {
      request = json::parse(text);
      write_file_atomically(folder.path() / "result.json", result.dump());
      return folder.path();
    };
  }
  void content(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(folder.path() / "files");
    write_file_atomically(folder.path() / name, text);
  }
  void change(const std::string& path, const std::string& content, json more = json::object()) {
    json node{{"path", path}, {"type", "file"}, {"mode", 0640}, {"uid", 5},
              {"gid", 6},     {"mtime", 7},     {"size", 1},    {"by", "script:postinst of thing"}};
    if (!content.empty()) {
      const auto name = fmt::format("files/{}", result["nodes"].size());
      this->content(name, content);
      node["content"] = name;
    }
    node.update(more);
    result["nodes"].push_back(node);
  }
  const json* node(const std::string& path) const {
    for (const auto& each : request.at("nodes"))
      if (each.at("path") == path) return &each;
    return nullptr;
  }
};

PackageTree thing(Store& store) {
  auto made = package(store, "thing",
                      {{"DEBIAN/preinst", "#!/bin/sh\ntrue judged\n"},
                       {"DEBIAN/postinst", "#!/bin/sh\nadduser --system --group thing\n"},
                       {"DEBIAN/config", "#!/bin/sh\ndb_go\n"},
                       {"DEBIAN/templates", "Template: a/b\nType: string\n"},
                       {"DEBIAN/triggers", "interest x\n"},
                       {"etc/thing", "old"},
                       {"etc/gone", "x"},
                       {"usr/share/doc/latin-\xe9", "y"}},
                      "Depends: libc6\n");
  made.tree.find("etc/thing")->xattrs["user.x"] = std::string("\0\xff", 2);
  return made;
}

RootfsOptions evaluating(const PackageTree& package, const Store& store) {
  auto chosen = options();
  chosen.exclude = {"/usr/share/doc/**"};
  chosen.evaluate = {"thing"};
  chosen.answers = {{"a/b", "yes"}};
  chosen.judgements = {judged(package, store, "preinst", "")};
  return chosen;
}

Tree evaluated(Store& store, Evaluator& evaluator, const std::vector<Layer>& layers = {}) {
  const auto made = thing(store);
  return assemble_rootfs(store, {made, base_passwd(store)}, layers, evaluating(made, store), {}, evaluator.evaluator());
}

}  // namespace

TEST_CASE("the request has the tree, the packages, and those scripts that are not judged") {
  MemoryStore store;
  Evaluator evaluator;
  evaluated(store, evaluator);
  const auto& request = evaluator.request;
  CHECK(request.at("date") == 1'700'000'000);
  CHECK(request.at("answers").at("a/b") == "yes");
  CHECK(request.at("numbers").at("_rpc") == 100);
  const auto& packages = request.at("packages");
  REQUIRE(packages.size() == 2);
  CHECK(packages[0].at("evaluate").empty());
  const auto& package = packages[1];
  CHECK(package.at("name") == "thing");
  CHECK(package.at("evaluate") == json::array({"postinst"}));
  CHECK(package.at("scripts").contains("config"));
  CHECK_FALSE(package.at("scripts").contains("preinst"));
  CHECK(package.at("fields").at("Depends") == "libc6");
  CHECK(package.at("triggers") == "interest x\n");
  const auto* changed = evaluator.node("etc/thing");
  REQUIRE(changed);
  CHECK(changed->at("xattrs").at("user.x") == "00ff");
  const auto digest = sha256("old").hex();
  CHECK(changed->at("source") == digest.substr(0, 2) + "/" + digest.substr(2));
  const auto* latin = evaluator.node("usr/share/doc/latin-\xc3\xa9");
  REQUIRE(latin);
  CHECK(latin->at("excluded") == true);
  CHECK(evaluator.node("etc/passwd"));  // the rules before have been applied
}

TEST_CASE("a file of two packages is the diverting one's; without a diversion it is a conflict") {
  MemoryStore store;
  Evaluator evaluator;
  const auto made = thing(store), other = package(store, "other", {{"etc/thing", "theirs"}});
  const auto assembled = [&] {
    return assemble_rootfs(store, {made, other, base_passwd(store)}, {}, evaluating(made, store), {},
                           evaluator.evaluator());
  };
  try {
    assembled();
    FAIL("passed");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Usage);
    CHECK(error.message().find("/etc/thing: package:other=1.0-1:amd64 and package:thing=1.0-1:amd64") !=
          std::string::npos);
  }
  // The program is told both files.
  REQUIRE(evaluator.request.at("contested").size() == 1);
  const auto& contested = evaluator.request.at("contested")[0];
  CHECK(contested.at("first").at("package") == "other");
  CHECK(contested.at("second").at("package") == "thing");
  CHECK(contested.at("second").at("origin") == "package:thing=1.0-1:amd64");
  CHECK(contested.at("second").at("node").at("path") == "etc/thing");
  CHECK(contested.at("second").at("node").at("source").get<std::string>().substr(3) == sha256("old").hex().substr(2));
  evaluator.result["report"]["diverted"] = {"etc/thing"};
  evaluator.change("etc/thing", "old", {{"by", "package:thing=1.0-1:amd64"}});
  evaluator.change("etc/thing.distrib", "theirs", {{"by", "package:other=1.0-1:amd64"}});
  const auto tree = assembled();
  CHECK(text(store, tree, "etc/thing") == "old");
  CHECK(tree.find("etc/thing")->origin == "package:thing=1.0-1:amd64");
  CHECK(tree.find("etc/thing.distrib")->origin == "package:other=1.0-1:amd64");
  // Packages whose scripts are not evaluated divert nothing.
  auto nothing = evaluating(made, store);
  nothing.evaluate.clear();
  nothing.judgements.push_back(judged(made, store, "postinst", ""));
  CHECK_THROWS_AS(assemble_rootfs(store, {made, other, base_passwd(store)}, {}, nothing, {}, evaluator.evaluator()),
                  Error);
}

TEST_CASE("the result becomes part of the tree, with its origin; layers win") {
  MemoryStore store;
  Evaluator evaluator;
  json xattrs = json::object();
  xattrs["xattrs"]["user.y"] = "0a";
  evaluator.change("etc/thing", "new", xattrs);
  evaluator.change("etc/made", "made");
  json link = json::object();
  link["link"] = "etc/made";
  evaluator.change("etc/made2", "", link);
  evaluator.change("etc/mine", "scripts");
  evaluator.change("etc/\xc3\xa9", "", {{"type", "symlink"}, {"target", "x"}, {"mode", 0777}});
  evaluator.result["removed"].push_back({{"path", "etc/gone"}, {"by", "script:postinst of thing"}});
  const auto tree = evaluated(store, evaluator, {layer(store, "overlay:site", {{"etc/mine", "layer"}})});
  CHECK(text(store, tree, "etc/thing") == "new");
  const auto* node = tree.find("etc/thing");
  CHECK(node->origin == "script:postinst of thing");
  CHECK(node->mode == 0640);
  CHECK(node->uid == 5);
  CHECK(node->gid == 6);
  CHECK(node->xattrs == std::map<std::string, std::string>{{"user.y", "\n"}});
  CHECK(text(store, tree, "etc/made2") == "made");
  CHECK(tree.find("etc/made")->link_group == tree.find("etc/made2")->link_group);
  CHECK_FALSE(tree.find("etc/made")->link_group.empty());
  CHECK(text(store, tree, "etc/mine") == "layer");
  CHECK(target(tree, "etc/\xe9") == "x");
  CHECK(tree.find("etc/gone") == nullptr);
}

TEST_CASE("accounts and units that scripts ask for are known to later rules") {
  MemoryStore store;
  Evaluator evaluator;
  evaluator.change("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nthing:x:333:334::/:/bin/false\n");
  evaluator.change("etc/group", "root:x:0:\nshadow:x:42:\nthing:x:334:\n");
  evaluator.result["report"]["enable"] = json::array({"thing.service"});
  const auto made = thing(store);
  auto chosen = evaluating(made, store);
  chosen.modes = {{"/etc/thing", 0600, "thing:thing"}};
  const auto units =
      package(store, "units", {{"usr/lib/systemd/system/thing.service", "[Install]\nWantedBy=a.target\n"}});
  const auto tree = assemble_rootfs(store, {made, units, base_passwd(store)}, {}, chosen, {}, evaluator.evaluator());
  CHECK(tree.find("etc/thing")->uid == 333);
  CHECK(tree.find("etc/thing")->gid == 334);
  CHECK(target(tree, "etc/systemd/system/a.target.wants/thing.service") == "/usr/lib/systemd/system/thing.service");
}

TEST_CASE("scripts that cannot be evaluated are listed with package, script, line, command and how to judge them") {
  MemoryStore store;
  Evaluator evaluator;
  json failure{{"package", "thing"},      {"script", "postinst"},      {"line", 12},
               {"command", "slapadd -q"}, {"message", "is a program"}, {"hint", "do this"}};
  json script{{"package", "thing"}, {"script", "postinst"}, {"commands", 3}};
  script["failure"] = failure;
  evaluator.result["report"]["scripts"].push_back(script);
  const auto made = thing(store);
  const auto chosen = evaluating(made, store);
  try {
    evaluate_scripts(store, {made, base_passwd(store)}, chosen, {}, evaluator.evaluator());
    FAIL("passed");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Resolve);
    const std::string remainder =
        analyse_script("adduser --system --group thing\n", "thing", "postinst").remainder_sha256;
    const std::vector<std::string> parts{"postinst of thing 1.0-1, line 12: slapadd -q", "is a program", "do this",
                                         remainder};
    for (const auto& part : parts) CHECK(error.message().find(part) != std::string::npos);
    CHECK(error.hint().find("packages.answers") != std::string::npos);
  }
  CHECK_THROWS_AS(evaluate_scripts(store, {made, base_passwd(store)}, chosen, {}, {}), Error);
}
