// Tests garbage collection: kept and removed files, and locks of the store.
#include <sys/wait.h>
#include <unistd.h>

#include "store/store.hpp"
#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

using namespace k8simg;

namespace {

// A "tree" of these tests: hexadecimal digests, one per line.
std::vector<Digest> lines_of(const Store& store, const Value& tree) {
  std::vector<Digest> digests;
  for (const auto& line : split(store.read(tree.digest), '\n'))
    if (const auto digest = Digest::parse(line)) digests.push_back(*digest);
  return digests;
}

struct Filled {
  TempDir temp{fs::temp_directory_path(), "gc"};
  fs::path path = temp.path() / "store";
  Value old_content, old_tree, content, tree, package, loose, pinned;

  Filled() {
    DiskStore store(path);
    old_content = store.put("old content");
    old_tree = store.put(old_content.digest.hex() + "\n", ValueKind::Tree);
    content = store.put("content");
    tree = store.put(content.digest.hex() + "\n", ValueKind::Tree);
    package = store.put("package");
    loose = store.put("left by a killed step");
    pinned = store.put("pinned");
    store.save_record("pc", {sha256("old"), "unpack", sha256("a"), {{"deb", package}}, {{"tree", old_tree}}, 1});
    store.save_record("pc", {sha256("new"), "unpack", sha256("a"), {{"deb", package}}, {{"tree", tree}}, 1});
    fs::create_directories(store.folder("checkouts") / tree.digest.hex());
    fs::create_directories(store.folder("checkouts") / old_tree.digest.hex() / "usr");
    write_file_atomically(store.folder("checkouts") / old_tree.digest.hex() / "usr" / "file", "old content");
    write_file_atomically(store.folder("partial") / "download", "half");
  }
};

DiskStore::Collected collect(DiskStore& store, const std::vector<Digest>& roots = {}, bool dry_run = false) {
  return store.collect([&](const Value& value) { return lines_of(store, value); }, roots, dry_run);
}

}  // namespace

TEST_CASE("gc keeps what the newest records reach and removes the rest") {
  Filled filled;
  DiskStore store(filled.path);
  const auto dry = collect(store, {filled.pinned.digest}, true);
  CHECK(dry.blobs == 3);
  CHECK(store.has(filled.old_tree.digest));
  CHECK(store.find_record(sha256("old")));

  const auto done = collect(store, {filled.pinned.digest});
  CHECK(done.blobs == 3);
  CHECK(done.bytes == dry.bytes);
  CHECK(done.bytes == filled.old_content.size + filled.old_tree.size + filled.loose.size);
  CHECK(done.records == 1);
  CHECK(done.checkouts == 1);
  for (const Value& gone : {filled.old_content, filled.old_tree, filled.loose}) CHECK_FALSE(store.has(gone.digest));
  for (const Value& kept : {filled.content, filled.tree, filled.package, filled.pinned}) CHECK(store.has(kept.digest));
  CHECK_FALSE(store.find_record(sha256("old")));
  CHECK(store.last_record("pc", "unpack")->key == sha256("new"));
  CHECK(fs::exists(filled.path / "checkouts" / filled.tree.digest.hex()));
  CHECK_FALSE(fs::exists(filled.path / "checkouts" / filled.old_tree.digest.hex()));
  CHECK(fs::exists(filled.path / "partial" / "download"));

  const auto again = collect(store, {filled.pinned.digest});
  CHECK(again.blobs + again.records + again.checkouts + again.bytes == 0);
  CHECK(store.put("usable").size == 6);
}

TEST_CASE("a tree given as an extra root keeps its content") {
  Filled filled;
  DiskStore store(filled.path);
  collect(store, {filled.old_tree.digest});
  CHECK(store.has(filled.old_tree.digest));
  CHECK(store.has(filled.old_content.digest));
}

TEST_CASE("gc keeps away from a store that somebody uses") {
  Filled filled;
  DiskStore store(filled.path);
  {
    DiskStore user(filled.path);
    try {
      collect(store);
      FAIL("collected under a user");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::Usage);
      CHECK(std::string(error.what()).find("in use by a build") != std::string::npos);
    }
    CHECK(store.has(filled.loose.digest));
  }
  // After the refusal the store is still locked: another gc is refused too.
  DiskStore other(filled.path);
  CHECK_THROWS_AS(collect(other), Error);
}

TEST_CASE("gc sees users of other processes") {
  Filled filled;
  int ready[2], done[2];
  REQUIRE(::pipe(ready) == 0);
  REQUIRE(::pipe(done) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    char byte = 'r';
    DiskStore user(filled.path);
    if (::write(ready[1], &byte, 1) != 1 || ::read(done[0], &byte, 1) != 1) ::_exit(1);
    ::_exit(0);
  }
  char byte;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  DiskStore store(filled.path);
  CHECK_THROWS_AS(collect(store), Error);
  REQUIRE(::write(done[1], "d", 1) == 1);
  int status = 1;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
  CHECK(collect(store).records == 1);
  for (const int fd : {ready[0], ready[1], done[0], done[1]}) ::close(fd);
}

TEST_CASE("what cannot be read is not taken for nothing") {
  Filled filled;
  DiskStore store(filled.path);
  store.sync();
  const auto references = [&](const Value& value) { return lines_of(store, value); };
  const std::size_t blobs = store.blobs().size(), records = store.records().size();
  // A file in place of a folder fails like a folder without permission, even for root.
  const auto refuses = [&](const fs::path& folder) {
    const fs::path aside = filled.temp.path() / "aside";
    fs::rename(folder, aside);
    write_file_atomically(folder, "no folder");
    std::string text;
    try {
      store.collect(references);
      FAIL("no error");
    } catch (const Error& error) {
      text = error.describe();
    }
    fs::remove(folder);
    fs::rename(aside, folder);
    CHECK(text.find(folder.string()) != std::string::npos);
    CHECK(text.find("nothing was removed") != std::string::npos);
    CHECK(store.blobs().size() == blobs);
    CHECK(store.records().size() == records);
  };
  refuses(filled.path / "last");
  refuses(filled.path / "steps");
  fs::remove_all(filled.path / "last");  // as in a store in which nothing was built
  CHECK(store.collect(references).records == records);
}

TEST_CASE("records that are not synced yet keep their blobs, and the quarantine goes") {
  Filled filled;
  DiskStore store(filled.path);
  const Value late = store.put("late");
  store.save_record("pc", {sha256("late"), "late", sha256("a"), {}, {{"out", late}}, 1});
  const Value bad = store.put("bad");
  store.quarantine(bad.digest);
  store.collect([&](const Value& value) { return lines_of(store, value); });
  CHECK(store.has(late));
  CHECK(store.last_record("pc", "late"));
  CHECK_FALSE(fs::exists(filled.path / "quarantine"));
}
