// node.toml: the corpus that the device's own parser is run over as well (tests/e2e/35-node), and the words that mistakes are told with.
#include "config/node_file.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/catch.hpp"
#include "util/error.hpp"
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

/// The mistakes, or nothing when the text is good.
std::vector<std::string> mistakes(const std::string& text) {
  try {
    read_node_file(text, "node.toml");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Usage);
    return split(error.message(), '\n');
  }
  return {};
}

/// "node.toml:LINE:COLUMN: ..." → LINE
std::string line_of(const std::string& mistake) { return split(mistake, ':').at(1); }

}  // namespace

TEST_CASE("every file of the corpus gets its verdict, each mistake with its line and key") {
  int good = 0, bad = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(K8SIMG_SOURCE_DIR) / "tests/data/node")) {
    const auto& file = entry.path();
    if (file.extension() != ".toml") continue;
    INFO(file.filename().string());
    const auto found = mistakes(read(file));
    INFO(join(found, "\n"));
    if (file.filename().string().starts_with("good-")) {
      CHECK(found.empty());
      ++good;
      continue;
    }
    ++bad;
    std::vector<std::string> wanted_lines, lines;
    for (const auto& mistake : found) lines.push_back(line_of(mistake));
    for (const auto& expected : split(read(fs::path(file).replace_extension("expected")), '\n')) {
      if (expected.empty()) continue;
      const auto words = split_words(expected);
      wanted_lines.push_back(words.at(0));
      CHECK((words.at(1) == "-" || std::any_of(found.begin(), found.end(), [&](const std::string& mistake) {
               return line_of(mistake) == words[0] && mistake.find(words[1]) != std::string::npos;
             })));
    }
    std::sort(lines.begin(), lines.end());
    std::sort(wanted_lines.begin(), wanted_lines.end());
    CHECK(lines == wanted_lines);
  }
  CHECK(good >= 10);
  CHECK(bad >= 60);
}

TEST_CASE("values are read, and what is not said stays empty") {
  const auto node = read_node_file("role = 'control-plane'  # the only one\nhostname = \"cp-1\"\r\npod-network=\"10.32.0.0/16\"", "node.toml");
  CHECK(node.role == "control-plane");
  CHECK(node.hostname == "cp-1");
  CHECK(node.pod_network == "10.32.0.0/16");
  CHECK(node.service_network.empty());
  CHECK(node.server.empty());
}

TEST_CASE("mistakes are told with file, line, column, key and the nearest name, all at once") {
  CHECK(mistakes("role = \"worke\"\n\nhostnme = \"a\"\n pod-network = 7\n") ==
        std::vector<std::string>{"node.toml:1:8: role must be \"single\" or \"control-plane\" or \"worker\" or \"standalone\", not \"worke\" (did you mean \"worker\"?)",
                                 "node.toml:3:1: unknown key hostnme (did you mean \"hostname\"?)", "node.toml:4:16: pod-network must be a string, not a whole number"});
  CHECK(mistakes("role = \"single\"\nrole = \"single\"\n") == std::vector<std::string>{"node.toml:2:1: role is already set on line 1"});
}

TEST_CASE("a token is a secret, and is not repeated") {
  const auto found = mistakes("role = \"single\"\ntoken = \"secret\"\n");
  REQUIRE(found.size() == 1);
  CHECK(found[0].find("secret") == std::string::npos);
}
