// Tests the rules of the source tree: includes, third-party headers, the beginning and end of files, and that no
// committed file names a mirror.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace fs = std::filesystem;

namespace {

using Names = std::set<std::string>;

const fs::path root = K8SIMG_SOURCE_DIR;

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// Sources below a folder, as paths relative to it.
std::vector<fs::path> sources(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".cpp" || entry.path().extension() == ".hpp")
      files.push_back(fs::relative(entry.path(), folder));
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// The first folder of a relative path; "" for a file without a folder.
std::string folder_of(const fs::path& path) { return path.has_parent_path() ? path.begin()->string() : ""; }

std::vector<std::string> includes(const fs::path& file, char open, char close) {
  std::vector<std::string> found;
  for (const auto& line : lines_of(read(file))) {
    std::string text = line;
    text.erase(std::remove_if(text.begin(), text.end(), [](unsigned char c) { return std::isspace(c); }), text.end());
    if (text.rfind("#include", 0) != 0 || text.size() < 10 || text[8] != open) continue;
    found.push_back(text.substr(9, text.find(close, 9) - 9));
  }
  return found;
}

/// The folders that a folder may include in addition to itself (util ← report, process ← store ← tree ← graph ← domain
/// folders ← pipeline, preflight, locking, provenance ← cli).
std::map<std::string, Names> allowed_folders() {
  std::map<std::string, Names> allowed;
  Names below;
  for (const char* folder : {"util", "report", "process", "store", "tree", "graph"}) {
    allowed[folder] = below;
    below.insert(folder);
  }
  allowed["elf"] = allowed["control"] = {"util"};
  allowed["model"] = {};
  allowed["toml"] = allowed["lock"] = {"util"};
  allowed["config"] = {"util", "toml", "lock", "model"};
  below.insert({"control", "elf", "toml", "lock", "model"});
  const Names domains{"debian", "fetch", "kernel", "component", "rootfs", "oci", "disk", "appliance", "guest", "flash"};
  for (const auto& folder : domains) allowed[folder] = below;
  below.insert(domains.begin(), domains.end());
  below.insert("config");
  const Names siblings{"pipeline", "preflight", "locking", "provenance"};
  for (const auto& folder : siblings) allowed[folder] = below;
  below.insert(siblings.begin(), siblings.end());
  allowed["cli"] = below;
  allowed[""] = {"cli"};  // main.cpp
  return allowed;
}

/// k8simg_library(folder dependencies...) of CMakeLists.txt: folder → the folders that it is linked with, directly or
/// indirectly.
std::map<std::string, Names> linked_folders() {
  std::map<std::string, Names> linked;
  const std::string text = read(root / "CMakeLists.txt");
  const std::regex call("\nk8simg_library\\(([a-z]+)([^)]*)\\)"), dependency("k8simg_([a-z]+)");
  for (std::sregex_iterator it(text.begin(), text.end(), call), end; it != end; ++it) {
    Names& names = linked[(*it)[1]];
    const std::string rest = (*it)[2];
    for (std::sregex_iterator word(rest.begin(), rest.end(), dependency); word != end; ++word) {
      const std::string name = (*word)[1];
      names.insert(name);
      if (const auto through = linked.find(name); through != linked.end())
        names.insert(through->second.begin(), through->second.end());
    }
  }
  return linked;
}

/// A third-party library by the prefix of its headers, and the folders that may use it.
struct Library {
  std::string name;
  std::regex header;
  Names folders;  ///< empty: any
};
const std::vector<Library>& libraries() {
  static const std::vector<Library> list{
      {"libarchive", std::regex("archive(_entry)?\\.h"), {"tree", "debian", "flash"}},
      {"libelf", std::regex("(gelf|libelf)\\.h"), {"elf"}},
      {"libfdisk", std::regex("(libfdisk/|libfdisk\\.h).*"), {"disk"}},
      {"libguestfs", std::regex("guestfs.*"), {"appliance"}},
      {"libsolv", std::regex("solv/.*"), {"debian"}},
      {"libcurl", std::regex("curl/.*"), {"fetch"}},
      {"toml++", std::regex("toml\\+\\+.*"), {"toml"}},
      {"libxml2", std::regex("libxml/.*"), {"flash", "disk"}},
      {"yaml-cpp", std::regex("yaml-cpp/.*"), {"preflight"}},
      {"CLI11", std::regex("CLI/.*"), {"cli"}},
      {"nlohmann-json", std::regex("nlohmann/.*"), {}},
      {"OpenSSL", std::regex("openssl/.*"), {"util", "rootfs"}}};
  return list;
}

/// Output of a program; nullopt if it fails.
std::optional<std::string> output_of(std::vector<std::string> words) {
  int ends[2];
  if (pipe(ends) != 0) return std::nullopt;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  posix_spawn_file_actions_addclose(&actions, ends[1]);
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  const bool started = posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ) == 0;
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 1;
  if (!started || waitpid(child, &status, 0) != child || status != 0) return std::nullopt;
  return text;
}

