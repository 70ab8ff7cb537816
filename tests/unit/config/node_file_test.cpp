// Tests node.toml with tests/data/node, which components/kubernetes/node/nodefile is tested with too, and the messages.
#include "config/node_file.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/node_schema.hpp"
#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

using namespace k8simg;
namespace fs = std::filesystem;

namespace {

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// The mistakes; empty if there are none.
std::vector<std::string> mistakes(const std::string& text) {
  try {
    read_node_file(text, "node.toml");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Usage);
    return split(error.message(), '\n');
  }
  return {};
}

/// Replaces a message of the parser by a star.
std::string without_parser(const std::string& mistake) {
  const std::string syntax = "is no TOML: ";
  const auto at = mistake.find(syntax);
  return at == std::string::npos ? mistake : mistake.substr(0, at + syntax.size()) + "*";
}

}  // namespace

TEST_CASE("every file of the corpus gets its verdict, and its mistakes the words of the device") {
  int good = 0, bad = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(K8SIMG_SOURCE_DIR) / "tests/data/node")) {
    const auto& file = entry.path();
    if (file.extension() != ".toml") continue;
    INFO(file.filename().string());
    std::string said;
    for (const auto& mistake : mistakes(read(file))) said += without_parser(mistake) + "\n";
    if (file.filename().string().starts_with("good-")) {
      CHECK(said.empty());
      ++good;
    } else {
      CHECK(said == read(fs::path(file).replace_extension("expected")));
      CHECK_FALSE(said.empty());
      ++bad;
    }
  }
  CHECK(good >= 15);
  CHECK(bad >= 75);
}

TEST_CASE("values are read, and what is not said stays empty") {
  const auto node = read_node_file(
      "role = 'control-plane'  # the only one\nhostname = \"cp-1\"\r\npod-network=\"10.32.0.0/16\"", "node.toml");
  CHECK(node.role == "control-plane");
  CHECK(node.hostname == "cp-1");
  CHECK(node.pod_network == "10.32.0.0/16");
  CHECK(node.service_network.empty());
  CHECK(node.server.empty());
}

TEST_CASE("mistakes are told with file, line and key, all at once") {
  const auto found = mistakes("role = \"worke\"\n\nhostname \"a\"\n pod-network = 7\nrole = \"single\"\n");
  REQUIRE(found.size() == 4);
  CHECK(found[0] ==
        "node.toml:1: role: must be \"single\", \"control-plane\", \"worker\" or \"standalone\", not \"worke\"");
  CHECK(without_parser(found[1]) == "node.toml:3: is no TOML: *");
  CHECK(found[1].size() > std::string("node.toml:3: is no TOML: ").size());
  CHECK(found[2] == "node.toml:4: pod-network: must be text in quotes, not a whole number");
  CHECK(found[3] == "node.toml:5: role: is already set on line 1; remove one of them");
}

TEST_CASE("a token is a secret, and is not repeated") {
  const auto found = mistakes("role = \"single\"\ntoken = \"secret\"\n");
  REQUIRE(found.size() == 1);
  CHECK(found[0].find("secret") == std::string::npos);
}

TEST_CASE("UTF-8 is what the Unicode Standard's table 3-7 has") {
  for (const char* text : {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    CHECK(config::valid_utf8(text));
  for (const char* text : {"\x80", "\xc1\x80", "\xc2", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                           "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xe2\x82 "})
    CHECK_FALSE(config::valid_utf8(text));
}

TEST_CASE("an example is no secret, and the mistake says where a token comes from") {
  const auto found = mistakes("role = \"control-plane\"\ntoken = \"abcdef.0123456789abcdef\"\n");
  REQUIRE(found.size() == 1);
  CHECK(found[0].find("k8simg-node token") != std::string::npos);
  CHECK(found[0].find("0123456789abcdef") == std::string::npos);
  CHECK(mistakes("role = \"control-plane\"\ntoken = \"k8simg.0123456789abcdeg\"\n").empty());
}

TEST_CASE("a worker's file lacks its token only where the device has removed it") {
  const std::string head = "role = \"worker\"\nserver = \"192.168.1.10:6443\"\n";
  const std::string hash =
      "ca-cert-hash = \"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"\n";
  CHECK(mistakes(head + hash).size() == 1);
  const auto node = read_node_file(head + "# token: removed after use. And more\n" + hash, "node.toml");
  CHECK(node.token_removed);
  CHECK(node.token.empty());
}
