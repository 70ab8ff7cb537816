// Tests IndexLoader: which files are fetched, skipped and refused.
#include <algorithm>
#include <map>
#include <optional>

#include "process/command.hpp"
#include "signed_archive.hpp"
#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

constexpr std::int64_t now = 1789200000;
const std::string packages =
    "Package: a\nVersion: 1\nArchitecture: amd64\nFilename: pool/a.deb\nSize: 1\nSHA256: "
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";

struct Loading {
  Archive archive;
  std::vector<Repository> repositories = {{"debian", {"trixie"}, {"main"}}};
  std::vector<std::string> architectures = {"amd64"};

  IndexSet load() {
    TempDir scratch(fs::temp_directory_path());
    const FixedClock clock(now);
    return IndexLoader(archive.fetcher(), system_runner(), shared_key().keyring(), clock, scratch.path())
        .load(repositories, architectures);
  }
  std::string refusal() {
    try {
      load();
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::Fetch);
      return error.message();
    }
    return "accepted";
  }
  bool asked_for(const std::string& part) const {
    for (const std::string& path : archive.asked)
      if (path.find(part) != std::string::npos) return true;
    return false;
  }
};

/// Runs the real programs and counts the calls.
struct CountingRunner : CommandRunner {
  int runs = 0;
  CommandResult run(const Command& command, std::stop_token stop) override {
    ++runs;
    return system_runner().run(command, std::move(stop));
  }
};

}  // namespace

TEST_CASE("indexes are loaded with where they came from") {
  Loading loading;
  publish(loading.archive, {.indexes = {{"main/binary-amd64", packages}, {"main/binary-armel", ""}}}, shared_key());
  publish(loading.archive,
          {.suite = "trixie-backports",
           .codename = "trixie-backports",
           .more = "NotAutomatic: yes\n",
           .indexes = {{"contrib/binary-amd64", packages}}},
          shared_key());
  loading.repositories = {{"debian", {"trixie", "trixie-backports"}, {"main", "contrib"}}};
  loading.architectures = {"amd64", "armel"};
  const IndexSet set = loading.load();
  REQUIRE(set.suites.size() == 2);
  CHECK(set.suites[0].repository == "debian");
  CHECK(set.suites[0].suite == "trixie");
  CHECK(set.suites[0].date == 1789199741);
  CHECK(set.suites[0].inrelease == sha256(loading.archive.files.at("debian/dists/trixie/InRelease")));
  REQUIRE(set.packages.size() == 3);
  CHECK(set.packages[0].text == packages);
  CHECK(set.packages[0].architecture == "amd64");
  CHECK_FALSE(set.packages[0].not_automatic);
  CHECK(set.packages[1].text.empty());
  CHECK(set.packages[2].section == "contrib");
  CHECK(set.packages[2].not_automatic);
  CHECK_FALSE(loading.asked_for("binary-all"));
}

TEST_CASE("a suite is fetched and verified once, for whatever is loaded from it") {
  Loading loading;
  publish(loading.archive, {.indexes = {{"main/binary-amd64", packages}, {"main/binary-armel", ""}}}, shared_key());
  TempDir scratch(fs::temp_directory_path());
  const FixedClock clock(now);
  CountingRunner runner;
  IndexLoader loader(loading.archive.fetcher(), runner, shared_key().keyring(), clock, scratch.path());
  const IndexSet first = loader.load(loading.repositories, {"amd64"});
  const int verifications = runner.runs;
  CHECK(verifications > 0);
  // The mirror changes meanwhile: both sets must have the same state.
  publish(loading.archive,
          {.date = "Sat, 12 Sep 2026 08:55:41 UTC",
           .indexes = {{"main/binary-amd64", packages}, {"main/binary-armel", ""}}},
          shared_key());
  const IndexSet second = loader.load(loading.repositories, {"armel"});
  CHECK(runner.runs == verifications);
  CHECK(std::count(loading.archive.asked.begin(), loading.archive.asked.end(), "debian/dists/trixie/InRelease") == 1);
  REQUIRE(second.suites.size() == 1);
  CHECK(second.suites[0].inrelease == first.suites[0].inrelease);
  REQUIRE(second.packages.size() == 1);
  CHECK(second.packages[0].architecture == "armel");
}

