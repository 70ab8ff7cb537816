// Tests trees: paths, lookups, symlinks, the canonical text.

#include <fmt/format.h>

#include "random_tree.hpp"
#include "support/catch.hpp"
#include "tree/path.hpp"
#include "tree/tree.hpp"
#include "util/error.hpp"

using namespace k8simg;

namespace {

std::string error_in(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.message();
  }
  return "no error";
}

const std::string digest_a = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";  // SHA-256 of "a"

}  // namespace

TEST_CASE("paths are checked and cleaned") {
  CHECK(is_tree_path("a/b.c/d"));
  for (const auto* bad : {"", "/a", "a/", "a//b", ".", "a/./b", "..", "a/..", "../a"}) CHECK_FALSE(is_tree_path(bad));
  CHECK_FALSE(is_tree_path(std::string_view("a\0b", 3)));
  CHECK(clean_path("./a//b/./c/") == "a/b/c");
  CHECK(clean_path("./") == "");
  CHECK_FALSE(clean_path("/etc/passwd"));
  CHECK_FALSE(clean_path("a/../../b"));
  CHECK(strip_parts("a/b/c", 2) == "c");
  CHECK_FALSE(strip_parts("a/b", 2));
  Tree tree;
  CHECK(error_in([&] { tree.set("a/../b", {}); }) == "'a/../b' is not a path of a tree");
}

TEST_CASE("children and subtrees keep to their folder") {
  Tree tree;
  for (const auto* path : {"a", "a/x", "a/x/1", "a/x/2", "a/y", "a-b", "a-b/z", "a0", "b/c/d"})
    tree.add_directory(path, 0755, "");
  CHECK(tree.children("a") == std::vector<std::string>{"a/x", "a/y"});
  CHECK(tree.children("") == std::vector<std::string>{"a", "a-b", "a0"});
  CHECK(tree.erase_below("a") == 5);
  CHECK(tree.children("") == std::vector<std::string>{"a-b", "a0"});
  CHECK_FALSE(tree.erase("a"));
  tree.add_missing_parents("rule:parents", 7);
  REQUIRE(tree.find("b/c") != nullptr);
  CHECK(tree.find("b")->origin == "rule:parents");
  CHECK(tree.find("b/c")->mtime == 7);
  CHECK(tree.find("a-b")->origin.empty());
}

TEST_CASE("symlinks resolve inside the tree") {
  MemoryStore store;
  Tree tree;
  tree.add_symlink("bin", "usr/bin", "");
  tree.add_file(store, "usr/bin/dash", "#", 0755, "");
  tree.add_symlink("usr/bin/sh", "dash", "");
  tree.add_symlink("etc/up", "../../../usr/bin/sh", "");
  tree.add_symlink("etc/absolute", "/bin/sh", "");
  tree.add_symlink("etc/dangling", "nowhere", "");
  tree.add_symlink("etc/loop", "loop", "");
  tree.add_symlink("etc/below-file", "/usr/bin/dash/x", "");
  tree.add_symlink("etc/root", "/", "");
  CHECK(tree.resolve("bin/sh") == "usr/bin/dash");
  CHECK(tree.resolve("etc/up") == "usr/bin/dash");
  CHECK(tree.resolve("etc/absolute") == "usr/bin/dash");
  CHECK(tree.resolve("etc/root/etc/root/bin") == "usr/bin");
  CHECK_FALSE(tree.resolve("etc/dangling"));
  CHECK_FALSE(tree.resolve("etc/loop"));
  CHECK_FALSE(tree.resolve("etc/below-file"));
  CHECK_FALSE(tree.resolve("usr/bin/none"));
}

TEST_CASE("the canonical text is as documented") {
  Tree tree;
  Node file;
  file.mode = 04755;
  file.size = 1;
  file.content = *Digest::parse(digest_a);
  file.mtime = -3;
  file.link_group = "a b";
  file.xattrs["user.k=v"] = std::string("\0=\x7f", 3);
  file.origin = "package:x=1:all";
  tree.set("a b", file);
  tree.add_symlink("l\xc3\xa9", "back\\slash\t", "rule:r");
  Node device;
  device.type = NodeType::CharDevice;
  device.mode = 0;
  device.major = 1;
  device.minor = 3;
  tree.set("null", device);
  const std::string text =
      "k8simg-tree 1\n"
      "a b\tf\t4755\t0\t0\t-3\t1\t" +
      digest_a +
      "\ta b\tpackage:x=1:all\tuser.k\\x3dv=\\x00=\\x7f\n"
      "l\\xc3\\xa9\tl\t777\t0\t0\t0\tback\\x5cslash\\x09\trule:r\n"
      "null\tc\t0\t0\t0\t0\t1\t3\t\n";
  CHECK(tree.serialise() == text);
  CHECK(Tree::parse(text).nodes() == tree.nodes());
  CHECK(tree_references(tree) == std::vector<Digest>{*Digest::parse(digest_a)});
}

