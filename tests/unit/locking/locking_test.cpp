// Tests making locks from suites in memory: kept, added and updated packages with reasons, and the shared tools' lock.
#include "locking/locking.hpp"

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/stanza.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

using namespace k8simg;
using test::stanza;

namespace {

using Names = std::vector<std::string>;
using What = LockUpdate::What;

constexpr std::int64_t first_day = 1763195591, a_day = 86400;

/// A mirror whose suites change daily, and a project with two configurations.
struct Site {
  std::int64_t today = first_day, age = 0;
  std::map<std::string, std::string> suites{
      {"trixie", stanza("app", "1", "Depends: lib\n") + stanza("lib", "1") +
                     stanza("htop", "1", "Depends: lib, ncurses\n") + stanza("ncurses", "1") +
                     stanza("gcc", "1", "Depends: libc\n") + stanza("libc", "1") +
                     stanza("cross", "1", "Depends: gcc (= 1), libc\n") + stanza("zstd", "1", "Depends: libc\n")},
      {"trixie-security", ""}};
  Config pc = config("pc", {"gcc"}), pi = config("pi", {"cross"});
  Names loaded, warnings, without;
  std::map<std::string, std::filesystem::path> keyrings;  // of the repositories that were loaded
  std::map<std::string, std::string> debs;
  std::map<std::string, std::string> interpreters;  // package → interpreter of a command
  TempDir folder{std::filesystem::temp_directory_path(), "locking"};

  static Config config(const std::string& name, const Names& compilers) {
    Config config;
    config.name = name, config.arch.debian = "amd64", config.packages = {"app"}, config.essential_packages = false;
    config.repositories = {
        {.name = "debian", .suites = {"trixie", "trixie-security"}, .tools_suites = {}, .sections = {"main"}}};
    for (const char* set : tool_set_names) config.tools.push_back({.name = set, .essential = false, .packages = {}});
    for (ToolSet& set : config.tools) {
      if (set.name == "c") set.packages = compilers;
      if (set.name == "compression") set.packages = {"zstd"};
    }
    return config;
  }

  LockResult lock(const Config& of, const Lock& before, const LockUpdate& update = {}, bool allow_older = false,
                  const std::vector<PackageFile>& files = {}) {
    loaded.clear();
    LockServices services;
    services.now = today + age;
    services.indexes = [&](const std::vector<Repository>& repositories, const std::string& architecture) {
      IndexSet set;
      for (const auto& r : repositories)
        for (const auto& suite : r.suites) {
          loaded.push_back(suite);
          keyrings[r.name] = r.keyring;
          set.suites.push_back({r.name, suite, today, sha256(suite)});
          set.packages.push_back({r.name, suite, "main", architecture, suites.at(suite)});
        }
      return set;
    };
    services.control_files = [&](const std::vector<LockedPackage>& packages) {
      std::map<std::string, std::string> controls;
      for (const auto& package : packages) controls[package.name] = debs.at(package.name + " " + package.version);
      return controls;
    };
    services.needed_interpreters = [&](const std::vector<LockedPackage>& packages, const Names& wanted) {
      std::map<std::string, std::string> needed;
      for (const auto& package : packages)
        if (const auto found = interpreters.find(package.name); found != interpreters.end())
          for (const auto& interpreter : wanted)
            if (found->second == interpreter) needed.try_emplace(interpreter, package.name);
      return needed;
    };
    services.warn = [&](const std::string& text) { warnings.push_back(text); };
    return make_lock(
        of, {pc, pi},
        {.before = before, .update = update, .allow_older = allow_older, .without = without, .files = files}, services);
  }
};

std::string words(const std::vector<LockedPackage>& packages) {
  Names list;
  for (const auto& package : packages) list.push_back(package.name + " " + package.version);
  return join(list, ", ");
}

std::string changes(const Lock& before, const LockResult& after) {
  return join(describe_changes(before, after.lock, after.target, after.tools), "; ");
}

}  // namespace