/// The files in git. The folder may belong to a different user than the test.
std::vector<fs::path> committed_files() {
  const auto text = output_of({"git", "-c", "safe.directory=*", "-C", root.string(), "ls-files", "-z"});
  REQUIRE(text);
  std::vector<fs::path> files;
  std::size_t start = 0;
  for (std::size_t end; (end = text->find('\0', start)) != std::string::npos; start = end + 1)
    files.emplace_back(text->substr(start, end - start));
  return files;
}

std::string dotted(std::initializer_list<const char*> parts) {
  std::string text;
  for (const char* part : parts) text += (text.empty() ? "" : ".") + std::string(part);
  return text;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// Public hosts of packages and modules, concatenated so that this file does not contain their names.
std::vector<std::string> public_hosts() {
  std::vector<std::string> hosts{dotted({"deb", "debian", "org"}),
                                 dotted({"security", "debian", "org"}),
                                 dotted({"snapshot", "debian", "org"}),
                                 dotted({"ftp", "debian", "org"}),
                                 dotted({"archive", "debian", "org"}),
                                 dotted({"archive", "ubuntu", "com"}),
                                 dotted({"proxy", "golang", "org"}),
                                 dotted({"sum", "golang", "org"}),
                                 dotted({"goproxy", "io"}),
                                 dotted({"goproxy", "cn"}),
                                 dotted({"files", "pythonhosted", "org"}),
                                 dotted({"registry", "npmjs", "org"}),
                                 dotted({"static", "crates", "io"}),
                                 dotted({"index", "crates", "io"}),
                                 dotted({"registry-1", "docker", "io"})};
  return hosts;
}

bool is_for_examples(const std::string& host) {
  if (host == "localhost" || host == "mirror" || host.rfind("127.", 0) == 0) return true;
  for (const std::string name : {"example", "invalid", "test", "localhost"}) {
    if (host == name ||
        (host.size() > name.size() && host.compare(host.size() - name.size() - 1, name.size() + 1, "." + name) == 0))
      return true;
  }
  return std::regex_match(host, std::regex("([a-z0-9-]+\\.)*example\\.(com|org|net)"));
}

const std::regex& url_pattern() {
  static const std::regex pattern(
      "(https?|ftp|rsync)://([a-z0-9._~%-]+@)?([a-z0-9.-]+)(:[0-9]+)?(/[^ \t\"'<>)\\],;]*)?");
  return pattern;
}

/// The reason why a URL is that of a mirror, proxy or registry; "" if it is not.
std::string objection(const std::string& host, const std::string& path) {
  if (is_for_examples(host)) return "";
  if (std::regex_search(
          host,
          std::regex(
              "(^|\\.|-)(deb|ftp|mirrors?|proxy|goproxy|registry|artifactory|nexus|snapshot|pypi|apt|cache)(\\.|-)")))
    return "its host is one of a mirror or registry";
  if (std::regex_match(host, std::regex("[0-9.]+"))) return "its host is an address";
  if (std::regex_search(path, std::regex("/(debian|debian-security|dists|pool)(/|$)")))
    return "its path is one of a Debian mirror";
  if (host.find('.') == std::string::npos) return "its host is one of a private network";
  return "";
}

/// The hosts of this machine's packages, from apt sources and environment variables.
Names hosts_of_this_machine() {
  std::string text;
  std::error_code ignored;
  std::vector<fs::path> files{"/etc/apt/sources.list"};
  for (const auto& entry : fs::directory_iterator("/etc/apt/sources.list.d", ignored)) files.push_back(entry.path());
  for (const auto& file : files) {
    if (fs::is_regular_file(file, ignored)) text += read(file) + "\n";
  }
  for (const char* name : {"GOPROXY", "PIP_INDEX_URL", "NPM_CONFIG_REGISTRY", "K8SIMG_MIRROR", "http_proxy",
                           "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"}) {
    if (const char* value = std::getenv(name)) text += std::string(value) + "\n";
  }
  text = lower(text);
  Names hosts;
  for (std::sregex_iterator it(text.begin(), text.end(), url_pattern()), end; it != end; ++it) {
    const std::string host = (*it)[3];
    if (!is_for_examples(host) && host.find('.') != std::string::npos) hosts.insert(host);
  }
  return hosts;
}

}  // namespace

