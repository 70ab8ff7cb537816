// Tests image layers as overlayfs's folders: whiteouts, folders that replace others, and folders that a layer omits.
#include "oci/snapshots.hpp"

#include "support/catch.hpp"
#include "support/step_context.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

struct Layers {
  TestContext context;
  SnapshotFolders folders{1763195591};
  std::vector<std::string> dropped;

  Tree layer(const std::vector<std::string>& paths) {
    Tree tree;
    for (const auto& path : paths) {
      if (path.ends_with('/'))
        tree.add_directory(path.substr(0, path.size() - 1), 0750, "test");
      else
        tree.add_file(context.store(), path, path, 0644, "test");
    }
    return tree;
  }
  const Tree& add(const std::string& id, const std::string& parent, const Tree& tree) {
    return folders.add(id, parent, tree, [this](const std::string& path, const std::string& attribute) {
      dropped.push_back(path + " " + attribute);
    });
  }
  /// Paths with a mark: "d" folder, "f" file, "w" whiteout.
  std::string add_and_list(const std::string& id, const std::string& parent, const std::vector<std::string>& paths) {
    std::string text;
    for (const auto& [path, node] : add(id, parent, layer(paths)).nodes()) {
      const bool white = node.type == NodeType::CharDevice && node.major == 0 && node.minor == 0;
      text += (text.empty() ? "" : " ") + path + (node.type == NodeType::Directory ? ":d" : white ? ":w" : ":f");
    }
    return text;
  }
};

}  // namespace

TEST_CASE("a removed file becomes a device, if a lower layer has it") {
  Layers l;
  CHECK(l.add_and_list("1", "", {"etc/", "etc/a", "etc/b", ".wh.none"}) == "etc:d etc/a:f etc/b:f");
  CHECK(l.add_and_list("2", "1", {"etc/", "etc/.wh.a", "etc/.wh.none"}) == "etc:d etc/a:w");
  CHECK(l.add_and_list("3", "2", {"etc/", "etc/.wh.a", "etc/.wh.b"}) == "etc:d etc/b:w");
  CHECK(l.add_and_list("4", "3", {".wh.etc"}) == "etc:w");
  CHECK(l.add_and_list("5", "4", {"etc/", "etc/.wh.b"}) == "etc:d");
  CHECK(l.add_and_list("6", "1", {".wh..wh.plnk", ".wh..wh.aufs"}).empty());
}

TEST_CASE("an opaque folder hides each lower path, also in folders that both have") {
  Layers l;
  l.add_and_list("1", "", {"a/", "a/x", "a/b/", "a/b/y", "a/b/z", "a/c/", "a/c/q"});
  l.add_and_list("2", "1", {"a/", "a/w", "a/.wh.x"});
  CHECK(l.add_and_list("3", "2", {"a/", "a/.wh..wh..opq", "a/b/", "a/b/z", "a/n"}) ==
        "a:d a/b:d a/b/y:w a/b/z:f a/c:w a/n:f a/w:w");
  // A folder that is removed and made again in one layer.
  CHECK(l.add_and_list("4", "1", {".wh.a", "a/", "a/c/", "a/c/r"}) == "a:d a/b:w a/c:d a/c/q:w a/c/r:f a/x:w");
  // The layer does not list the folder itself.
  CHECK(l.add_and_list("5", "1", {"a/.wh..wh..opq"}) == "a:d a/b:w a/c:w a/x:w");
  CHECK(l.add_and_list("6", "1", {".wh..wh..opq", "n"}) == "a:w n:f");
}

TEST_CASE("a folder that a layer omits is that of the layers below") {
  Layers l;
  Tree base = l.layer({"tmp/"});
  base.find("tmp")->mode = 01777;
  base.find("tmp")->uid = 7;
  l.add("1", "", base);
  l.add("2", "1", l.layer({"other"}));
  const Tree& upper = l.add("3", "2", l.layer({"tmp/file", "new/file"}));
  CHECK(upper.find("tmp")->mode == 01777);
  CHECK(upper.find("tmp")->uid == 7);
  CHECK(upper.find("new")->mode == 0755);
  CHECK(upper.find("new")->mtime == 1763195591);
}

TEST_CASE("attributes that ext4 does not get are left out, capabilities stay") {
  Layers l;
  Tree tree = l.layer({"a"});
  tree.find("a")->xattrs = {{"security.capability", "c"}, {"user.note", "n"}};
  CHECK(l.add("1", "", tree).find("a")->xattrs == std::map<std::string, std::string>{{"security.capability", "c"}});
  CHECK(l.dropped == std::vector<std::string>{"a user.note"});
  CHECK(contains(failure([&] { l.add("2", "9", tree); }), "has the parent 9"));
  CHECK(contains(failure([&] { l.add("1", "", tree); }), "two snapshots have the identifier 1"));
}