TEST_CASE("what is excluded unless a package is there is included with it, and so is what is asked for itself") {
  Site site;
  site.suites.at("trixie") += stanza("perl", "1", "Depends: perl-base\n") + stanza("perl-base", "1") +
                              stanza("script", "1", "Depends: perl-base\n") + stanza("inxi", "1", "Depends: perl\n");
  site.pc.exclude_packages_unless = {{"perl", {"perl-base"}, ""}};
  site.pc.packages = {"script"};
  CHECK(words(site.lock(site.pc, {}).lock.target) == "script 1");
  site.pc.packages = {"inxi", "script"};
  CHECK(words(site.lock(site.pc, {}).lock.target) == "inxi 1, perl 1, perl-base 1, script 1");
  site.pc.packages = {"perl-base", "script"};
  CHECK(words(site.lock(site.pc, {}).lock.target) == "perl-base 1, script 1");
  site.pc.exclude_packages = {"lib"};
  site.pc.packages = {"app"};
  CHECK(words(site.lock(site.pc, {}).lock.target) == "app 1");
  site.pc.packages = {"app", "lib"};
  CHECK(words(site.lock(site.pc, {}).lock.target) == "app 1, lib 1");
}

TEST_CASE("a package that a component stands for is not installed beside it, unless it is asked for") {
  Site site;
  site.pc.packages = {"app"};
  ComponentConfig component;
  component.name = "engine";
  component.provides = {"lib"};
  site.pc.components = {component};
  CHECK(words(site.lock(site.pc, {}).lock.target) == "app 1");
  site.pc.packages = {"app", "lib"};
  CHECK(words(site.lock(site.pc, {}).lock.target) == "app 1, lib 1");
  site.pc.packages = {"app"};
  site.pc.components.clear();
  CHECK(words(site.lock(site.pc, {}).lock.target) == "app 1, lib 1");
}

TEST_CASE("an excluded package is included if a command needs its interpreter, and the reason says so") {
  Site site;
  site.suites.at("trixie") += stanza("perl-base", "1", "Essential: yes\n") + stanza("fish", "1");
  site.pc.essential_packages = true;
  site.pc.exclude_packages_unless = {{"perl", {"perl-base"}, "/usr/bin/perl"}};
  site.interpreters = {{"fish", "/usr/bin/perl"}, {"htop", "/usr/bin/python3"}};
  site.pc.packages = {"app", "htop"};
  const Lock before = site.lock(site.pc, {}).lock;
  CHECK(words(before.target) == "app 1, htop 1, lib 1, ncurses 1");
  site.pc.packages = {"app", "fish"};
  const LockResult after = site.lock(site.pc, before);
  CHECK(words(after.lock.target) == "app 1, fish 1, lib 1, perl-base 1");
  CHECK(changes(before, after).find("perl-base 1 (/usr/bin/perl is the interpreter of a command of fish)") !=
        std::string::npos);
  // It goes with the package.
  site.pc.packages = {"app"};
  CHECK(words(site.lock(site.pc, after.lock).lock.target) == "app 1, lib 1");
}

TEST_CASE("a new lock: the target's packages, and the tools of every configuration, each once") {
  Site site;
  const Lock lock = site.lock(site.pc, {}).lock;
  CHECK(words(lock.target) == "app 1, lib 1");
  CHECK(lock.date == first_day);
  CHECK(words(lock.tools.packages) == "cross 1, gcc 1, libc 1, zstd 1");
  REQUIRE(lock.tools.sets.size() == 3);
  for (const Config* config : {&site.pc, &site.pi})
    for (const auto& set : config->tools) CHECK((set.packages.empty() || lock.tools.find(set)));
  CHECK(lock.tools.find(site.pi.tool_set("c"))->packages == Names{"cross", "gcc", "libc"});
  // Both texts survive a round trip.
  CHECK(Lock::parse(lock.serialise(), "pc.lock").serialise() == lock.serialise());
  CHECK(ToolsLock::parse(lock.tools.serialise(), "tools.lock").serialise() == lock.tools.serialise());
}

TEST_CASE("adding a package adds it and what it needs: nothing else moves, and the tools are not even looked at") {
  Site site;
  const Lock before = site.lock(site.pc, {}).lock;
  site.today += a_day;
  for (auto& [name, text] : site.suites)
    text = replace_all(text, "Version: 1", "Version: 2"), text = replace_all(text, "_1_", "_2_");
  site.debs = {{"app 1", "Package: app\nVersion: 1\nArchitecture: amd64\nDepends: lib\n"},
               {"lib 1", "Package: lib\nVersion: 1\nArchitecture: amd64\n"}};
  for (const char* name : {"app", "lib", "htop", "ncurses"})
    site.suites["trixie"] = replace_all(site.suites["trixie"], sha256(std::string(name) + "1").hex(),
                                        sha256(std::string(name) + "2").hex());
  site.pc.packages.push_back("htop");
  const LockResult after = site.lock(site.pc, before);
  CHECK(words(after.lock.target) == "app 1, htop 2, lib 1, ncurses 2");
  CHECK(changes(before, after) == "+ htop 2 (asked for); + ncurses 2 (needed by htop)");
  CHECK(site.loaded == Names{"trixie", "trixie-security"});
  CHECK(after.lock.tools.serialise() == before.tools.serialise());
  // The images keep their date. New packages have the date of the mirror that has them.
  CHECK(after.lock.date == first_day);
  CHECK(after.lock.target[0].date == first_day);
  CHECK(after.lock.target[1].date == first_day + a_day);

  // Removing it again restores the lock, except for the date of the suites.
  site.pc.packages.pop_back();
  CHECK(site.lock(site.pc, after.lock).lock.target == before.target);
}