TEST_CASE("folders include only what lies below them") {
  const auto allowed = allowed_folders();
  std::size_t checked = 0;
  for (const auto& file : sources(root / "src")) {
    const std::string folder = folder_of(file);
    INFO(file.string());
    const auto rule = allowed.find(folder);
    if (rule == allowed.end()) {
      FAIL_CHECK("the folder src/" << folder << " has no place in the order of dependencies");
      continue;
    }
    for (const auto& include : includes(root / "src" / file, '"', '"')) {
      const std::string other = folder_of(include);
      INFO("includes " << include);
      CHECK(fs::exists(root / "src" / include));
      CHECK((other == folder || rule->second.count(other) == 1));
      ++checked;
    }
  }
  CHECK(checked > 300);
}

TEST_CASE("what a folder includes, its library links") {
  const auto linked = linked_folders();
  CHECK(linked.size() > 15);
  for (const auto& file : sources(root / "src")) {
    const std::string folder = folder_of(file);
    if (folder.empty()) continue;
    INFO(file.string());
    const auto library = linked.find(folder);
    if (library == linked.end()) {
      FAIL_CHECK("CMakeLists.txt has no k8simg_library(" << folder << ")");
      continue;
    }
    for (const auto& include : includes(root / "src" / file, '"', '"')) {
      const std::string other = folder_of(include);
      INFO("includes " << include);
      CHECK((other == folder || library->second.count(other) == 1));
    }
  }
  // Libraries must not link libraries that they must not include.
  const auto allowed = allowed_folders();
  for (const auto& [folder, others] : linked) {
    for (const auto& other : others) {
      INFO(folder << " links " << other);
      CHECK((allowed.count(folder) == 1 && allowed.at(folder).count(other) == 1));
    }
  }
}

TEST_CASE("third-party headers stay in the .cpp files of the folders that own them") {
  std::map<std::string, int> seen;
  for (const auto& file : sources(root / "src")) {
    const std::string folder = folder_of(file);
    for (const auto& include : includes(root / "src" / file, '<', '>')) {
      for (const auto& library : libraries()) {
        if (!std::regex_match(include, library.header)) continue;
        ++seen[library.name];
        INFO("src/" << file.string() << " includes " << include << " of " << library.name);
        CHECK((file.extension() == ".cpp" || file == "cli/verbs.hpp" || file == "graph/builtin.hpp"));
        CHECK((library.folders.empty() || library.folders.count(folder) == 1));
        if (file == "cli/verbs.hpp") CHECK(library.name == "CLI11");
        if (file == "graph/builtin.hpp") CHECK(library.name == "nlohmann-json");
      }
    }
  }
  for (const auto& library : libraries()) {
    if (library.name == "libguestfs") continue;
    INFO(library.name << " is used nowhere: is its pattern still right?");
    CHECK(seen[library.name] > 0);
  }
}

TEST_CASE("built-in steps are made by builtin(), so that a function depends on nothing but its step's key") {
  for (const auto& file : sources(root / "src")) {
    if (file == "graph/builtin.hpp" || file == "graph/step.hpp") continue;
    INFO("src/" << file.string());
    CHECK_FALSE(std::regex_search(read(root / "src" / file), std::regex("BuiltinAction *[{(]")));
  }
}

