// Tests lock files: the exact text, the round trip, damage, format 1, and the list of changes.
#include "lock/lock.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>

#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

using namespace k8simg;

namespace {

LockedPackage package(const std::string& name, const std::string& version) {
  return {name,
          version,
          "amd64",
          name,
          "debian",
          "trixie",
          "pool/main/" + name + "_" + version + "_amd64.deb",
          1000 + version.size(),
          sha256(name + version),
          1763195591};
}

Lock sample() {
  Lock lock;
  lock.defconfig = "pc";
  lock.date = 1763195591;
  lock.suites = {{"debian", "trixie", 1763195591, sha256("a")},
                 {"debian-security", "trixie-security", 1763100000, sha256("b")}};
  lock.target = {package("bash", "5.2.37-2+b5"), package("systemd", "257.9-1~deb13u1")};
  lock.components = {{"containerd", "v2.3.3", sha256("mod"), sha256("sum")},
                     {"etcd", "v3.7.0", sha256("m"), sha256("s")}};
  lock.tools.date = 1763195591;
  lock.tools.suites = lock.suites;
  lock.tools.packages = {package("gcc", "14.2.0-1"), package("libc6", "2.41-12"), package("zstd", "1.5.7")};
  lock.tools.sets = {
      {.asked = {.name = "c", .packages = {"gcc"}}, .packages = {"gcc", "libc6"}},
      {.asked = {.name = "compression", .essential = false, .packages = {"zstd"}}, .packages = {"libc6", "zstd"}}};
  return lock;
}

const char* const sample_text = R"({
 "format": 2,
 "defconfig": "pc",
 "date": "2025-11-15T08:33:11Z",
 "suites": [
  {"repository": "debian", "suite": "trixie", "date": "2025-11-15T08:33:11Z", "inrelease": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"},
  {"repository": "debian-security", "suite": "trixie-security", "date": "2025-11-14T06:00:00Z", "inrelease": "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"}
 ],
 "target": [
  {"name": "bash", "version": "5.2.37-2+b5", "architecture": "amd64", "source": "bash", "repository": "debian", "suite": "trixie", "path": "pool/main/bash_5.2.37-2+b5_amd64.deb", "size": 1011, "sha256": "$BASH"},
  {"name": "systemd", "version": "257.9-1~deb13u1", "architecture": "amd64", "source": "systemd", "repository": "debian", "suite": "trixie", "path": "pool/main/systemd_257.9-1~deb13u1_amd64.deb", "size": 1015, "sha256": "$SYSTEMD"}
 ],
 "components": [
  {"name": "containerd", "version": "v2.3.3", "go_mod": "$MOD", "go_sum": "$SUM"},
  {"name": "etcd", "version": "v3.7.0", "go_mod": "$M", "go_sum": "$S"}
 ]
}
)";

std::string expected_text() {
  std::string text = sample_text;
  text = replace_all(text, "$BASH", sha256("bash5.2.37-2+b5").hex());
  text = replace_all(text, "$SYSTEMD", sha256("systemd257.9-1~deb13u1").hex());
  text = replace_all(text, "$MOD", sha256("mod").hex());
  text = replace_all(text, "$SUM", sha256("sum").hex());
  text = replace_all(text, "$M", sha256("m").hex());
  return replace_all(text, "$S", sha256("s").hex());
}

template <class Parsed = Lock>
std::string failure(const std::string& text) {
  try {
    Parsed::parse(text, "pc.lock");
  } catch (const Error& error) {
    REQUIRE(error.kind() == ErrorKind::Usage);
    REQUIRE_FALSE(error.hint().empty());
    return error.message();
  }
  return "parsed";
}

