// Tests resolve: the same choices as apt, suites, exclusions, and messages for conflicts.
#include "debian/resolve.hpp"

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/stanza.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

using namespace k8simg;
using test::stanza;

namespace {

struct Suites {
  IndexSet set;
  Suites& add(const std::string& suite, const std::string& text, bool not_automatic = false) {
    set.suites.push_back({"debian", suite, 0, {}});
    set.packages.push_back({"debian", suite, "main", "amd64", text, not_automatic});
    return *this;
  }
};

IndexSet trixie(const std::string& text) { return Suites{}.add("trixie", text).set; }

/// "a 1, b 2".
std::string resolved(const IndexSet& set, const std::vector<std::string>& install,
                     const std::vector<std::string>& exclude = {}, bool essential = false,
                     const std::vector<std::string>& off = {}) {
  std::vector<std::string> lines;
  for (const LockedPackage& package : resolve(set, {.architecture = "amd64",
                                                    .install = install,
                                                    .essential = essential,
                                                    .exclude = exclude,
                                                    .prefer_suites = off})
                                          .packages)
    lines.push_back(package.name + " " + package.version);
  return join(lines, ", ");
}

std::string refusal(const IndexSet& set, const std::vector<std::string>& install,
                    const std::vector<std::string>& exclude = {}) {
  try {
    return "resolved: " + resolved(set, install, exclude);
  } catch (const Error& error) {
    CHECK((error.kind() == ErrorKind::Resolve || error.kind() == ErrorKind::Fetch));
    std::string text = error.message();
    for (const std::string& line : error.context()) text += "\n" + line;
    return text;
  }
}

}  // namespace

TEST_CASE("the locked package says where it came from") {
  const auto packages = resolve(trixie("Package: libx1\nSource: x (2.0)\nVersion: 2.0+b1\nArchitecture: all\nFilename: "
                                       "pool/main/x/x/libx1_2.0+b1_all.deb\nSize: 4321\nSHA256: " +
                                       sha256("x").hex() + "\n"),
                                {.architecture = "amd64", .install = {"libx1"}})
                            .packages;
  REQUIRE(packages.size() == 1);
  CHECK(packages[0] == LockedPackage{"libx1", "2.0+b1", "all", "x", "debian", "trixie",
                                     "pool/main/x/x/libx1_2.0+b1_all.deb", 4321, sha256("x")});
}

TEST_CASE("dependencies come in, recommendations do not") {
  const auto set = trixie(stanza("a", "1", "Pre-Depends: c\nDepends: b (>= 2)\nRecommends: d\nSuggests: d\n") +
                          stanza("b", "2") + stanza("c", "1") + stanza("d", "1"));
  CHECK(resolved(set, {"a"}) == "a 1, b 2, c 1");
}

TEST_CASE("alternatives: the first, unless another is there already") {
  const std::string text = stanza("a", "1", "Depends: x | y\n") + stanza("x", "1") + stanza("y", "1") +
                           stanza("b", "1", "Depends: gone | y\n") + stanza("c", "1", "Depends: x (>= 2) | y\n");
  CHECK(resolved(trixie(text), {"a"}) == "a 1, x 1");
  CHECK(resolved(trixie(text), {"a", "y"}) == "a 1, y 1");
  CHECK(resolved(trixie(text), {"b"}) == "b 1, y 1");
  CHECK(resolved(trixie(text), {"c"}) == "c 1, y 1");
}

TEST_CASE("a first alternative that cannot be installed is passed over, with what it would have brought") {
  const std::string text = stanza("a", "1", "Depends: x | y\n") + stanza("x", "1", "Depends: helper, missing\n") +
                           stanza("y", "1") + stanza("helper", "1") + stanza("b", "1", "Depends: deep | y\n") +
                           stanza("deep", "1", "Depends: helper, x\n");
  CHECK(resolved(trixie(text), {"a"}) == "a 1, y 1");
  CHECK(resolved(trixie(text), {"b"}) == "b 1, y 1");
}