TEST_CASE("only canonical text is a tree") {
  const auto refused = [](const std::string& lines) {
    return error_in([&] { Tree::parse("k8simg-tree 1\n" + lines); });
  };
  CHECK(error_in([] { Tree::parse(""); }) == "tree, line 1: not 'k8simg-tree 1'");
  CHECK(error_in([] { Tree::parse("k8simg-tree 2\n"); }) == "tree, line 1: not 'k8simg-tree 1'");
  CHECK(refused("a\td\t755\t0\t0\t0\t") == "tree, line 2: the end of the line is missing");
  CHECK(refused("a\td\t755\t0\t0\t0\n") == "tree, line 2: origin is missing");
  CHECK(refused("b\td\t755\t0\t0\t0\t\na\td\t755\t0\t0\t0\t\n") == "tree, line 3: 'a' is out of order");
  CHECK(refused("a\td\t755\t0\t0\t0\t\na\td\t755\t0\t0\t0\t\n") == "tree, line 3: 'a' is out of order");
  CHECK(refused("a/../b\td\t755\t0\t0\t0\t\n") == "tree, line 2: 'a/../b' is not a path of a tree");
  CHECK(refused("a\td\t0755\t0\t0\t0\t\n") == "tree, line 2: mode '0755' is not in its shortest form");
  CHECK(refused("a\td\t10000\t0\t0\t0\t\n") == "tree, line 2: mode '10000' is not a number");
  CHECK(refused("a\td\t755\t0\t0\t-0\t\n") == "tree, line 2: mtime '-0' is not in its shortest form");
  CHECK(refused("a\td\t755\t4294967296\t0\t0\t\n") == "tree, line 2: uid '4294967296' is not a number");
  CHECK(refused("a\tx\t755\t0\t0\t0\t\n") == "tree, line 2: unknown type 'x'");
  CHECK(refused("\\x61\td\t755\t0\t0\t0\t\n") == "tree, line 2: path escapes a byte that stands for itself");
  CHECK(refused("\\xC3\td\t755\t0\t0\t0\t\n") == "tree, line 2: path holds a malformed escape");
  CHECK(refused("a\\x0\td\t755\t0\t0\t0\t\n") == "tree, line 2: path holds a malformed escape");
  CHECK(refused("\xc3\td\t755\t0\t0\t0\t\n") == "tree, line 2: path holds a byte that must be escaped");
  CHECK(refused("a\td\t755\t0\t0\t0\t\tuser.b=\tuser.a=\n") ==
        "tree, line 2: extended attribute 'user.a' is out of order");
  CHECK(refused("a\td\t755\t0\t0\t0\t\tuser.b\n") == "tree, line 2: extended attribute 'user.b' is not NAME=VALUE");
  CHECK(refused("a\tf\t644\t0\t0\t0\t1\tABCD\t\t\n") == "tree, line 2: content 'ABCD' is not a SHA-256");
}

TEST_CASE("random trees survive the text and the store") {
  MemoryStore store;
  for (unsigned seed = 0; seed < 300; ++seed) {
    const auto tree = RandomTree(store, seed).make();
    const auto text = tree.serialise();
    const auto parsed = Tree::parse(text);
    REQUIRE(parsed.nodes() == tree.nodes());
    REQUIRE(parsed.serialise() == text);
    const auto value = put_tree(store, tree);
    REQUIRE(value.kind == ValueKind::Tree);
    REQUIRE(get_tree(store, value.digest).nodes() == tree.nodes());
  }
  CHECK(error_in([&] { get_tree(store, store.put("nonsense").digest); }) == "tree, line 1: not 'k8simg-tree 1'");
}