TEST_CASE("an index that is kept is not fetched again, unless it is damaged") {
  Loading loading;
  publish(loading.archive, {.indexes = {{"main/binary-amd64", packages}}}, shared_key());
  std::map<Digest, std::string> kept;
  const auto load = [&] {
    TempDir scratch(fs::temp_directory_path());
    const FixedClock clock(now);
    const IndexCache cache{.find = [&](const Digest& digest) -> std::optional<std::string> {
                             const auto found = kept.find(digest);
                             return found == kept.end() ? std::nullopt : std::optional(found->second);
                           },
                           .keep = [&](const std::string& bytes) { kept[sha256(bytes)] = bytes; }};
    loading.archive.asked.clear();
    IndexLoader loader(loading.archive.fetcher(), system_runner(), shared_key().keyring(), clock, scratch.path(),
                       cache);
    return loader.load(loading.repositories, loading.architectures);
  };
  CHECK(load().packages[0].text == packages);
  CHECK(loading.asked_for("Packages"));
  REQUIRE(kept.size() == 1);
  CHECK(load().packages[0].text == packages);
  CHECK_FALSE(loading.asked_for("Packages"));
  CHECK(loading.asked_for("InRelease"));  // what is current is always asked
  kept.begin()->second += "x";
  CHECK(load().packages[0].text == packages);
  CHECK(loading.asked_for("Packages"));
}

TEST_CASE("by-hash paths are used where the release offers them") {
  Loading loading;
  publish(loading.archive, {.more = "Acquire-By-Hash: yes\n", .indexes = {{"main/binary-amd64", packages}}},
          shared_key());
  const std::string plain = "debian/dists/trixie/main/binary-amd64/Packages.xz";
  const std::string bytes = loading.archive.files.at(plain);
  SECTION("and there") {
    loading.archive.files["debian/dists/trixie/main/binary-amd64/by-hash/SHA256/" + sha256(bytes).hex()] = bytes;
    loading.archive.files[plain] = "already the next version";
    CHECK(loading.load().packages.at(0).text == packages);
  }
  SECTION("but not there") { CHECK(loading.load().packages.at(0).text == packages); }
}

TEST_CASE("an index that the mirror has lost is taken from another path with the same hash") {
  Loading loading;
  publish(
      loading.archive,
      {.more = "Acquire-By-Hash: yes\n", .indexes = {{"main/binary-amd64", packages}, {"main/binary-armel", packages}}},
      shared_key());
  loading.archive.files["debian/dists/trixie/main/binary-amd64/Packages.xz"] = "an older version";
  CHECK(loading.load().packages.at(0).text == packages);
  CHECK(loading.asked_for("binary-amd64/by-hash"));
  loading.archive.files["debian/dists/trixie/main/binary-armel/Packages.xz"] = "an older version";
  CHECK(loading.refusal().find("it has 16 bytes") != std::string::npos);
}

TEST_CASE("a repository with separate indexes for architecture all") {
  Loading loading;
  SuiteText suite{.indexes = {{"main/binary-amd64", packages}, {"main/binary-all", packages}}};
  const std::string release =
      replace_all(publish_indexes(loading.archive, suite), "No-Support-for-Architecture-all: Packages\n", "");
  loading.archive.files["debian/dists/trixie/InRelease"] = shared_key().clear_sign(release);
  REQUIRE(loading.load().packages.size() == 2);
}