TEST_CASE("providers of a virtual package: priority, then the one mentioned last") {
  const std::string important = "Priority: important\n";
  const std::string text =
      stanza("a", "1", "Depends: mta\n") + stanza("p1", "1", "Provides: mta\n") + stanza("p2", "1", "Provides: mta\n");
  CHECK(resolved(trixie(text), {"a"}) == "a 1, p2 1");
  CHECK(resolved(trixie(text), {"a", "p1"}) == "a 1, p1 1");
  const std::string preferred = replace_all(stanza("p0", "1", "Provides: mta\n"), "Priority: optional\n", important);
  CHECK(resolved(trixie(preferred + text), {"a"}) == "a 1, p0 1");
}

TEST_CASE("provides: versions must match, unversioned ones satisfy no version") {
  const std::string text = stanza("a", "1", "Depends: api (>= 2)\n") + stanza("p1", "1", "Provides: api\n") +
                           stanza("p2", "1", "Provides: api (= 2.1)\n") + stanza("p3", "9", "Provides: api (= 1)\n");
  CHECK(resolved(trixie(text), {"a"}) == "a 1, p2 1");
  CHECK(refusal(trixie(stanza("a", "1", "Depends: api (>= 2)\n") + stanza("p1", "1", "Provides: api\n")), {"a"})
            .starts_with("a 1 depends on api (>= 2), which no suite has; trixie p1 1 provides api"));
}

TEST_CASE("qualifiers: any needs Multi-Arch: allowed, foreign architectures are never met") {
  CHECK(resolved(trixie(stanza("a", "1", "Depends: py:any (>= 3)\n") + stanza("py", "3", "Multi-Arch: allowed\n")),
                 {"a"}) == "a 1, py 3");
  CHECK(refusal(trixie(stanza("a", "1", "Depends: py:any\n") + stanza("py", "3", "Multi-Arch: same\n")), {"a"})
            .starts_with("a 1 depends on py:any, which no suite has"));
  CHECK(resolved(trixie(stanza("a", "1", "Depends: py:amd64\n") + stanza("py", "3")), {"a"}) == "a 1, py 3");
  CHECK(refusal(trixie(stanza("a", "1", "Depends: py:armel\n") + stanza("py", "3")), {"a"})
            .starts_with("a 1 depends on py:armel, which no suite has"));
}

TEST_CASE("essential packages are added unless excluded") {
  const auto set =
      trixie(stanza("a", "1") + stanza("dash", "1", "Essential: yes\nDepends: libc\n") + stanza("libc", "1"));
  CHECK(resolved(set, {"a"}, {}, true) == "a 1, dash 1, libc 1");
  CHECK(resolved(set, {"a"}, {"dash"}, true) == "a 1");
  CHECK(resolved(set, {"a"}, {}, false) == "a 1");
}

TEST_CASE("the newest version of all suites is taken, from the first suite that has it") {
  auto set = Suites{}.add("trixie", stanza("a", "1")).add("trixie-security", stanza("a", "1+deb13u1")).set;
  CHECK(resolve(set, {.architecture = "amd64", .install = {"a"}}).packages[0].suite == "trixie-security");
  set = Suites{}.add("trixie", stanza("a", "1")).add("trixie-updates", stanza("a", "1")).set;
  CHECK(resolve(set, {.architecture = "amd64", .install = {"a"}}).packages[0].suite == "trixie");
}

TEST_CASE("backports are used only when asked for, and only as far as needed") {
  const auto set =
      Suites{}
          .add("trixie", stanza("a", "1", "Depends: lib\n") + stanza("lib", "1") + stanza("other", "1"))
          .add("trixie-backports",
               stanza("a", "2", "Depends: lib (>= 2), other, fresh\n") + stanza("lib", "2") + stanza("other", "2") +
                   stanza("fresh", "2", "Depends: fresher\n") + stanza("fresher", "2"),
               true)
          .set;
  CHECK(resolved(set, {"a"}) == "a 1, lib 1");
  CHECK(resolved(set, {"a/trixie-backports"}) == "a 2, fresh 2, fresher 2, lib 2, other 1");
  CHECK(resolved(set, {"a/trixie"}) == "a 1, lib 1");
  CHECK(refusal(set, {"fresh"}) ==
        "fresh is only in a suite that is used on request: 2 in trixie-backports; ask for fresh/trixie-backports");
  auto unmarked = set;
  unmarked.packages[1].not_automatic = false;
  CHECK(resolved(unmarked, {"lib"}) == "lib 2");
  CHECK(resolved(unmarked, {"lib"}, {}, false, {"trixie-backports"}) == "lib 1");
}