/// The error for the sample after one replacement, which must change it.
std::string failure_after(const std::string& from, const std::string& to) {
  std::string text = replace_all(expected_text(), from, to);
  REQUIRE(text != expected_text());
  return failure(text);
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a lock has one package per line") { REQUIRE(sample().serialise() == expected_text()); }

TEST_CASE("a package of another date than its lock says so") {
  Lock lock = sample();
  lock.target[0].date = 1763300000;
  const std::string text = lock.serialise();
  CHECK(contains(text, sha256("bash5.2.37-2+b5").hex() + "\", \"date\": \"2025-11-16T13:33:20Z\"},\n"));
  CHECK(Lock::parse(text, "pc.lock").target == lock.target);
  CHECK(contains(failure(replace_all(text, "2025-11-16T13:33:20Z", "soon")), "pc.lock:10: \"date\" of package 1"));
}

TEST_CASE("the tools' lock: each package once, and the sets that have it") {
  const ToolsLock tools = sample().tools;
  const std::string text = tools.serialise();
  CHECK(contains(text, R"( "sets": [
  {"name": "c", "essential": true,
   "asked": ["gcc"],
   "packages": ["gcc", "libc6"]},
  {"name": "compression", "essential": false,
   "asked": ["zstd"],
   "packages": ["libc6", "zstd"]}
 ],
 "packages": [
  {"name": "gcc", "version": "14.2.0-1",)"));
  const ToolsLock again = ToolsLock::parse(text, "tools.lock");
  CHECK(again.packages == tools.packages);
  CHECK(again.serialise() == text);
  // A set is found by its packages in any order. The name is not sufficient, because boards have different packages.
  REQUIRE(again.find({.name = "c", .packages = {"gcc"}}));
  CHECK(again.find({.name = "c", .packages = {"gcc"}})->packages == std::vector<std::string>{"gcc", "libc6"});
  CHECK_FALSE(again.find({.name = "c", .packages = {"gcc", "make"}}));
  CHECK_FALSE(again.find({.name = "c", .essential = false, .packages = {"gcc"}}));
  CHECK_FALSE(again.find({.name = "go", .packages = {"gcc"}}));
  CHECK(again.package("libc6").version == "2.41-12");
  CHECK_THROWS_AS(again.package("libc7"), Error);
}

TEST_CASE("a damaged lock of the tools is named by line and field") {
  const std::string text = sample().tools.serialise();
  const auto after = [&](const std::string& from, const std::string& to) {
    REQUIRE(contains(text, from));
    return failure<ToolsLock>(replace_all(text, from, to));
  };
  CHECK(after("[\"libc6\", \"zstd\"]", "[\"libc6\", \"zst\"]") ==
        "pc.lock:14: \"packages\" of set 2 names \"zst\", which is not among the lock's packages");
  CHECK(contains(after("[\"libc6\", \"zstd\"]", "[\"zstd\", \"libc6\"]"),
                 "\"libc6\" must come after \"zstd\" only once: \"packages\" is sorted"));
  CHECK(contains(after("\"essential\": false", "\"essential\": 0"), "\"essential\" of set 2 must be "));
  CHECK(contains(after("[\"zstd\"]", "[1]"), "\"asked\" is a list of names"));
  CHECK(contains(after("{\"name\": \"compression\", \"essential\": false,\n   \"asked\": [\"zstd\"]",
                       "{\"name\": \"c\", \"essential\": true,\n   \"asked\": [\"gcc\"]"),
                 "set c exists twice for the same packages"));
  CHECK(contains(after("\"format\": 2", "\"format\": 1"), "must be 2"));
  CHECK(contains(after("\"format\": 2", "\"format\": 3"), "has format 3"));
  for (std::size_t length = 0; length + 2 < text.size(); length += 7)
    CHECK(contains(failure<ToolsLock>(text.substr(0, length)), "not valid JSON"));
}

TEST_CASE("a lock of format 1, which held the tools and go.sum too, is read") {
  std::string text = replace_all(expected_text(), "\"format\": 2", "\"format\": 1");
  text = replace_all(
      text, " \"components\": [",
      " \"tools\": [\n  " +
          std::string(
              R"({"name": "gcc", "version": "1", "architecture": "amd64", "source": "gcc", "repository": "debian", "suite": "trixie", "path": "pool/gcc.deb", "size": 1, "sha256": ")") +
          sha256("gcc").hex() + "\"}\n ],\n \"components\": [");
  text = replace_all(text, sha256("sum").hex() + "\"}",
                     sha256("sum").hex() + R"(", "modules": [{"path": "a", "version": "v1", "h1": "h1:A="}]})");
  text = replace_all(text, sha256("s").hex() + "\"}", sha256("s").hex() + R"(", "modules": []})");
  const Lock lock = Lock::parse(text, "pc.lock");
  CHECK(lock.target == sample().target);
  CHECK(lock.components.size() == 2);
  REQUIRE(lock.tools.packages.size() == 1);
  CHECK(lock.tools.packages[0].date == lock.date);
  CHECK(lock.tools.sets.empty());
  CHECK(lock.serialise() == expected_text());
  CHECK(contains(failure(replace_all(text, "\"tools\"", "\"tool\"")), "has no \"tools\""));
  // Keys that format 2 does not have are refused.
  CHECK(contains(failure(replace_all(text, "\"format\": 1", "\"format\": 2")), "unknown field"));
}

TEST_CASE("a lock survives being written and read") {
  Lock lock = sample();
  std::string text = lock.serialise();
  Lock again = Lock::parse(text, "pc.lock");
  CHECK(again.target == lock.target);
  CHECK(again.date == lock.date);
  CHECK(again.suites[1].date == lock.suites[1].date);
  CHECK(again.suites[0].inrelease == lock.suites[0].inrelease);
  CHECK(again.components[0].go_sum == sha256("sum"));
  REQUIRE(again.serialise() == text);
}

TEST_CASE("a lock is sorted whatever order it was filled in") {
  Lock lock = sample(), mixed = sample();
  std::swap(mixed.target[0], mixed.target[1]);
  std::swap(mixed.components[0], mixed.components[1]);
  std::swap(mixed.suites[0], mixed.suites[1]);
  REQUIRE(mixed.serialise() == lock.serialise());
  std::swap(mixed.tools.packages[0], mixed.tools.packages[2]);
  std::swap(mixed.tools.sets[0], mixed.tools.sets[1]);
  std::swap(mixed.tools.sets[1].packages[0], mixed.tools.sets[1].packages[1]);
  REQUIRE(mixed.tools.serialise() == lock.tools.serialise());
}

TEST_CASE("a lock cut off anywhere is refused, with the line") {
  std::string text = expected_text();
  for (std::size_t length = 0; length + 2 < text.size(); length += 7) {
    std::string message = failure(text.substr(0, length));
    INFO(length << ": " << message);
    REQUIRE(contains(message, "pc.lock:"));
    REQUIRE(contains(message, "not valid JSON"));
  }
  CHECK(contains(failure(text.substr(0, text.find("\"size\": 1015"))), "pc.lock:11:"));
  CHECK(contains(failure(text + "x"), "not valid JSON"));
  CHECK(contains(failure(""), "pc.lock:1:"));
}

TEST_CASE("a damaged lock is named by line and field") {
  CHECK(failure_after("\"size\": 1015", "\"size\": \"1015\"") ==
        "pc.lock:11: \"size\" of package 2 of \"target\" must be a whole number, not a string");
  CHECK(contains(failure_after("\"size\": 1015", "\"size\": -1"), "pc.lock:11: \"size\" of package 2"));
  CHECK(contains(failure_after("\"size\": 1015", "\"size\": 1.5"), "pc.lock:11: \"size\" of package 2"));
  CHECK(contains(failure_after("\"size\": 1015", "\"size\": 0"), "must be more than 0"));
  CHECK(contains(failure_after("\"size\": 1015", "\"sizes\": 1015"),
                 "pc.lock:11: package 2 of \"target\" has no \"size\""));
  CHECK(failure_after("\"size\": 1015", "\"size\": 1015, \"sha25\": 1") ==
        "pc.lock:11: package 2 of \"target\" has an unknown field \"sha25\" (did you mean \"sha256\"?)");
  CHECK(contains(failure_after("\"size\": 1015", "\"size\": 1015, \"size\": 1015"),
                 "pc.lock:11: the key \"size\" occurs twice"));
  CHECK(contains(failure_after(sha256("mod").hex(), "abc"),
                 "pc.lock:14: \"go_mod\" of component 1 must be 64 hexadecimal digits"));
  CHECK(contains(failure_after("\"name\": \"bash\"", "\"name\": \"systemd\""),
                 "pc.lock:11: package \"systemd\" must come after \"systemd\" only once"));
  CHECK(
      contains(failure_after("\"name\": \"etcd\"", "\"name\": \"a\""), "pc.lock:15: component \"a\" is out of order"));
  CHECK(contains(failure_after("2025-11-14T06:00:00Z", "2025-02-30T06:00:00Z"),
                 "pc.lock:7: \"date\" of suite 2 must be a date"));
  CHECK(contains(failure_after("2025-11-14T06:00:00Z", "2025-11-14 06:00:00Z"), "must be a date"));
  CHECK(contains(failure_after("\"components\": [", "\"components\": {}, \"x\": ["),
                 "pc.lock:13: \"components\" of the lock must be a list, not an object"));
  CHECK(contains(failure_after("\"components\": [", "\"components\": [1, "),
                 "pc.lock:13: component 1 must be an object"));
  CHECK(contains(failure_after("\"version\": \"257.9-1~deb13u1\"", "\"version\": \"\""),
                 "\"version\" of package 2 of \"target\" is empty"));
  CHECK(contains(failure("[]"), "the lock must be an object, not a list"));
  CHECK(contains(failure(std::string(100, '[')), "nested too deeply"));
}

TEST_CASE("a locked path cannot leave the mirror or name a host") {
  for (const char* path : {"/etc/passwd", "pool/../../x", "https://mirror/pool/x.deb", "pool//x.deb", "./x"}) {
    INFO(path);
    CHECK(contains(failure_after("pool/main/bash_5.2.37-2+b5_amd64.deb", path), "pc.lock:10: \"path\" of package 1"));
  }
}

TEST_CASE("a file of the project has a path in the project, and neither repository nor date") {
  Lock lock = sample();
  LockedPackage file = package("own", "1:2.0-1");
  file.repository = file.suite = "", file.path = "debs/own_2.0-1_amd64.deb", file.date = 0;
  lock.target.push_back(file);
  const std::string text = lock.serialise();
  CHECK(contains(text, "\"source\": \"own\", \"file\": \"debs/own_2.0-1_amd64.deb\", \"size\": "));
  CHECK_FALSE(contains(text, "\"date\": \"1970"));
  const Lock read = Lock::parse(text, "pc.lock");
  CHECK(read.serialise() == text);
  const auto& own =
      *std::find_if(read.target.begin(), read.target.end(), [](const auto& p) { return p.name == "own"; });
  CHECK(own == file);
  CHECK(own.is_file());
  CHECK_FALSE(read.target.front().is_file());
  for (const char* path : {"/etc/passwd", "../x.deb", "debs//x.deb", "./x.deb"}) {
    INFO(path);
    CHECK(contains(failure(replace_all(text, "debs/own_2.0-1_amd64.deb", path)), "\"file\" of package"));
  }
  CHECK(contains(failure(replace_all(text, "\"file\": ", "\"suite\": \"x\", \"file\": ")), "unknown field \"suite\""));
}

TEST_CASE("a package of a flat repository may have a version's colon in its name") {
  CHECK(Lock::parse(replace_all(expected_text(), "pool/main/bash_5.2.37-2+b5_amd64.deb", "bash_1:5.2_amd64.deb"), "x")
            .target.front()
            .path == "bash_1:5.2_amd64.deb");
}

TEST_CASE("a lock of a newer format says to use a newer k8simg") {
  try {
    Lock::parse(replace_all(expected_text(), "\"format\": 2", "\"format\": 3"), "pc.lock");
    FAIL("it was read");
  } catch (const Error& error) {
    CHECK(error.message() == "pc.lock:2: this lock has format 3, but this k8simg reads formats up to 2");
    CHECK(contains(error.hint(), "newer k8simg"));
  }
  CHECK(contains(failure_after("\"format\": 2", "\"format\": 0"), "must be 2"));
}

TEST_CASE("a missing lock says how to make it") {
  TempDir folder(std::filesystem::temp_directory_path(), "lock");
  try {
    load_lock(folder.path() / "pc.lock", folder.path() / "tools.lock");
    FAIL("it was read");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Usage);
    CHECK(contains(error.message(), "pc.lock is missing"));
    CHECK(contains(error.hint(), "k8simg lock pc"));
  }
  write_file_atomically(folder.path() / "pc.lock", expected_text());
  CHECK(load_lock(folder.path() / "pc.lock", folder.path() / "tools.lock").target.size() == 2);
  CHECK(load_lock(folder.path() / "pc.lock", folder.path() / "tools.lock").tools.sets.empty());
  write_file_atomically(folder.path() / "tools.lock", sample().tools.serialise());
  CHECK(load_lock(folder.path() / "pc.lock", folder.path() / "tools.lock").tools.sets.size() == 2);
}

