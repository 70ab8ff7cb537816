// node.toml: the corpus that the device's own parser is run over as well (tests/e2e/35-node), and the words that
// mistakes are told with.
#include "config/node_file.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

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

/// What the device's own reader says of each file of the folder: its name, and the lines of its mistakes: "17.toml",
/// "17.toml 2 3".
std::vector<std::string> device_verdicts(const fs::path& folder) {
  const auto script = folder / "verdicts.bash";
  std::ofstream(script) << "set -uo pipefail\n. \"" << K8SIMG_SOURCE_DIR
                        << R"(/overlays/node/usr/lib/k8simg/node-file.bash"
cd "${0%/*}" || exit
for file in *.toml; do
  read_node_file "$file"
  printf '%s' "$file"
  for mistake in "${node_mistakes[@]}"; do mistake=${mistake#node.toml:}; printf ' %s' "${mistake%%:*}"; done
  echo
done
)";
  std::string said;
  std::FILE* pipe = popen(("bash " + script.string()).c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> part;
  while (const std::size_t count = std::fread(part.data(), 1, part.size(), pipe)) said.append(part.data(), count);
  CHECK(pclose(pipe) == 0);
  auto lines = split(said, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

/// One to three changes that a slip of the hand, an editor or a bad card makes; `others`: files to take pieces from.
std::string mutated(std::string text, const std::vector<std::string>& others, std::mt19937& random) {
  static const std::vector<std::string> pieces{"\r",
                                               "\n",
                                               "\t",
                                               " ",
                                               "\f",
                                               "\v",
                                               "#",
                                               "\"",
                                               "'",
                                               "=",
                                               "\\",
                                               ".",
                                               "/",
                                               "0",
                                               "9",
                                               "\xc3\xa9",
                                               "\xf4\x90\x80\x80",
                                               "\xf8\x88\x80\x80\x80",
                                               "\xed\xa0\x80",
                                               "\xc0\x80",
                                               "\xef\xbb\xbf",
                                               "\x7f",
                                               "\x1b",
                                               "\xc2\x85",
                                               "\xc2\xa0",
                                               "-",
                                               "_",
                                               "a",
                                               "Z",
                                               "[",
                                               "]",
                                               ":",
                                               "255",
                                               "/24",
                                               "true",
                                               "# token: removed after use",
                                               "token",
                                               "role"};
  const auto below = [&](std::size_t count) { return count == 0 ? 0 : random() % count; };
  for (std::size_t change = 1 + below(3); change > 0; --change) {
    const std::size_t at = below(text.size() + 1);
    switch (below(6)) {
      case 0:
        text.insert(at, pieces[below(pieces.size())]);
        break;
      case 1:
        text.erase(at, 1 + below(3));
        break;
      case 2:
        text.replace(at, std::min<std::size_t>(1, text.size() - at), pieces[below(pieces.size())]);
        break;
      case 3:
        if (at < text.size()) text[at] = static_cast<char>(1 + below(255));
        break;
      case 4: {
        const auto& other = others[below(others.size())];
        text.insert(at, other.substr(below(other.size() + 1), below(30)));
        break;
      }
      default: {  // a whole line of another file
        const auto lines = split(others[below(others.size())], '\n');
        const auto start = text.rfind('\n', at);
        text.insert(start == std::string::npos ? 0 : start + 1, lines[below(lines.size())] + "\n");
      }
    }
  }
  return text;
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
  const auto node = read_node_file(
      "role = 'control-plane'  # the only one\nhostname = \"cp-1\"\r\npod-network=\"10.32.0.0/16\"", "node.toml");
  CHECK(node.role == "control-plane");
  CHECK(node.hostname == "cp-1");
  CHECK(node.pod_network == "10.32.0.0/16");
  CHECK(node.service_network.empty());
  CHECK(node.server.empty());
}

TEST_CASE("mistakes are told with file, line, column, key and the nearest name, all at once") {
  CHECK(mistakes("role = \"worke\"\n\nhostnme = \"a\"\n pod-network = 7\n") ==
        std::vector<std::string>{"node.toml:1:8: role must be \"single\" or \"control-plane\" or \"worker\" or "
                                 "\"standalone\", not \"worke\" (did you mean \"worker\"?)",
                                 "node.toml:3:1: unknown key hostnme (did you mean \"hostname\"?)",
                                 "node.toml:4:16: pod-network must be a string, not a whole number"});
  CHECK(mistakes("role = \"single\"\nrole = \"single\"\n") ==
        std::vector<std::string>{"node.toml:2:1: role is already set on line 1"});
}

TEST_CASE("a token is a secret, and is not repeated") {
  const auto found = mistakes("role = \"single\"\ntoken = \"secret\"\n");
  REQUIRE(found.size() == 1);
  CHECK(found[0].find("secret") == std::string::npos);
}

TEST_CASE("the device takes and refuses the same files, whatever is changed in them") {
  std::vector<std::string> corpus;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(K8SIMG_SOURCE_DIR) / "tests/data/node"))
    if (entry.path().extension() == ".toml" && entry.path().filename() != "bad-large.toml")
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<std::string> good_ones;  // most changes of a good file are bad, and few the other way round
  for (const auto& file : files) {
    corpus.push_back(read(file));
    if (file.filename().string().starts_with("good-")) good_ones.push_back(corpus.back());
  }

  const TempDir folder(fs::temp_directory_path(), "node-file");
  std::mt19937 random(20261128);
  std::map<std::string, std::string> texts;
  for (int i = 0; i < 250; ++i) {
    const auto& bases = i % 3 == 0 ? corpus : good_ones;
    texts[std::to_string(i) + ".toml"] = mutated(bases[random() % bases.size()], corpus, random);
  }
  for (const auto& [name, text] : texts) std::ofstream(folder.path() / name, std::ios::binary) << text;

  const auto verdicts = device_verdicts(folder.path());
  REQUIRE(verdicts.size() == texts.size());
  int good = 0;
  for (const auto& verdict : verdicts) {
    const auto device = split_words(verdict);
    std::vector<std::string> lines;
    const auto found = mistakes(texts.at(device.at(0)));
    for (const auto& mistake : found) lines.push_back(line_of(mistake));
    INFO(texts.at(device[0]) << "\nthe device: " << verdict << "\nthe host: " << join(found, "\n"));
    CHECK(lines.empty() == (device.size() == 1));
    good += lines.empty();
  }
  CHECK(good > 10);
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