TEST_CASE("a version can be asked for") {
  const auto set = Suites{}
                       .add("trixie", stanza("a", "1") + stanza("b", "1", "Depends: a\n"))
                       .add("trixie-updates", stanza("a", "2"))
                       .set;
  CHECK(resolved(set, {"a=1"}) == "a 1");
  CHECK(resolved(set, {"b", "a=1"}) == "a 1, b 1");
  CHECK(refusal(set, {"a=3"}) == "no suite has a 3; there is 2 in trixie-updates, 1 in trixie");
  CHECK(refusal(set, {"a=1", "a=2"}) == "a is asked for twice: a 1 and a 2");
}

TEST_CASE("excluded packages count as installed in any version, with what they provide") {
  const auto set = trixie(stanza("a", "1", "Depends: perl-base (>= 99), perlapi, b\nBreaks: perl-base (<< 99)\n") +
                          stanza("b", "1", "Depends: nowhere | perl-base:any\n") +
                          stanza("perl-base", "5", "Provides: perlapi\nDepends: libcrypt\n") + stanza("libcrypt", "1"));
  CHECK(resolved(set, {"a"}, {"perl-base"}) == "a 1, b 1");
  CHECK(resolved(set, {"a"}, {"perl-base", "not-in-this-architecture"}) == "a 1, b 1");
  CHECK(refusal(set, {"a", "perl-base"}, {"perl-base"}) == "perl-base is both asked for and excluded");
}

TEST_CASE("a conflict between choices is repaired") {
  const std::string text = stanza("a", "1", "Depends: x | y\n") + stanza("x", "1") + stanza("y", "1") +
                           stanza("b", "1", "Depends: c\n") + stanza("c", "1", "Conflicts: x\n");
  CHECK(resolved(trixie(text), {"a", "b"}) == "a 1, b 1, c 1, y 1");
  CHECK(resolved(trixie(text), {"b", "a"}) == "a 1, b 1, c 1, y 1");
}

TEST_CASE("a package may conflict with what it provides itself") {
  CHECK(resolved(trixie(stanza("a", "1", "Provides: mta\nConflicts: mta\n")), {"a"}) == "a 1");
  CHECK(refusal(trixie(stanza("a", "1", "Provides: mta\nConflicts: mta\n") +
                       stanza("b", "1", "Provides: mta\nConflicts: mta\n")),
                {"a", "b"})
            .find("conflicts with") != std::string::npos);
}

TEST_CASE("a conflict of packages that are asked for says how to take one out of an inherited list") {
  const auto set = trixie(stanza("timesyncd", "1", "Provides: time-daemon\nConflicts: time-daemon\n") +
                          stanza("chrony", "1", "Provides: time-daemon\nConflicts: time-daemon\n"));
  try {
    resolved(set, {"timesyncd", "chrony"});
    FAIL("resolved");
  } catch (const Error& error) {
    INFO(error.hint());
    CHECK(error.hint().find("`\"!timesyncd\"`") != std::string::npos);
    CHECK(error.hint().find("packages.install") != std::string::npos);
  }
}

TEST_CASE("cycles end") {
  CHECK(resolved(trixie(stanza("a", "1", "Depends: b\n") + stanza("b", "1", "Depends: c\n") +
                        stanza("c", "1", "Depends: a, d | b\n") + stanza("d", "1")),
                 {"a"}) == "a 1, b 1, c 1");
}

TEST_CASE("what cannot be met is said in words, with who needs it") {
  const std::string text = stanza("web", "2", "Depends: server\n") +
                           stanza("server", "1:10", "Depends: libfoo (>= 2) | libbar\n") + stanza("libfoo", "1.4");
  const std::string said = refusal(trixie(text), {"web"});
  CHECK(
      said.starts_with("server 1:10 depends on libfoo (>= 2) | libbar, which no suite has; trixie has libfoo 1.4 "
                       "(needed by web, which was asked for)"));
  CHECK(said.find("web 2 depends on server") != std::string::npos);
  CHECK(refusal(trixie(text), {"server"}).find("(server was asked for)") != std::string::npos);
  const auto off = Suites{}
                       .add("trixie", stanza("a", "1", "Depends: lib (>= 2)\n"))
                       .add("trixie-backports", stanza("lib", "2"), true)
                       .set;
  CHECK(refusal(off, {"a"})
            .starts_with("a 1 depends on lib (>= 2), which no suite has; trixie-backports has lib 2, but is only used "
                         "when asked for as lib/trixie-backports"));
}