TEST_CASE("changes between two locks read as a list") {
  Lock before = sample(), after = sample();
  CHECK(describe_changes(before, after).empty());
  after.target = {package("foo", "1.2"), package("systemd", "257.10-1")};
  after.tools.packages[0].sha256 = sha256("rebuilt");
  after.components[1].version = "v3.7.1";
  after.components[0].go_sum = sha256("another sum");
  CHECK(describe_changes(before, after) ==
        std::vector<std::string>{"- bash", "+ foo 1.2", "systemd 257.9-1~deb13u1 → 257.10-1",
                                 "tools: gcc 14.2.0-1: same version, different bytes",
                                 "component: containerd v2.3.3: same version, different bytes",
                                 "component: etcd v3.7.0 → v3.7.1"});
  CHECK(describe_changes(before, after, {{"foo", "asked for"}, {"systemd", "needed by foo"}}, {{"gcc", "update"}})
            .at(1) == "+ foo 1.2 (asked for)");
  // A date only helps to find the bytes and does not count as a change.
  Lock dated = before;
  dated.target[0].date += 1;
  CHECK(describe_changes(before, dated).empty());
}

TEST_CASE("packages of boot files are apart from those of the target, and only there if there are any") {
  Lock lock = sample();
  CHECK(lock.serialise().find("\"boot\"") == std::string::npos);
  lock.boot = {package("grub-efi-arm64-bin", "2.12-9"), package("systemd-boot-efi", "257.9-1~deb13u1")};
  const std::string text = lock.serialise();
  CHECK(text.find(" ],\n \"boot\": [\n  {\"name\": \"grub-efi-arm64-bin\"") != std::string::npos);
  const Lock read = Lock::parse(text, "pc.lock");
  CHECK(read.boot == lock.boot);
  CHECK(read.target == lock.target);
  CHECK(read.serialise() == text);
  CHECK(describe_changes(sample(), lock) ==
        std::vector<std::string>{"boot: + grub-efi-arm64-bin 2.12-9", "boot: + systemd-boot-efi 257.9-1~deb13u1"});
  const std::string unsorted =
      replace_all(replace_all(text, "systemd-boot-efi", "a-boot"), "a-boot_", "systemd-boot-efi_");
  try {
    Lock::parse(unsorted, "pc.lock");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.message().find("\"boot\" is sorted by name") != std::string::npos);
  }
}

