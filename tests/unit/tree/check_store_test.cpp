// Tests the check of a whole store: findings, their messages, and repairs.
#include <sys/stat.h>

#include "support/catch.hpp"
#include "tree/archive.hpp"
#include "tree/check_store.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

using namespace k8simg;

namespace {

struct Filled {
  TempDir temp{fs::temp_directory_path()};
  fs::path path = temp.path() / "store";
  Value deb, tree;
  Digest tool = sha256("tool"), doc = sha256("doc");
  fs::path tool_file, deb_file;

  Filled() {
    DiskStore store(path);
    deb = store.put("package");
    Tree files;
    files.add_file(store, "usr/bin/tool", "tool", 0755, "");
    files.add_file(store, "usr/share/doc", "doc", 0644, "");
    tree = put_tree(store, files);
    store.save_record("pc", {sha256("fetch"), "fetch/p", sha256("a"), {}, {{"deb", deb}}, 1});
    store.save_record("pc", {sha256("unpack"), "unpack/p", sha256("a"), {{"deb", deb}}, {{"tree", tree}}, 1});
    store.sync();
    checkout(store, tree);
    tool_file = store.path(tool), deb_file = store.path(deb.digest);
  }

  static void damage(const fs::path& file) {
    const std::string bytes(fs::file_size(file), '!');
    ::chmod(file.c_str(), 0755);
    const Fd fd = Fd::open(file, 1);  // O_WRONLY
    write_all(fd.get(), bytes, file);
  }

  StoreCheck check(bool repair = false) {
    DiskStore store(path);
    std::uint64_t most = 0;
    auto result = check_store(store, repair, 2, [&](std::uint64_t done, std::uint64_t total) {
      CHECK(done <= total);
      most = std::max(most, done);
    });
    CHECK(most == result.bytes);
    return result;
  }
};

std::vector<std::string> texts(const StoreCheck& check) {
  std::vector<std::string> all;
  for (const auto& finding : check.findings) all.push_back(finding.text);
  return all;
}

}  // namespace

TEST_CASE("a whole store is whole") {
  Filled filled;
  const StoreCheck result = filled.check();
  CHECK(result.findings.empty());
  CHECK(result.blobs == 4);
  CHECK(result.records == 2);
  CHECK(result.checkouts == 1);
}

TEST_CASE("a damaged file of a tree is named by step and path, and takes record and checkout with it") {
  Filled filled;
  Filled::damage(filled.tool_file);
  CHECK(texts(filled.check()) ==
        std::vector<std::string>{
            "blob " + filled.tool.hex() + ", unpack/p: usr/bin/tool, is damaged",
            "record " + sha256("unpack").hex() + " of step unpack/p: its output tree (" + filled.tree.digest.hex() +
                ") is not whole",
            "checkout of tree " + filled.tree.digest.hex() + ": it has damaged blob " + filled.tool.hex()});
  CHECK(filled.check().findings.size() == 3);  // a check does not repair
  CHECK(filled.check(true).findings.size() == 3);
  CHECK(filled.check().findings.empty());
  DiskStore store(filled.path);
  CHECK(store.find_record(sha256("fetch")));
  CHECK_FALSE(store.find_record(sha256("unpack")));
  CHECK_FALSE(store.has(filled.tool));
  CHECK(store.has(filled.doc));
}

TEST_CASE("what is missing, empty or no tree any more is found too") {
  Filled filled;
  SECTION("a blob that is gone") {
    fs::remove(filled.deb_file);
    CHECK(texts(filled.check()) ==
          std::vector<std::string>{"record " + sha256("fetch").hex() + " of step fetch/p: its output deb (" +
                                   filled.deb.digest.hex() + ") is not whole"});
  }
  SECTION("a blob without bytes") {
    fs::permissions(filled.deb_file, fs::perms::owner_all);
    fs::resize_file(filled.deb_file, 0);
    CHECK(filled.check().findings.size() == 2);
  }
  SECTION("a tree") {
    Filled::damage(DiskStore(filled.path).path(filled.tree.digest));
    CHECK(texts(filled.check(true)) ==
          std::vector<std::string>{"blob " + filled.tree.digest.hex() + ", unpack/p: tree, is damaged",
                                   "record " + sha256("unpack").hex() + " of step unpack/p: its output tree (" +
                                       filled.tree.digest.hex() + ") is not whole",
                                   "checkout of tree " + filled.tree.digest.hex() + ": its tree is not in the store"});
  }
  filled.check(true);
  CHECK(filled.check().findings.empty());
}