TEST_CASE("mistakes in the request are listed together") {
  const auto set = trixie(stanza("openssh-server", "1") + stanza("p1", "1", "Provides: mta\n") +
                          stanza("p2", "1", "Provides: mta\n") + stanza("only", "1", "Provides: single\n"));
  const std::string said =
      refusal(set, {"opensh-server", "mta", "openssh-server/bookworm", "openssh-server:armel", "=1", "a="});
  CHECK(said ==
        "no suite has a package opensh-server for amd64; did you mean openssh-server?\n"
        "mta is provided by several packages: ask for one of p1, p2\n"
        "openssh-server/bookworm: there is no suite \"bookworm\"; there is trixie\n"
        "openssh-server:armel is of another architecture: packages are taken for amd64 only\n"
        "\"=1\" is not a package: name, name=version or name/suite\n"
        "\"a=\" is not a package: name, name=version or name/suite");
  CHECK(resolved(set, {"single"}) == "only 1");
}

TEST_CASE("a broken index names suite and line") {
  CHECK(refusal(trixie(stanza("a", "1") + "Package: b\nno colon\n"), {"a"}) ==
        "the Packages index of trixie main, amd64, line 10: neither a field nor a continuation line: \"no colon\"");
  CHECK(refusal(trixie("Version: 1\n"), {"a"}).ends_with("line 1: a stanza without Package"));
  CHECK(refusal(trixie(stanza("../a", "1")), {"a"}).ends_with("line 1: \"../a\" is not a package name"));
  CHECK(refusal(trixie(stanza("a", "x")), {"a"}).find("line 1: a \"x\": the version's upstream part") !=
        std::string::npos);
  CHECK(refusal(trixie(stanza("a", "1", "Depends: b (\n")), {"a"})
            .find("line 5: Depends of a 1: a version without an operator") != std::string::npos);
  CHECK(refusal(trixie(stanza("a", "1", "Provides: b (\n")), {"a"}).find("line 5: Provides of a 1") !=
        std::string::npos);
  CHECK(refusal(trixie(replace_all(stanza("a", "1"), "pool/main/", "../../")), {"a"})
            .find("has the unusable Filename \"../../a_1_amd64.deb\"") != std::string::npos);
  CHECK(refusal(trixie(replace_all(stanza("a", "1"), "pool/main/", "/")), {"a"}).find("unusable Filename") !=
        std::string::npos);
  CHECK(refusal(trixie(replace_all(stanza("a", "1"), "Size: 100", "Size: 1e2")), {"a"})
            .find("has the unusable Size \"1e2\"") != std::string::npos);
  CHECK(
      refusal(trixie(replace_all(stanza("a", "1"), "SHA256: ", "SHA256: 0")), {"a"}).find("has the unusable SHA256") !=
      std::string::npos);
  CHECK(refusal(trixie(""), {"a"}) == "no index has a package for the architecture \"amd64\"");
}

// --- with locked versions ---

namespace {

LockedPackage kept(const std::string& name, const std::string& version, const std::string& suite = "trixie") {
  return {name,
          version,
          "amd64",
          name,
          "debian",
          suite,
          "pool/main/" + name + "_" + version + "_amd64.deb",
          100,
          sha256(name + version),
          1763195591};
}

/// "a 1*, b 2 (c)": a star for a kept version; in parentheses, the package that needs another version.
std::string keeping(const IndexSet& set, const std::vector<LockedPackage>& keep,
                    const std::vector<std::string>& install) {
  std::vector<std::string> lines;
  const Resolution resolution =
      resolve(set, {.architecture = "amd64", .install = install, .essential = false, .keep = keep});
  for (const auto& package : resolution.packages) {
    const auto released = resolution.released.find(package.name);
    lines.push_back(package.name + " " + package.version + (package.date ? "*" : "") +
                    (released == resolution.released.end() ? "" : " (" + released->second + ")"));
  }
  return join(lines, ", ");
}

}  // namespace