TEST_CASE("packages of boot files are locked for the target's architecture, without what they need, and kept") {
  Site site;
  site.suites.at("trixie") += stanza("efi-loader", "1", "Depends: ncurses\n");
  site.pc.boot_files = {{"a.efi", "package:efi-loader", "a", false},
                        {"b.efi", "package:efi-loader", "b", false},
                        {"c", "package:lib", "c", false},  // an installed one
                        {"d", "tool:gcc", "d", false}};
  site.pc.settings = {{.key = "boot.files.\"a.efi\".from", .value = "", .set_by = {{"boards/x/board.toml", 7, 1}}}};
  const LockResult first = site.lock(site.pc, {});
  const Lock before = first.lock;
  CHECK(words(before.boot) == "efi-loader 1");
  CHECK(words(before.target) == "app 1, lib 1");
  CHECK(before.boot[0].date == first_day);
  CHECK(Lock::parse(before.serialise(), "pc.lock").boot == before.boot);

  // A newer version changes nothing until it is asked for.
  site.today += a_day;
  std::string& trixie = site.suites.at("trixie");
  trixie = replace_all(trixie, stanza("efi-loader", "1", "Depends: ncurses\n"),
                       stanza("efi-loader", "2", "Depends: ncurses\n"));
  site.debs = {{"efi-loader 1", "Package: efi-loader\nVersion: 1\nArchitecture: amd64\nDepends: ncurses\n"}};
  CHECK(site.lock(site.pc, before).lock.serialise() == before.serialise());
  const LockResult updated = site.lock(site.pc, before, {What::Packages, {"efi-loader"}});
  CHECK(words(updated.lock.boot) == "efi-loader 2");
  CHECK(changes(before, updated) == "boot: efi-loader 1 → 2 (update)");

  // It moves to the target when it is installed, and goes when no boot file names it.
  site.pc.packages.push_back("efi-loader");
  const Lock installed = site.lock(site.pc, updated.lock).lock;
  CHECK(words(installed.boot) == "");
  CHECK(words(installed.target) == "app 1, efi-loader 2, lib 1, ncurses 1");
  site.pc.packages.pop_back();
  site.pc.boot_files.clear();
  CHECK(words(site.lock(site.pc, installed).lock.boot) == "");
}

TEST_CASE("a boot file's package that no suite has for the architecture is named with the line of the board") {
  Site site;
  site.pc.boot_files = {{"a.efi", "package:efi-loader", "a", false}};
  site.pc.settings = {{.key = "boot.files.\"a.efi\".from", .value = "", .set_by = {{"boards/x/board.toml", 7, 1}}}};
  try {
    site.lock(site.pc, {});
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Resolve);
    CHECK(error.message().find("no suite has a package efi-loader for amd64") == 0);
    CHECK(error.context() == Names{"while choosing the packages of boot files: efi-loader of a.efi "
                                   "(boards/x/board.toml:7)"});
  }
}

TEST_CASE("nothing to do changes no byte of a lock") {
  Site site;
  const Lock before = site.lock(site.pc, {}).lock;
  site.today += a_day;
  site.suites["trixie"] += stanza("app", "2");
  CHECK(site.lock(site.pc, before).lock.serialise() == before.serialise());
}

