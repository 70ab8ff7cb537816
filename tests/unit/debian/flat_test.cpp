// Tests repositories of one's own: flat ones, detached signatures, keyrings of their own, and what is refused.
#include "process/command.hpp"
#include "signed_archive.hpp"
#include "support/catch.hpp"
#include "support/stanza.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

constexpr std::int64_t today = 1789200000;

const std::string own_packages =
    "Package: tool\nVersion: 2:1.0-1\nArchitecture: amd64\nFilename: ./tool_1.0-1_amd64.deb\nSize: 10\nSHA256: " +
    sha256("tool").hex() +
    "\n\nPackage: tool\nVersion: 2:1.0-1\nArchitecture: armel\nFilename: ./tool_1.0-1_armel.deb\nSize: 10\nSHA256: " +
    sha256("armel").hex() +
    "\n\nPackage: data\nVersion: 1\nArchitecture: all\nFilename: pool/data 1%3a1.deb\nSize: 10\nSHA256: " +
    sha256("data").hex() + "\n";

/// A repository `own` with a key that Debian's keyring lacks.
struct OwnRepository {
  Archive archive;
  TempDir folder{fs::temp_directory_path(), "own"};
  Repository repository{"own", {"./"}, {}, folder.path() / "own.asc"};
  fs::path debian = shared_key().keyring();
  static const SigningKey& key() {
    static const SigningKey own;
    return own;
  }

  OwnRepository() { write_file_atomically(repository.keyring, key().armored()); }

  void sign(const FlatText& flat) {
    archive.files["own/" + flat.folder + "InRelease"] = key().clear_sign(publish_flat_index(archive, flat));
  }
  IndexSet load(const std::string& architecture = "amd64") {
    const FixedClock clock(today);
    return IndexLoader(archive.fetcher(), system_runner(), debian, clock, folder.path())
        .load({repository}, {architecture});
  }
  std::string refused(ErrorKind kind = ErrorKind::Fetch) {
    try {
      load();
    } catch (const Error& error) {
      CHECK(error.kind() == kind);
      return error.describe();
    }
    return "accepted";
  }
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a flat repository: one index beside its release, for all architectures") {
  OwnRepository own;
  for (const char* suffix : {"", ".xz"}) {
    own.archive = {};
    own.sign({.packages = own_packages, .suffix = suffix});
    const IndexSet set = own.load();
    REQUIRE(set.suites.size() == 1);
    CHECK(set.suites[0].repository == "own");
    CHECK(set.suites[0].suite == "./");
    CHECK(set.suites[0].date == 1789199741);
    CHECK(set.suites[0].inrelease == sha256(own.archive.files.at("own/InRelease")));
    CHECK(own.archive.asked == std::vector<std::string>{"own/InRelease", std::string("own/Packages") + suffix});

    const Resolution found = resolve(set, {.architecture = "amd64", .install = {"tool", "data"}, .essential = false});
    REQUIRE(found.packages.size() == 2);
    CHECK(found.packages[0].path == "pool/data 1%3a1.deb");
    CHECK(found.packages[1].path == "tool_1.0-1_amd64.deb");
    CHECK(found.packages[1].repository == "own");
    CHECK(found.packages[1].suite == "./");
    CHECK(found.packages[1].version == "2:1.0-1");
  }
  const Resolution other =
      resolve(own.load("armel"), {.architecture = "armel", .install = {"tool"}, .essential = false});
  REQUIRE(other.packages.size() == 1);
  CHECK(other.packages[0].sha256 == sha256("armel"));
}

TEST_CASE("a flat repository in a folder: its index is there, its packages are relative to the mirror") {
  OwnRepository own;
  own.repository.suites = {"stable/"};
  own.sign({.folder = "stable/", .packages = own_packages});
  const Resolution found = resolve(own.load(), {.architecture = "amd64", .install = {"tool"}, .essential = false});
  CHECK(found.packages.at(0).path == "tool_1.0-1_amd64.deb");
  CHECK(own.archive.asked == std::vector<std::string>{"own/stable/InRelease", "own/stable/Packages"});
  // "/" is the mirror itself, as apt also writes it.
  own.archive = {};
  own.repository.suites = {"/"};
  own.sign({.packages = own_packages});
  CHECK(own.load().suites.at(0).suite == "/");
}

TEST_CASE("Release with Release.gpg stands for InRelease") {
  OwnRepository own;
  const std::string release = publish_flat_index(own.archive, {.packages = own_packages});
  own.archive.files["own/Release"] = release;
  SECTION("signed") {
    own.archive.files["own/Release.gpg"] = OwnRepository::key().detached_signature(release);
    const IndexSet set = own.load();
    CHECK(set.suites.at(0).inrelease == sha256(release));
    CHECK(set.packages.at(0).text == own_packages);
  }
  SECTION("the signature of another text") {
    own.archive.files["own/Release.gpg"] = OwnRepository::key().detached_signature(release + "\n");
    CHECK(has(own.refused(), "its signature does not match its text"));
  }
  SECTION("a signed message instead of a signature") {
    own.archive.files["own/Release.gpg"] = OwnRepository::key().clear_sign("Date: long ago\n");
    CHECK(has(own.refused(), "Release of own is refused"));
  }
  SECTION("unsigned") {
    const std::string text = own.refused();
    CHECK(has(text, "Release of own is not signed: beside it is neither InRelease nor Release.gpg"));
    CHECK(has(text, "gpg --clear-sign"));
  }
  SECTION("in the layout of dists") {
    own.archive = {};
    own.repository.suites = {"trixie"}, own.repository.sections = {"main"};
    const std::string suite =
        publish_indexes(own.archive, {.repository = "own", .indexes = {{"main/binary-amd64", stanza("tool", "1")}}});
    own.archive.files["own/dists/trixie/Release"] = suite;
    own.archive.files["own/dists/trixie/Release.gpg"] = OwnRepository::key().detached_signature(suite);
    CHECK(own.load().packages.at(0).text == stanza("tool", "1"));
  }
}

