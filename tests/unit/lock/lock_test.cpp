// Lock files: the exact text, the round trip, every way in which one can be damaged, and the list of changes.
#include "lock/lock.hpp"

#include <filesystem>
#include <functional>

#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

using namespace k8simg;

namespace {

LockedPackage package(const std::string& name, const std::string& version) {
  return {name, version, "amd64", name, "debian", "trixie", "pool/main/" + name + "_" + version + "_amd64.deb", 1000 + version.size(), sha256(name + version)};
}

Lock sample() {
  Lock lock;
  lock.defconfig = "pc";
  lock.date = 1763195591;
  lock.suites = {{"debian", "trixie", 1763195591, sha256("a")}, {"debian-security", "trixie-security", 1763100000, sha256("b")}};
  lock.target = {package("bash", "5.2.37-2+b5"), package("systemd", "257.9-1~deb13u1")};
  lock.tools = {package("gcc", "14.2.0-1")};
  lock.components = {{"containerd", "v2.3.3", sha256("mod"), sha256("sum"), {{"github.com/x/a", "v1.0.0", "h1:AAA="}, {"github.com/x/a", "v1.1.0", "h1:BBB="}}},
                     {"etcd", "v3.7.0", sha256("m"), sha256("s"), {}}};
  return lock;
}

const char* const sample_text = R"({
 "format": 1,
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
 "tools": [],
 "components": [
  {"name": "containerd", "version": "v2.3.3", "go_mod": "$MOD", "go_sum": "$SUM", "modules": [
   {"path": "github.com/x/a", "version": "v1.0.0", "h1": "h1:AAA="},
   {"path": "github.com/x/a", "version": "v1.1.0", "h1": "h1:BBB="}
  ]},
  {"name": "etcd", "version": "v3.7.0", "go_mod": "$M", "go_sum": "$S", "modules": []}
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

std::string failure(const std::string& text) {
  try {
    Lock::parse(text, "pc.lock");
  } catch (const Error& error) {
    REQUIRE(error.kind() == ErrorKind::Usage);
    REQUIRE_FALSE(error.hint().empty());
    return error.message();
  }
  return "parsed";
}

/// What is said about the sample after one replacement, which must really replace something.
std::string failure_after(const std::string& from, const std::string& to) {
  std::string text = replace_all(expected_text(), from, to);
  REQUIRE(text != expected_text());
  return failure(text);
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a lock has one package or module per line") {
  Lock lock = sample();
  lock.tools.clear();
  REQUIRE(lock.serialise() == expected_text());
}

TEST_CASE("a lock survives being written and read") {
  Lock lock = sample();
  std::string text = lock.serialise();
  Lock again = Lock::parse(text, "pc.lock");
  CHECK(again.target == lock.target);
  CHECK(again.tools == lock.tools);
  CHECK(again.date == lock.date);
  CHECK(again.suites[1].date == lock.suites[1].date);
  CHECK(again.suites[0].inrelease == lock.suites[0].inrelease);
  CHECK(again.components[0].modules[1].h1 == "h1:BBB=");
  CHECK(again.components[0].go_sum == sha256("sum"));
  REQUIRE(again.serialise() == text);
}

TEST_CASE("a lock is sorted whatever order it was filled in") {
  Lock lock = sample(), mixed = sample();
  std::swap(mixed.target[0], mixed.target[1]);
  std::swap(mixed.components[0], mixed.components[1]);
  std::swap(mixed.components[1].modules[0], mixed.components[1].modules[1]);
  std::swap(mixed.suites[0], mixed.suites[1]);
  REQUIRE(mixed.serialise() == lock.serialise());
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
  CHECK(failure_after("\"size\": 1015", "\"size\": \"1015\"") == "pc.lock:11: \"size\" of package 2 of \"target\" must be a whole number, not a string");
  CHECK(contains(failure_after("\"size\": 1015", "\"size\": -1"), "pc.lock:11: \"size\" of package 2"));
  CHECK(contains(failure_after("\"size\": 1015", "\"size\": 1.5"), "pc.lock:11: \"size\" of package 2"));
  CHECK(contains(failure_after("\"size\": 1015", "\"size\": 0"), "must be more than 0"));
  CHECK(contains(failure_after("\"size\": 1015", "\"sizes\": 1015"), "pc.lock:11: package 2 of \"target\" has no \"size\""));
  CHECK(failure_after("\"size\": 1015", "\"size\": 1015, \"sha25\": 1") ==
        "pc.lock:11: package 2 of \"target\" has an unknown field \"sha25\" (did you mean \"sha256\"?)");
  CHECK(contains(failure_after("\"size\": 1015", "\"size\": 1015, \"size\": 1015"), "pc.lock:11: the key \"size\" is there twice"));
  CHECK(contains(failure_after(sha256("mod").hex(), "abc"), "pc.lock:15: \"go_mod\" of component 1 must be 64 hexadecimal digits"));
  CHECK(contains(failure_after("h1:BBB=", "BBB"), "pc.lock:17: \"h1\" of module 2 of component containerd"));
  CHECK(contains(failure_after("\"v1.1.0\"", "\"v1.0.0\""), "pc.lock:17: module \"github.com/x/a\" is out of order"));
  CHECK(contains(failure_after("\"name\": \"bash\"", "\"name\": \"systemd\""), "pc.lock:11: package \"systemd\" must come after \"systemd\" only once"));
  CHECK(contains(failure_after("\"name\": \"etcd\"", "\"name\": \"a\""), "pc.lock:19: component \"a\" is out of order"));
  CHECK(contains(failure_after("2025-11-14T06:00:00Z", "2025-02-30T06:00:00Z"), "pc.lock:7: \"date\" of suite 2 must be a date"));
  CHECK(contains(failure_after("2025-11-14T06:00:00Z", "2025-11-14 06:00:00Z"), "must be a date"));
  CHECK(contains(failure_after("\"tools\": []", "\"tools\": {}"), "pc.lock:13: \"tools\" of the lock must be a list, not an object"));
  CHECK(contains(failure_after("\"tools\": []", "\"tools\": [1]"), "pc.lock:13: package 1 of \"tools\" must be an object"));
  CHECK(contains(failure_after(" \"tools\": [],\n", ""), "has no \"tools\""));
  CHECK(contains(failure_after("\"version\": \"257.9-1~deb13u1\"", "\"version\": \"\""), "\"version\" of package 2 of \"target\" is empty"));
  CHECK(contains(failure("[]"), "the lock must be an object, not a list"));
  CHECK(contains(failure(std::string(100, '[')), "nested deeper"));
}

TEST_CASE("a locked path cannot leave the mirror or name a host") {
  for (const char* path : {"/etc/passwd", "pool/../../x", "https://mirror/pool/x.deb", "pool//x.deb", "./x"}) {
    INFO(path);
    CHECK(contains(failure_after("pool/main/bash_5.2.37-2+b5_amd64.deb", path), "pc.lock:10: \"path\" of package 1"));
  }
}

TEST_CASE("a lock of a newer format says to use a newer k8simg") {
  try {
    Lock::parse(replace_all(expected_text(), "\"format\": 1", "\"format\": 2"), "pc.lock");
    FAIL("it was read");
  } catch (const Error& error) {
    CHECK(error.message() == "pc.lock:2: this lock has format 2, but this k8simg reads format 1 only");
    CHECK(contains(error.hint(), "newer k8simg"));
  }
  CHECK(contains(failure_after("\"format\": 1", "\"format\": 0"), "must be 1"));
}

TEST_CASE("a missing lock says how to make it") {
  TempDir folder(std::filesystem::temp_directory_path(), "lock");
  try {
    load_lock(folder.path() / "pc.lock");
    FAIL("it was read");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Usage);
    CHECK(contains(error.message(), "pc.lock is missing"));
    CHECK(contains(error.hint(), "k8simg lock pc"));
  }
  write_file_atomically(folder.path() / "pc.lock", expected_text());
  CHECK(load_lock(folder.path() / "pc.lock").target.size() == 2);
}

TEST_CASE("changes between two locks read as a list") {
  Lock before = sample(), after = sample();
  CHECK(describe_changes(before, after).empty());
  after.target = {package("foo", "1.2"), package("systemd", "257.10-1")};
  after.tools[0].sha256 = sha256("rebuilt");
  after.components[1].version = "v3.7.1";
  after.components[0].modules[1].h1 = "h1:CCC=";
  CHECK(describe_changes(before, after) ==
        std::vector<std::string>{"- bash", "+ foo 1.2", "systemd 257.9-1~deb13u1 → 257.10-1", "tools: gcc 14.2.0-1: the same version with other bytes",
                                 "component: etcd v3.7.0 → v3.7.1", "containerd: github.com/x/a@v1.1.0 v1.1.0: the same version with other bytes"});
}

TEST_CASE("suites that were left out are named, and only then") {
  Lock lock = sample();
  lock.without_suites = {"trixie-security", "trixie-updates"};
  const std::string text = lock.serialise();
  CHECK(text.find("\n \"without_suites\": [\"trixie-security\", \"trixie-updates\"],\n \"target\"") != std::string::npos);
  CHECK(Lock::parse(text, "x.lock").without_suites == lock.without_suites);
  CHECK(Lock::parse(text, "x.lock").serialise() == text);
  CHECK(sample().serialise().find("without") == std::string::npos);
  CHECK_THROWS_AS(Lock::parse(replace_all(text, "\"trixie-updates\"]", "1]"), "x.lock"), Error);
}

TEST_CASE("a suite that goes back in time is found") {
  const Lock before = sample();
  auto now = before.suites;
  CHECK_FALSE(first_older_suite(before, now));
  now[0].date += 1;
  CHECK_FALSE(first_older_suite(before, now));
  now[1].date -= 1;
  REQUIRE(first_older_suite(before, now));
  CHECK(first_older_suite(before, now)->suite == "trixie-security");
  now[1].suite = "forky-security";  // another suite, whatever its date
  CHECK_FALSE(first_older_suite(before, now));
  CHECK(format_lock_date(1763195591) == "2025-11-15T08:33:11Z");
}
