// Tests checkouts: a tree of the store as a folder, created once even with concurrent requests.
#include <sys/stat.h>
#include <thread>

#include "support/catch.hpp"
#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

using namespace k8simg;

TEST_CASE("a checkout has the tree's files as hard links to blobs") {
  const TempDir folder(fs::temp_directory_path());
  DiskStore store(folder.path() / "store");
  Tree tree;
  tree.add_file(store, "usr/bin/tool", "#!", 04755, "");
  tree.add_symlink("bin", "usr/bin", "");
  tree.add_directory("tmp", 01777, "");
  Node device;
  device.type = NodeType::CharDevice;
  tree.set("dev/null", device);
  const auto value = put_tree(store, tree);
  const auto root = checkout(store, value);
  CHECK(root == store.folder("checkouts") / value.digest.hex());
  CHECK(read_file(root / "bin/tool") == "#!");
  CHECK(fs::equivalent(root / "usr/bin/tool", store.path(tree.find("usr/bin/tool")->content)));
  CHECK(fs::is_directory(root / "tmp"));
  CHECK(fs::is_directory(root / "dev"));
  CHECK_FALSE(fs::exists(root / "dev/null"));
  struct stat status {};
  REQUIRE(stat(root.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0755);
  CHECK(checkout(store, value) == root);
}

TEST_CASE("many at once make one checkout and leave nothing behind") {
  const TempDir folder(fs::temp_directory_path());
  DiskStore store(folder.path() / "store");
  Tree tree;
  for (int i = 0; i < 200; ++i) tree.add_file(store, "d/" + std::to_string(i), std::to_string(i), 0644, "");
  const auto value = put_tree(store, tree);
  std::vector<std::thread> threads;
  std::vector<std::string> made(4);
  for (std::size_t i = 0; i < made.size(); ++i)
    threads.emplace_back([&, i] { made[i] = checkout(store, value).string(); });
  for (auto& thread : threads) thread.join();
  for (const auto& path : made) CHECK(path == made[0]);
  CHECK(read_file(fs::path(made[0]) / "d/199") == "199");
  for (const auto& entry : fs::directory_iterator(store.folder("scratch"))) CHECK_FALSE(entry.is_directory());
}

TEST_CASE("a checkout never writes through the tree's own symlinks") {
  const TempDir folder(fs::temp_directory_path());
  DiskStore store(folder.path() / "store");
  Tree tree;
  tree.add_symlink("out", folder.path().string(), "");
  tree.add_file(store, "out/escaped", "x", 0644, "");
  const auto value = put_tree(store, tree);
  CHECK_THROWS_AS(checkout(store, value), Error);
  CHECK_FALSE(fs::exists(folder.path() / "escaped"));
  CHECK_FALSE(fs::exists(store.folder("checkouts") / value.digest.hex()));
}

TEST_CASE("a missing blob is named") {
  const TempDir folder(fs::temp_directory_path());
  DiskStore store(folder.path() / "store");
  Tree tree;
  Node node;
  node.size = 1;
  tree.set("a", node);
  const auto value = put_tree(store, tree);
  try {
    checkout(store, value);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.message().find("is not in the store") != std::string::npos);
  }
}

namespace {

struct CheckedOut {
  TempDir folder{fs::temp_directory_path()};
  DiskStore store{folder.path() / "store"};
  Tree tree;
  Value value;
  fs::path root;

  CheckedOut() {
    tree.add_file(store, "usr/bin/tool", "tool", 0755, "");
    tree.add_file(store, "usr/share/doc", "doc", 0644, "");
    tree.add_symlink("bin", "usr/bin", "");
    Node device;
    device.type = NodeType::CharDevice;
    tree.set("dev/null", device);
    value = put_tree(store, tree);
    root = checkout(store, value);
  }
  std::string difference() { return checkout_difference(store, value.digest, tree); }
};

}  // namespace

TEST_CASE("a checkout that is not its tree is told from one that is") {
  CheckedOut out;
  CHECK(out.difference().empty());
  SECTION("a file is missing") {
    fs::remove(out.root / "usr/bin/tool");
    CHECK(out.difference() == "usr/bin/tool is missing");
  }
  SECTION("a link leads elsewhere") {
    fs::remove(out.root / "bin");
    fs::create_symlink("/bin", out.root / "bin");
    CHECK(out.difference() == "bin leads elsewhere");
  }
  SECTION("a folder in a file's place") {
    fs::remove(out.root / "usr/bin/tool");
    fs::create_directory(out.root / "usr/bin/tool");
    CHECK(out.difference() == "usr/bin/tool is of another type");
  }
  SECTION("a file too many") {
    write_file_atomically(out.root / "usr/bin/more", "");
    CHECK(out.difference() == "it has names that the tree has not");
  }
  SECTION("a link to a blob that was replaced, with other bytes") {
    const fs::path blob = out.store.path(out.tree.find("usr/bin/tool")->content);
    out.store.quarantine(out.tree.find("usr/bin/tool")->content);
    out.store.put("tool");
    CHECK(out.difference().empty());  // the old file has the same bytes
    ::chmod((out.root / "usr/bin/tool").c_str(), 0755);
    fs::resize_file(out.root / "usr/bin/tool", 2);
    CHECK(read_file(blob) == "tool");
    CHECK(out.difference() == "usr/bin/tool has other bytes");
  }
  SECTION("no checkout") {
    fs::rename(out.root, out.folder.path() / "moved");
    CHECK(out.difference().empty());
  }
}

TEST_CASE("checkouts of what was lost are set aside, others stay") {
  CheckedOut out;
  Tree other;
  other.add_file(out.store, "other", "other", 0644, "");
  const Value other_value = put_tree(out.store, other);
  const fs::path stays = checkout(out.store, other_value);
  set_checkouts_aside(out.store, {sha256("tool")});
  CHECK_FALSE(fs::exists(out.root));
  CHECK(fs::exists(stays));
  CHECK(checkout(out.store, out.value) == out.root);
  set_checkouts_aside(out.store, {other_value.digest});
  CHECK(fs::exists(out.root));
  CHECK_FALSE(fs::exists(stays));
}