TEST_CASE("locked versions stay although the suites have newer ones; what nothing needs any more goes") {
  const std::string newer =
      stanza("a", "2", "Depends: lib\n") + stanza("lib", "2") + stanza("b", "1", "Depends: lib\n");
  const auto set = trixie(newer + stanza("a", "1", "Depends: lib\n") + stanza("lib", "1") + stanza("gone", "1"));
  const std::vector<LockedPackage> keep{kept("a", "1"), kept("gone", "1"), kept("lib", "1")};
  CHECK(keeping(set, keep, {"a"}) == "a 1*, lib 1*");
  CHECK(keeping(set, keep, {"a", "b"}) == "a 1*, b 1, lib 1*");
  CHECK(keeping(set, {}, {"a", "b"}) == "a 2, b 1, lib 2");
}

TEST_CASE("a locked version that the suites have no more is offered by what its .deb says") {
  IndexSet set =
      trixie(stanza("a", "2", "Depends: lib (>= 2)\n") + stanza("lib", "2") + stanza("b", "1", "Depends: lib\n"));
  const std::vector<LockedPackage> keep{kept("a", "1"), kept("lib", "1")};
  const auto missing = not_offered(set, "amd64", keep);
  REQUIRE(missing.size() == 2);
  for (const auto& package : missing)
    add_offer(set, "amd64", package,
              fmt::format("Package: {}\nVersion: 1\nArchitecture: amd64\n{}Description: x\n more\n", package.name,
                          package.name == "a" ? "Depends: lib\n" : ""));
  CHECK(not_offered(set, "amd64", keep).empty());
  CHECK(keeping(set, keep, {"a", "b"}) == "a 1*, b 1, lib 1*");
  // Without locked versions, the newest ones are chosen.
  CHECK(keeping(set, {}, {"a"}) == "a 2, lib 2");
  CHECK(keeping(set, {kept("lib", "1")}, {"a"}) == "a 2, lib 2 (a)");
}

TEST_CASE("the same version with other bytes is not what was locked") {
  IndexSet set = trixie(stanza("a", "1"));
  LockedPackage other = kept("a", "1");
  other.sha256 = sha256("rebuilt");
  CHECK(not_offered(set, "amd64", {other}).size() == 1);
  CHECK(keeping(set, {other}, {"a"}) == "a 1");
}

TEST_CASE("a locked version gives way to a need, and so does what belongs to it") {
  const auto set =
      trixie(stanza("lib", "1") + stanza("lib-dev", "1", "Depends: lib (= 1)\n") + stanza("lib", "2") +
             stanza("lib-dev", "2", "Depends: lib (= 2)\n") + stanza("new", "1", "Depends: lib (>= 2)\n") +
             stanza("other", "1") + stanza("other", "2") + stanza("strict", "1", "Conflicts: other (<< 2)\n"));
  const std::vector<LockedPackage> keep{kept("lib", "1"), kept("lib-dev", "1"), kept("other", "1")};
  CHECK(keeping(set, keep, {"lib-dev", "other"}) == "lib 1*, lib-dev 1*, other 1*");
  CHECK(keeping(set, keep, {"lib-dev", "other", "new"}) == "lib 2 (new), lib-dev 2 (lib), new 1, other 1*");
  CHECK(keeping(set, keep, {"other", "strict"}) == "other 2 (strict), strict 1");
  // Requests that no version satisfies are refused with the same messages.
  try {
    keeping(trixie(stanza("lib", "1") + stanza("new", "1", "Depends: lib (>= 2)\n")), {kept("lib", "1")}, {"new"});
    FAIL("it was resolved");
  } catch (const Error& error) {
    CHECK(error.message().find("new 1 depends on lib (>= 2)") != std::string::npos);
  }
}

TEST_CASE("a suite that is asked for is content with what was locked of it") {
  const auto set = Suites{}
                       .add("trixie", stanza("go", "1"))
                       .add("trixie-backports", stanza("go", "3") + stanza("go", "2"), true)
                       .set;
  CHECK(keeping(set, {kept("go", "2", "trixie-backports")}, {"go/trixie-backports"}) == "go 2*");
  CHECK(keeping(set, {kept("go", "1")}, {"go/trixie-backports"}) == "go 3");
  CHECK(keeping(set, {kept("go", "2", "trixie-backports")}, {"go=3"}) == "go 3");
}