TEST_CASE("headers are read once, name no namespace and have nobody's namespace opened") {
  for (const auto& file : sources(root / "src")) {
    if (file.extension() != ".hpp") continue;
    INFO(file.string());
    const std::string text = read(root / "src" / file);
    CHECK(text.find("#pragma once") != std::string::npos);
    CHECK(text.find("\nusing namespace") == std::string::npos);
  }
}

TEST_CASE("every source file begins with a sentence on what it owns and stays short") {
  for (const char* folder : {"src", "tests"}) {
    for (const auto& file : sources(root / folder)) {
      INFO(folder << "/" << file.string());
      const auto lines = lines_of(read(root / folder / file));
      REQUIRE_FALSE(lines.empty());
      CHECK(lines[0].rfind("// ", 0) == 0);
      CHECK(lines[0].size() > 20);
      CHECK(lines.size() <= 450);
    }
  }
}

TEST_CASE("only src/report/output.cpp writes to standard output and standard error") {
  const std::regex other(
      "fmt::(v?print|println)\\b|std::(cout|cerr|clog|puts|printf)\\b|[^a-z_](printf|fprintf|puts|fputs|putchar|perror)"
      "\\(|\\bstderr\\b|\\bstdout\\b|write\\((1|2|STD(OUT|ERR)_FILENO)\\b");
  CHECK(std::regex_search("  fmt::print(\"{}\", name);", other));
  for (const auto& file : sources(root / "src")) {
    if (file == "report/output.cpp") continue;
    int number = 0;
    for (const auto& line : lines_of(read(root / "src" / file))) {
      ++number;
      const std::string code = line.substr(0, line.find("//"));
      if (code.find("print") == std::string::npos && code.find("put") == std::string::npos &&
          code.find("std") == std::string::npos && code.find("write") == std::string::npos &&
          code.find("perror") == std::string::npos)
        continue;
      // Words in messages, shell scripts and members do not count.
      static const std::regex text("\"([^\"\\\\]|\\\\.)*\"");
      if (std::regex_search(std::regex_replace(code, text, "\"\""), other))
        FAIL_CHECK("src/" << file.string() << ":" << number << " does not use print_out() or print_error(): " << line);
    }
  }
}

TEST_CASE("no committed file has the URL of a package mirror or registry") {
  const Names machine = hosts_of_this_machine();
  std::size_t files = 0;
  for (const auto& name : committed_files()) {
    const fs::path file = root / name;
    if (!fs::is_regular_file(file) || fs::is_symlink(file)) continue;  // deleted, but not committed yet
    ++files;
    const std::string text = lower(read(file));
    for (const auto& hosts : {public_hosts(), std::vector<std::string>(machine.begin(), machine.end())}) {
      for (const auto& host : hosts) {
        if (text.find(host) != std::string::npos) FAIL_CHECK(name.string() << " names the host " << host);
      }
    }
    // std::regex is slow, so it is applied only to the beginnings of URLs.
    for (std::size_t at = 0; (at = text.find("://", at)) != std::string::npos; at += 3) {
      std::size_t start = at;
      while (start > 0 && std::isalpha(static_cast<unsigned char>(text[start - 1]))) --start;
      const std::string candidate = text.substr(start, 300 + at - start);
      std::smatch match;
      if (!std::regex_search(candidate, match, url_pattern(), std::regex_constants::match_continuous)) continue;
      if (const std::string why = objection(match[3], match[5]); !why.empty())
        FAIL_CHECK(name.string() << ": " << match.str() << ": " << why);
    }
  }
  CHECK(files > 200);
}

TEST_CASE("the rule on mirrors knows a mirror when it sees one") {
  for (const auto& host : public_hosts()) CHECK_FALSE(objection(host, "/debian").empty());
  CHECK_FALSE(objection("mirror.university.edu", "/x").empty());
  CHECK_FALSE(objection("10.0.0.7", "").empty());
  CHECK_FALSE(objection("somewhere.net", "/debian/dists/trixie").empty());
  CHECK_FALSE(objection("proxy", "").empty());
  CHECK(objection("mirror.example", "/debian").empty());
  CHECK(objection("a.example.org", "/debian").empty());
  CHECK(objection("127.0.0.1", "/debian").empty());
  CHECK(objection("kubernetes.io", "/docs/setup").empty());
  CHECK(objection("www.debian.org", "/doc").empty());
}