TEST_CASE("packages whose scripts are evaluated are named, and only then") {
  Lock lock = sample();
  lock.evaluated = {"nano", "sudo"};
  const std::string text = lock.serialise();
  CHECK(text.find("\n \"evaluated\": [\"nano\", \"sudo\"],\n \"target\"") != std::string::npos);
  CHECK(Lock::parse(text, "x.lock").evaluated == lock.evaluated);
  CHECK(Lock::parse(text, "x.lock").serialise() == text);
  CHECK(sample().serialise().find("evaluated") == std::string::npos);
}

TEST_CASE("suites that were left out are named, and only then") {
  Lock lock = sample();
  lock.without_suites = {"trixie-security", "trixie-updates"};
  const std::string text = lock.serialise();
  CHECK(text.find("\n \"without_suites\": [\"trixie-security\", \"trixie-updates\"],\n \"target\"") !=
        std::string::npos);
  CHECK(Lock::parse(text, "x.lock").without_suites == lock.without_suites);
  CHECK(Lock::parse(text, "x.lock").serialise() == text);
  CHECK(sample().serialise().find("without") == std::string::npos);
  CHECK_THROWS_AS(Lock::parse(replace_all(text, "\"trixie-updates\"]", "1]"), "x.lock"), Error);
}

TEST_CASE("a suite that goes back in time is found") {
  const Lock before = sample();
  auto now = before.suites;
  CHECK_FALSE(first_older_suite(before.suites, now));
  now[0].date += 1;
  CHECK_FALSE(first_older_suite(before.suites, now));
  now[1].date -= 1;
  REQUIRE(first_older_suite(before.suites, now));
  CHECK(first_older_suite(before.suites, now)->suite == "trixie-security");
  now[1].suite = "forky-security";  // another suite with any date
  CHECK_FALSE(first_older_suite(before.suites, now));
  CHECK(format_lock_date(1763195591) == "2025-11-15T08:33:11Z");
}