TEST_CASE("each package is there for a reason") {
  const auto set = trixie(stanza("a", "1", "Depends: b\n") + stanza("b", "1", "Depends: c\n") + stanza("c", "1") +
                          stanza("base", "1", "Essential: yes\n"));
  const auto resolution = resolve(set, {.architecture = "amd64", .install = {"a"}});
  CHECK(resolution.needed_by == std::map<std::string, std::string>{{"a", ""}, {"b", "a"}, {"base", ""}, {"c", "b"}});
}

TEST_CASE("security suites say which locked versions are superseded") {
  const auto set = Suites{}
                       .add("trixie", stanza("a", "1") + stanza("b", "5"))
                       .add("trixie-security", stanza("a", "1+deb13u1") + stanza("b", "2"))
                       .set;
  CHECK(superseded_by_security(set, "amd64", {kept("a", "1"), kept("b", "3")}) ==
        std::map<std::string, std::string>{{"a", "trixie-security"}});
}

namespace {

/// A package of the project, with this control file.
LockedPackage add_file(IndexSet& set, const std::string& name, const std::string& version,
                       const std::string& more = "") {
  const LockedPackage package{
      name, version, "amd64", name, "", "", "debs/" + name + ".deb", 7, sha256("file of " + name)};
  add_offer(
      set, "amd64", package,
      fmt::format("Package: {}\nVersion: {}\nArchitecture: amd64\n{}Description: x\n .\n y\n", name, version, more));
  return package;
}

std::string with_files(const IndexSet& set, const std::vector<LockedPackage>& files,
                       const std::vector<std::string>& install, const std::vector<std::string>& exclude = {}) {
  try {
    std::vector<std::string> lines;
    for (const auto& package :
         resolve(set,
                 {.architecture = "amd64", .install = install, .essential = false, .exclude = exclude, .pinned = files})
             .packages)
      lines.push_back(package.name + " " + package.version + (package.is_file() ? " of " + package.path : ""));
    return join(lines, ", ");
  } catch (const Error& error) {
    return error.describe();
  }
}

}  // namespace

TEST_CASE("files of the project are installed, win over every version of the suites, and bring what they need") {
  IndexSet set = trixie(stanza("tool", "9", "Depends: old\n") + stanza("old", "1") + stanza("lib", "2") +
                        stanza("app", "1", "Depends: tool, virtual (>= 2)\n"));
  const std::string more = "Depends: lib (>= 1)\nProvides: virtual (= 2.5)\nMulti-Arch: foreign\nReplaces: old\n";
  const std::vector<LockedPackage> files{add_file(set, "tool", "1:0.1~rc1-1", more)};
  CHECK(with_files(set, files, {}) == "lib 2, tool 1:0.1~rc1-1 of debs/tool.deb");
  // Also as a dependency, through its versioned Provides, and when its name is asked for.
  CHECK(with_files(set, files, {"app", "tool"}) == "app 1, lib 2, tool 1:0.1~rc1-1 of debs/tool.deb");
  CHECK(with_files(set, {}, {"tool"}) == "old 1, tool 9");
  // An equal version of a suite is another package.
  CHECK(with_files(set, files, {"tool=9"}).find("tool is asked for twice: tool 1:0.1~rc1-1 and tool 9") !=
        std::string::npos);
  CHECK(with_files(set, files, {}, {"tool"}).find("tool is both asked for and excluded") != std::string::npos);
}

TEST_CASE("a file whose version is also in a suite is taken from the project") {
  IndexSet set = trixie(stanza("tool", "1"));
  const std::vector<LockedPackage> files{add_file(set, "tool", "1")};
  CHECK(with_files(set, files, {"tool"}) == "tool 1 of debs/tool.deb");
  CHECK(with_files(set, files, {"tool=1"}) == "tool 1 of debs/tool.deb");
  CHECK(with_files(set, {}, {"tool=1"}) == "tool 1");
}

TEST_CASE("what a file needs and no suite has, or a malformed dependency, is said of the file") {
  IndexSet set = trixie(stanza("lib", "1"));
  const LockedPackage needy = add_file(set, "needy", "1", "Depends: lib (>= 2)\n");
  CHECK(with_files(set, {needy}, {}).find("needy 1 depends on lib (>= 2), which no suite has") != std::string::npos);
  const LockedPackage broken = add_file(set, "broken", "1", "Depends: lib (>> \n");
  CHECK(with_files(set, {broken}, {}).starts_with("debs/broken.deb: its control file, line 4: Depends of broken 1"));
}
