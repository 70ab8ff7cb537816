// Tests that every value of a configuration changes the key of a step or the lock. It fails for values that no step
// uses, and for values that a step uses without its key.
#include <fmt/format.h>

#include <regex>
#include <set>

#include "config/config.hpp"
#include "disk/formats.hpp"
#include "locking/locking.hpp"
#include "pipeline/pipeline.hpp"
#include "settings_project.hpp"
#include "store/store.hpp"
#include "support/catch.hpp"
#include "support/deb.hpp"
#include "support/keys.hpp"
#include "support/recipe.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace fs = std::filesystem;
using namespace k8simg;

namespace {

using namespace settings_project;

struct Projects {
  TempDir folder{fs::temp_directory_path(), "settings"};
  std::map<std::string, std::string> files{
      {"boards/toy/board.toml", std::string(board) + qemu_is_no_input},
      {"boards/toy/kernel.config", "CONFIG_A=y\n"},
      {"boards/toy/entry.conf", "${cmdline} ${role} ${hostname}\n"},
      {"boards/toy/other.conf", "other ${cmdline}\n"},
      {"boards/chip/board.toml", architecture_board},
      {"defconfigs/toy.toml", defconfig},
      {"defconfigs/chip.toml", architecture_defconfig},
      {"defconfigs/data.toml", data_defconfig},
      {"components/engine/component.toml", component},
      {"components/engine/go.mod", "module engine\n"},
      {"components/engine/go.sum", ""},
      {"components/engine/patches/0001-faster.patch",
       "Reason: faster\nGain: a half\nObsolete: never\n\n--- a/example.com/m/a.go\n+++ b/example.com/m/a.go\n"
       "@@ -1 +1 @@\n-a\n+b\n"},
      {"components/empty/component.toml",
       "name = \"empty\"\nversion = \"v1\"\ndescription = \"x\"\nlicense = \"MIT\"\n[[binary]]\nname = "
       "\"empty\"\npackage = \".\"\n"},
      {"components/empty/go.mod", "module empty\n"},
      {"components/empty/go.sum", ""},
      {"kernel-fragments/base.config", "CONFIG_NET=y\n"},
      {"kernel-fragments/more.config", "CONFIG_MORE=y\n"},
      {"kernel-fragments/requirements.toml", ""},
      {"defconfigs/scripts.toml", ""},
      {"images/app.tar", "not read before a step runs"},
      {"overlays/base/etc/motd", "hello\n"},
      {"ca/site.pem", "PEM\n"},
      {"overlays/more/etc/more", "more\n"},
      {"keys/own.asc", test::armored_key},
      {"keys/other.asc", test::armored_key},
      {"debs/own.deb", test::small_deb("own", "1", "", "all")},
      {"debs/other.deb", test::small_deb("other", "1", "", "all")},
  };

  Projects() {
    for (const auto& [name, text] : files) write(name, text);
  }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder.path() / name).parent_path());
    write_file_atomically(folder.path() / name, text);
  }
};

/// Suites with all packages of these projects.
IndexSet indexes(const std::vector<Repository>& repositories, const std::string& architecture, std::string& asked) {
  IndexSet set;
  asked += architecture + ":";
  for (const auto& r : repositories)
    for (const auto& suite : r.suites) {
      set.suites.push_back({r.name, suite, 1763195591, sha256(suite)});
      asked += fmt::format(" {}/{}/{}/{}", r.name, suite, join(r.sections, "+"), r.keyring.filename().string());
      std::string text;
      for (const char* name :
           {"bash",        "base",   "perl-base",    "tool",           "vim",    "kbd",     "gcc",
            "make",        "go",     "coreutils",    "e2fsprogs",      "zstd",   "qemu",    "qemu-utils",
            "linux-image", "skopeo", "linux-source", "linux-source-7", "loader", "loader-2"})
        text += fmt::format(
            "Package: {0}\nVersion: 1\nArchitecture: {1}\n{2}{3}Filename: pool/{0}.deb\nSize: 10\nSHA256: {4}\n\n",
            name, architecture, std::string_view(name) == "bash" ? "Depends: perl-base, tool, make\n" : "",
            std::string_view(name) == "base" ? "Essential: yes\n" : "", sha256(name).hex());
      set.packages.push_back({r.name, suite, "main", architecture, text, suite.ends_with("-backports")});
    }
  return set;
}