TEST_CASE("--update takes everything, --update PACKAGE what it needs, --security what a security suite supersedes") {
  Site site;
  const Lock before = site.lock(site.pc, {}).lock;
  site.today += a_day;
  site.suites["trixie"] +=
      stanza("app", "2", "Depends: lib (>= 2)\n") + stanza("lib", "2") + stanza("zstd", "2", "Depends: libc\n");
  site.suites["trixie-security"] += stanza("lib", "1+deb13u1") + stanza("libc", "1+deb13u1");

  CHECK(changes(before, site.lock(site.pc, before, {What::Packages, {"app"}})) ==
        "app 1 → 2 (update); lib 1 → 2 (needed by app)");
  CHECK(changes(before, site.lock(site.pc, before, {What::Packages, {"zstd"}})) == "tools: zstd 1 → 2 (update)");
  CHECK(changes(before, site.lock(site.pc, before, {What::Security, {}})) ==
        "lib 1 → 2 (trixie-security has it); tools: libc 1 → 1+deb13u1 (trixie-security has it)");
  const LockResult all = site.lock(site.pc, before, {What::Everything, {}});
  CHECK(changes(before, all) ==
        "app 1 → 2 (update); lib 1 → 2 (update); tools: libc 1 → 1+deb13u1 (update); tools: zstd 1 → 2 (update)");
  CHECK(all.lock.date == first_day + a_day);
  CHECK(all.lock.serialise().find("\"date\": \"2025-11-16T08:33:11Z\"}") == std::string::npos);
  CHECK_THROWS_AS(site.lock(site.pc, before, {What::Packages, {"apt"}}), Error);
}

TEST_CASE(
    "a set that is asked for differently is locked again, with the versions of the others; what no configuration asks "
    "for goes") {
  Site site;
  const Lock before = site.lock(site.pc, {}).lock;
  site.today += a_day;
  site.suites["trixie"] +=
      stanza("gcc", "2", "Depends: libc\n") + stanza("libc", "2") + stanza("make", "1", "Depends: libc\n");
  for (ToolSet& set : site.pc.tools)
    if (set.name == "c") set.packages = {"gcc", "make"};
  const LockResult after = site.lock(site.pc, before);
  CHECK(changes(before, after) == "tools: + make 1 (asked for)");
  CHECK(after.lock.tools.sets.size() == 3);
  CHECK_FALSE(after.lock.tools.find({.name = "c", .essential = false, .packages = {"gcc"}}));
  // A set of another architecture needs the old gcc, so both keep it.
  CHECK(after.lock.tools.package("gcc").version == "1");
}

TEST_CASE("each tool has one version: what one set must update, all do") {
  Site site;
  const Lock before = site.lock(site.pc, {}).lock;
  site.suites["trixie"] += stanza("gcc", "2", "Depends: libc\n") + stanza("cross", "2", "Depends: gcc (= 2), libc\n") +
                           stanza("plugin", "1", "Depends: gcc (>= 2)\n");
  for (ToolSet& set : site.pc.tools)
    if (set.name == "c") set.packages = {"gcc", "plugin"};
  const LockResult after = site.lock(site.pc, before);
  CHECK(words(after.lock.tools.packages) == "cross 2, gcc 2, libc 1, plugin 1, zstd 1");
  CHECK(changes(before, after) ==
        "tools: cross 1 → 2 (needed by gcc); tools: gcc 1 → 2 (needed by plugin); tools: + plugin 1 (asked for)");
}

TEST_CASE("an older mirror is refused, and a suite of long ago is warned of") {
  Site site;
  const Lock before = site.lock(site.pc, {}).lock;
  site.today -= a_day;
  try {
    site.lock(site.pc, before);
    FAIL("it was locked");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Fetch);
    CHECK(
        error.message().find("suite trixie of debian is from 2025-11-14T08:33:11Z on the mirror, but the lock was made "
                             "from one of 2025-11-15T08:33:11Z") != std::string::npos);
  }
  CHECK(words(site.lock(site.pc, before, {}, true).lock.target) == "app 1, lib 1");
}

TEST_CASE("suites to leave out must be suites") {
  Site site;
  LockServices services;
  CHECK_THROWS_AS(
      make_lock(site.pc, {site.pc}, {.before = {}, .update = {}, .allow_older = false, .without = {"sid"}}, services),
      Error);
}

namespace {

PackageFile package_file(const std::string& name, const std::string& version, const std::string& more = "") {
  return {
      .package = {name, version, "amd64", name, "", "", "debs/" + name + ".deb", 7, sha256(name + version + "file")},
      .control = fmt::format("Package: {}\nVersion: {}\nArchitecture: amd64\n{}", name, version, more)};
}

}  // namespace