TEST_CASE("indexes that are not what was signed are refused") {
  Loading loading;
  publish(loading.archive,
          {.valid_until = "Sun, 13 Sep 2026 07:55:41 UTC", .indexes = {{"main/binary-amd64", packages}}}, shared_key());
  std::string& inrelease = loading.archive.files.at("debian/dists/trixie/InRelease");
  std::string& index = loading.archive.files.at("debian/dists/trixie/main/binary-amd64/Packages.xz");
  CHECK(loading.refusal() == "accepted");
  SECTION("a changed byte of InRelease") {
    inrelease[inrelease.find("binary-amd64") + 8] = 'x';
    CHECK(loading.refusal().find("its signature does not match its text") != std::string::npos);
    CHECK_FALSE(loading.asked_for("Packages.xz\n"));
  }
  SECTION("an unsigned InRelease") {
    inrelease = publish_indexes(loading.archive, {.indexes = {{"main/binary-amd64", packages}}});
    CHECK(loading.refusal().find("is not signed") != std::string::npos);
  }
  SECTION("a changed byte of the index") {
    index[index.size() / 2] ^= 1;
    CHECK(loading.refusal().find("its SHA-256 is") != std::string::npos);
  }
  SECTION("a truncated index") {
    index.pop_back();
    CHECK(loading.refusal().find("bytes, the signed release says") != std::string::npos);
  }
  SECTION("a missing index") {
    loading.archive.files.erase("debian/dists/trixie/main/binary-amd64/Packages.xz");
    CHECK(loading.refusal().find("is not on the mirror although its release lists it") != std::string::npos);
  }
  SECTION("a missing suite") {
    loading.repositories[0].suites = {"bookworm"};
    CHECK(loading.refusal().find("dists/bookworm/InRelease of debian is not on the mirror") != std::string::npos);
  }
  SECTION("another suite under the name") {
    loading.archive.files["debian/dists/bookworm/InRelease"] = inrelease;
    loading.repositories[0].suites = {"bookworm"};
    CHECK(loading.refusal().find("is of another suite") != std::string::npos);
  }
  SECTION("an unknown section") {
    loading.repositories[0].sections = {"mian"};
    CHECK(loading.refusal().find("has no section \"mian\"; it has main, contrib") != std::string::npos);
  }
  SECTION("an architecture that no suite has") {
    loading.architectures = {"amd64", "vax"};
    CHECK(loading.refusal().find("no suite has packages for the architecture \"vax\"") != std::string::npos);
  }
}

TEST_CASE("an expired suite is refused") {
  Loading loading;
  publish(loading.archive,
          {.date = "Sat, 05 Sep 2026 07:55:41 UTC",
           .valid_until = "Fri, 11 Sep 2026 07:55:41 UTC",
           .indexes = {{"main/binary-amd64", packages}}},
          shared_key());
  CHECK(loading.refusal().find("has expired") != std::string::npos);
}

TEST_CASE("signed bytes that do not decompress to what the release says") {
  Loading loading;
  SuiteText suite{.indexes = {{"main/binary-amd64", packages}}};
  std::string release = publish_indexes(loading.archive, suite);
  std::string& index = loading.archive.files.at("debian/dists/trixie/main/binary-amd64/Packages.xz");
  const auto replace_index = [&](const std::string& bytes) {
    release = replace_all(release, sha256(index).hex() + " " + std::to_string(index.size()),
                          sha256(bytes).hex() + " " + std::to_string(bytes.size()));
    index = bytes;
    loading.archive.files["debian/dists/trixie/InRelease"] = shared_key().clear_sign(release);
    return loading.refusal();
  };
  SECTION("broken xz") {
    CHECK(replace_index(index.substr(0, index.size() - 12)).find("cannot be decompressed") != std::string::npos);
  }
  SECTION("longer than announced") {
    CHECK(replace_index(compress_xz(packages + packages)).find("it is longer than the release says") !=
          std::string::npos);
  }
  SECTION("shorter than announced") {
    CHECK(replace_index(compress_xz("x")).find("it has 1 bytes") != std::string::npos);
  }
  SECTION("a bomb stops at the announced size") {
    CHECK(replace_index(compress_xz(std::string(50000000, 'x'))).find("it is longer than the release says") !=
          std::string::npos);
  }
}