/// All keys that are known before a step runs, and the locks, as one text.
std::string fingerprint(const fs::path& project, const std::string& name) {
  const Config config = load_config(name, {.project = project, .set = {}, .formats = disk_formats()});
  std::string text;
  LockServices services;
  services.now = 1763195591;
  services.indexes = [&](const std::vector<Repository>& repositories, const std::string& architecture) {
    return indexes(repositories, architecture, text);
  };
  services.needed_interpreters = [](const auto&, const std::vector<std::string>& interpreters) {
    std::map<std::string, std::string> needed;
    for (const auto& each : interpreters)
      if (each == "/usr/bin/perl") needed[each] = "bash";
    return needed;
  };
  services.warn = [](const std::string&) {};
  MemoryStore store;
  const LockRequest request{
      .before = {}, .update = {}, .allow_older = false, .without = {}, .files = read_package_files(config, store)};
  const Lock lock = make_lock(config, {config}, request, services).lock;
  text += lock.serialise() + lock.tools.serialise();
  test::NoDownloads downloader;
  const Mirrors mirrors;
  const Pipeline pipeline = make_pipeline({.config = config,
                                           .lock = lock,
                                           .store = store,
                                           .downloader = downloader,
                                           .mirrors = mirrors,
                                           .version = "1",
                                           .environment_epoch = {}});
  for (const auto& [id, key] : test::keys_of(pipeline.graph)) text += id + " " + key.hex() + "\n";
  for (const auto& [file, output] : pipeline.artifacts)
    text += fmt::format("{} {} {}\n", file, OutputRef(output).step, OutputRef(output).output);
  return text;
}

struct Line {
  std::string key;       ///< "disk.partition.mount", without the names of entries
  std::size_t at, size;  ///< position in the file
  std::string other;     ///< the line with the alternative value; "" for an exemption
};

/// The lines with a mark. Keys of entries have no name of the entry: [[disk.partition]] gives "disk.partition".
std::vector<Line> marked_lines(const std::string& file, const std::string& text) {
  static const std::regex section(R"(\[\[?([^\]]+)\]\]?.*)"), line(R"(([a-z0-9-]+) = (.*?)\s+#([>=]) (.*))");
  std::vector<Line> lines;
  std::string prefix = file.starts_with("components/") ? "components.*." : "", inside;
  std::size_t at = 0;
  for (const auto& each : split(text, '\n')) {
    std::smatch match;
    if (std::regex_match(each, match, section)) {
      inside = std::string(match[1]) + ".";
    } else if (std::regex_match(each, match, line)) {
      const std::string key = match[1];
      lines.push_back({prefix + inside + key, at, each.size(),
                       match[3] == ">" ? fmt::format("{} = {}", key, std::string(match[4])) : ""});
    }
    at += each.size() + 1;
  }
  return lines;
}

/// "components.pause.binary.pause.check.1.argv" → "components.*.binary.check.argv", as in the lines of the files above.
std::string without_names(std::string key) {
  key = std::regex_replace(key, std::regex(R"(\."[^"]*")"), ".NAME");
  key = std::regex_replace(
      key,
      std::regex(
          R"((^|\.)(boot\.files|disk\.partition|repository|packages\.unless|rootfs\.unless|rootfs\.replace|rootfs\.mode|audit\.allow|audit\.no-interpreter|binary|image\.extra|image|release|user)\.[^.]+\.)"),
      "$1$2.");
  key = std::regex_replace(key, std::regex(R"(\.check\.[0-9]+\.)"), ".check.");
  key = std::regex_replace(key, std::regex(R"(^rootfs\.alternatives\..*)"), "rootfs.alternatives.awk");
  return std::regex_replace(key, std::regex(R"(^components\.(?!enable$)[^.]+\.)"), "components.*.");
}

}  // namespace

TEST_CASE("every value that is set reaches a step's key or the lock") {
  const Projects projects;
  std::map<std::string, std::string> before;
  for (const char* name : {"chip", "data", "toy"}) before[name] = fingerprint(projects.folder.path(), name);
  CHECK(fingerprint(projects.folder.path(), "toy") == before.at("toy"));
  for (const auto& [file, text] : projects.files)
    for (const auto& line : marked_lines(file, text)) {
      if (line.other.empty()) continue;
      INFO(file << ": " << line.key << ": " << line.other);
      projects.write(file, text.substr(0, line.at) + line.other + text.substr(line.at + line.size));
      bool changed = false;
      std::string refused;
      for (const auto& [name, old] : before) {
        try {
          changed = changed || fingerprint(projects.folder.path(), name) != old;
        } catch (const Error& error) {
          refused += "\n" + name + " refuses it: " + error.message();
        }
      }
      INFO(refused);
      CHECK(changed);
      projects.write(file, text);
    }
}

TEST_CASE("every value that `show` prints of a defconfig is among those that were tried, or is exempt with a reason") {
  const Projects projects;
  std::set<std::string> tried;
  for (const auto& [file, text] : projects.files)
    for (const auto& line : marked_lines(file, text))
      tried.insert(std::regex_replace(line.key, std::regex(R"(^components\.engine\.)"), "components.*."));
  const fs::path project = K8SIMG_SOURCE_DIR;
  for (const auto& summary : list_defconfigs(project)) {
    INFO(summary.name);
    for (const auto& setting :
         load_config(summary.name, {.project = project, .set = {}, .formats = disk_formats()}).settings) {
      INFO(setting.key << " is " << without_names(setting.key));
      CHECK(tried.contains(without_names(setting.key)));
    }
  }
}