TEST_CASE("each repository is verified with its own keyring alone") {
  OwnRepository own;
  own.repository.suites = {"trixie"}, own.repository.sections = {"main"};
  const SuiteText suite{.repository = "own", .indexes = {{"main/binary-amd64", stanza("tool", "1")}}};
  publish(own.archive, suite, OwnRepository::key());
  CHECK(own.refused() == "accepted");
  // Debian's key signs no repository with a keyring of its own, and the other way round.
  publish(own.archive, suite, shared_key());
  CHECK(has(own.refused(), "no signature is by a key of " + own.repository.keyring.string()));
  own.repository.keyring.clear();
  CHECK(own.refused() == "accepted");
  publish(own.archive, suite, OwnRepository::key());
  const std::string text = own.refused();
  CHECK(has(text, "no signature is by a key of " + own.debian.string()));
  CHECK(has(text, "repository.NAME.keyring"));
}

TEST_CASE("two repositories with a suite of one name are two suites") {
  OwnRepository own;
  publish(own.archive, {.indexes = {{"main/binary-amd64", stanza("tool", "1")}}}, shared_key());
  own.sign({.packages = own_packages});
  const FixedClock clock(today);
  IndexLoader loader(own.archive.fetcher(), system_runner(), own.debian, clock, own.folder.path());
  const IndexSet set = loader.load({{"debian", {"trixie"}, {"main"}}, own.repository}, {"amd64"});
  CHECK(set.suites.size() == 2);
  // The higher version wins, as in apt; its epoch decides here.
  const Resolution found = resolve(set, {.architecture = "amd64", .install = {"tool"}, .essential = false});
  CHECK(found.packages.at(0).repository == "own");
}

TEST_CASE("a repository of one's own that is not what it should be is refused") {
  OwnRepository own;
  own.sign({.packages = own_packages, .suffix = ".xz"});
  CHECK(own.refused() == "accepted");
  SECTION("expired") {
    own.sign({.date = "Sat, 05 Sep 2026 07:55:41 UTC",
              .more = "Valid-Until: Fri, 11 Sep 2026 07:55:41 UTC\n",
              .packages = own_packages});
    CHECK(has(own.refused(), "InRelease of own has expired: it was valid until 2026-09-11"));
  }
  SECTION("unsigned InRelease") {
    own.archive.files["own/InRelease"] = publish_flat_index(own.archive, {.packages = own_packages});
    CHECK(has(own.refused(), "InRelease of own is not signed"));
  }
  SECTION("a keyring that is no keyring") {
    write_file_atomically(own.repository.keyring, "ssh-ed25519 AAAA me\n");
    CHECK(has(own.refused(ErrorKind::Usage), "own.asc is no keyring: it does not begin with a public key"));
  }
  SECTION("a changed index") {
    own.archive.files["own/Packages.xz"][20] ^= 1;
    CHECK(has(own.refused(), "Packages.xz of own is refused: its SHA-256 is"));
  }
  SECTION("no index in the release") {
    own.archive.files["own/InRelease"] = OwnRepository::key().clear_sign(
        "Date: Sat, 12 Sep 2026 07:55:41 UTC\nSHA256:\n " + sha256("").hex() + " 0 Packages.bz2\n");
    CHECK(has(own.refused(), "Release of own lists no index: neither Packages.xz, Packages.gz nor Packages"));
  }
  SECTION("nothing at all") {
    own.archive = {};
    CHECK(has(own.refused(), "InRelease of own is not on the mirror"));
  }
  SECTION("a package outside of the repository") {
    own.sign({.packages = replace_all(own_packages, "./tool_1.0-1_amd64.deb", "./../../etc/x.deb")});
    try {
      resolve(own.load(), {.architecture = "amd64", .install = {"tool"}, .essential = false});
      FAIL("it was taken");
    } catch (const Error& error) {
      CHECK(has(error.message(), "tool 2:1.0-1 has the unusable Filename \"../../etc/x.deb\""));
    }
  }
}

TEST_CASE("by-hash paths of a flat repository") {
  OwnRepository own;
  own.sign({.more = "Acquire-By-Hash: yes\n", .packages = own_packages});
  own.archive.files["own/by-hash/SHA256/" + sha256(own_packages).hex()] = own_packages;
  own.archive.files["own/Packages"] = "already the next version";
  CHECK(own.load().packages.at(0).text == own_packages);
}