TEST_CASE("files of the project are in the lock, with what they need of the suites") {
  Site site;
  const Lock before = site.lock(site.pc, {}).lock;
  site.today += a_day;
  const LockResult after = site.lock(site.pc, before, {}, false, {package_file("lib", "0.5", "Depends: ncurses\n")});
  CHECK(words(after.lock.target) == "app 1, lib 0.5, ncurses 1");
  CHECK(changes(before, after) == "lib 1 → 0.5 (debs/lib.deb); + ncurses 1 (needed by lib)");
  CHECK(after.lock.target[1].path == "debs/lib.deb");
  CHECK(after.lock.target[1].date == 0);
  CHECK(Lock::parse(after.lock.serialise(), "pc.lock").serialise() == after.lock.serialise());
  CHECK(after.lock.tools.serialise() == before.tools.serialise());

  // Nothing moves when it is locked again, nor when all is updated; other bytes of one version are a change.
  Lock locked = Lock::parse(after.lock.serialise(), "pc.lock");
  locked.tools = after.lock.tools;
  const Lock again = site.lock(site.pc, locked, {}, false, {package_file("lib", "0.5", "Depends: ncurses\n")}).lock;
  CHECK(again.serialise() == after.lock.serialise());
  CHECK(words(site.lock(site.pc, locked, {What::Security, {}}, false, {package_file("lib", "0.5")}).lock.target) ==
        "app 1, lib 0.5");
  PackageFile rebuilt = package_file("lib", "0.5", "Depends: ncurses\n");
  rebuilt.package.sha256 = sha256("rebuilt");
  CHECK(changes(locked, site.lock(site.pc, locked, {}, false, {rebuilt})) ==
        "lib 0.5: same version, different bytes (debs/lib.deb)");

  // Without the file, the suite's package comes back. The file need not exist for that.
  CHECK(words(site.lock(site.pc, locked).lock.target) == "app 1, lib 1");
}

TEST_CASE("a file is installed although its name is excluded, and without that anything asks for it") {
  Site site;
  site.pc.exclude_packages = {"own"};
  site.pc.exclude_packages_unless = {{"perl", {"own"}, ""}};
  CHECK(words(site.lock(site.pc, {}, {}, false, {package_file("own", "1")}).lock.target) == "app 1, lib 1, own 1");
}

TEST_CASE("a repository with a keyring of its own gives tools only from its tools-suites") {
  Site site;
  write_file_atomically(site.folder.path() / "own.asc", "");
  site.pc.project = site.folder.path();
  site.pc.repositories.push_back(
      {.name = "own", .suites = {"./"}, .tools_suites = {}, .sections = {}, .keyring = "own.asc"});
  site.suites["./"] = stanza("lib", "3") + stanza("zstd", "3");
  const Lock lock = site.lock(site.pc, {}).lock;
  CHECK(words(lock.target) == "app 1, lib 3");
  CHECK(lock.target[1].repository == "own");
  CHECK(words(lock.tools.packages) == "cross 1, gcc 1, libc 1, zstd 1");
  CHECK(site.keyrings.at("own") == site.folder.path() / "own.asc");
  CHECK(site.keyrings.at("debian").empty());
  site.pc.repositories.back().tools_suites = {"./"};
  CHECK(words(site.lock(site.pc, {}).lock.tools.packages) == "cross 1, gcc 1, libc 1, zstd 3");
  site.without = {"./"};
  CHECK(words(site.lock(site.pc, {}).lock.target) == "app 1, lib 1");
  site.without.clear();
  // The tools are those of all configurations, so one name has one keyring.
  write_file_atomically(site.folder.path() / "other.asc", "");
  site.pi.project = site.pc.project;
  site.pi.repositories.push_back(site.pc.repositories.back());
  site.pi.repositories.back().keyring = "other.asc";
  try {
    site.lock(site.pc, {});
    FAIL("it was locked");
  } catch (const Error& error) {
    CHECK(error.message() == "repository own has another keyring in pi than in other defconfigs");
  }
}

TEST_CASE("only a repository of the archive is warned of when it is old") {
  Site site;
  write_file_atomically(site.folder.path() / "own.asc", "");
  site.pc.project = site.folder.path();
  site.pc.repositories.push_back(
      {.name = "own", .suites = {"./"}, .tools_suites = {}, .sections = {}, .keyring = "own.asc"});
  site.suites["./"] = "";
  site.age = 300 * a_day;
  site.lock(site.pc, {});
  REQUIRE_FALSE(site.warnings.empty());
  for (const auto& warning : site.warnings) CHECK(warning.find("of debian") != std::string::npos);
}
