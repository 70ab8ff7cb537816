// Tests merging trees, and the usr-merge.
#include "support/catch.hpp"
#include "tree/tree.hpp"
#include "tree/usr_merge.hpp"
#include "util/error.hpp"

using namespace k8simg;

namespace {

std::vector<std::string> paths(const Tree& tree) {
  std::vector<std::string> result;
  for (const auto& [path, node] : tree.nodes()) result.push_back(path);
  return result;
}

using Paths = std::vector<std::string>;

}  // namespace

TEST_CASE("folders join, equal files join, the first keeps its provenance") {
  MemoryStore store;
  Tree into, from;
  into.add_directory("etc", 0755, "package:a=1:all");
  into.add_file(store, "etc/same", "x", 0644, "package:a=1:all");
  from.add_directory("etc", 0700, "package:b=1:all");
  from.add_file(store, "etc/same", "x", 0644, "package:b=1:all");
  from.find("etc/same")->mtime = 5;
  from.add_file(store, "etc/new", "y", 0644, "package:b=1:all");
  CHECK(merge(into, from).empty());
  CHECK(paths(into) == Paths{"etc", "etc/new", "etc/same"});
  CHECK(into.find("etc")->mode == 0755);
  CHECK(into.find("etc/same")->origin == "package:a=1:all");
  CHECK(into.find("etc/new")->origin == "package:b=1:all");
}

TEST_CASE("anything else is a conflict and changes nothing") {
  MemoryStore store;
  Tree into, from;
  into.add_file(store, "a", "1", 0644, "package:a=1:all");
  into.add_file(store, "mode", "1", 0644, "package:a=1:all");
  into.add_directory("d", 0755, "package:a=1:all");
  into.add_file(store, "d/in", "1", 0644, "package:a=1:all");
  into.add_file(store, "implied/in", "1", 0644, "package:a=1:all");
  into.add_symlink("link", "d", "package:a=1:all");
  into.add_symlink("other", "d", "package:a=1:all");
  const auto before = into.serialise();
  from.add_file(store, "a", "2", 0644, "overlay:o");
  from.add_file(store, "mode", "1", 0755, "overlay:o");
  from.add_file(store, "d", "2", 0644, "overlay:o");
  from.add_file(store, "implied", "2", 0644, "overlay:o");
  from.add_directory("link", 0755, "overlay:o");
  from.add_file(store, "link/x", "2", 0644, "overlay:o");
  from.add_file(store, "other/deep/x", "2", 0644, "overlay:o");
  const auto conflicts = merge(into, from);
  Paths found;
  for (const auto& conflict : conflicts) {
    found.push_back(conflict.path);
    CHECK(conflict.first == "package:a=1:all");
    CHECK(conflict.second == "overlay:o");
  }
  CHECK(found == Paths{"a", "d", "implied", "link", "mode", "other/deep/x"});
  CHECK(into.serialise() == before);
  try {
    throw_conflicts(conflicts);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Usage);
    CHECK(error.message().find("/other/deep/x: package:a=1:all and overlay:o") != std::string::npos);
    CHECK(error.hint().find("replace") != std::string::npos);
    CHECK(error.hint().find("packages.exclude = [\"a\"]") != std::string::npos);
  }
}

TEST_CASE("declared paths go to the later source") {
  MemoryStore store;
  Tree into, from;
  into.add_file(store, "etc/motd", "1", 0644, "package:a=1:all");
  into.add_directory("var/run", 0755, "package:a=1:all");
  into.add_file(store, "var/run/x", "1", 0644, "package:a=1:all");
  into.add_file(store, "opt/f", "1", 0644, "package:a=1:all");
  from.add_file(store, "etc/motd", "2", 0644, "overlay:o");
  from.add_symlink("var/run", "/run", "overlay:o");
  from.add_directory("opt/f", 0755, "overlay:o");
  from.add_file(store, "opt/f/in", "2", 0644, "overlay:o");
  CHECK(merge(into, from, {{{"etc/*", "ours"}, {"var/run", "ours"}, {"opt/f", "ours"}}}).empty());
  CHECK(paths(into) == Paths{"etc/motd", "opt/f", "opt/f/in", "var/run"});
  CHECK(into.find("etc/motd")->origin == "overlay:o");
  CHECK(into.find("var/run")->type == NodeType::Symlink);
}

TEST_CASE("the usr-merge moves members, groups and folders") {
  MemoryStore store;
  Tree tree;
  tree.add_directory("bin", 0755, "p");
  tree.add_file(store, "bin/gunzip", "z", 0755, "p");
  tree.add_file(store, "bin/uncompress", "z", 0755, "p");
  tree.find("bin/gunzip")->link_group = tree.find("bin/uncompress")->link_group = "bin/gunzip";
  tree.add_directory("lib", 0755, "p");
  tree.add_directory("lib/systemd", 0755, "p");
  tree.add_file(store, "lib/systemd/a", "1", 0644, "p");
  tree.add_directory("usr/lib/systemd", 0700, "q");
  tree.add_symlink("lib64", "usr/lib64", "base-files");
  tree.add_symlink("bin/which", "/usr/bin/which", "p");
  tree.add_file(store, "usr/bin/which", "w", 0755, "p");
  tree.add_symlink("usr/sbin/ip", "../../sbin/ip", "p");
  tree.add_file(store, "sbin/ip", "i", 0755, "p");
  tree.add_file(store, "library/x", "x", 0644, "p");
  const auto merged = usr_merged(tree);
  CHECK(paths(merged) == Paths{"lib64", "library/x", "usr/bin", "usr/bin/gunzip", "usr/bin/uncompress", "usr/bin/which",
                               "usr/lib", "usr/lib/systemd", "usr/lib/systemd/a", "usr/sbin/ip"});
  CHECK(merged.find("usr/bin/uncompress")->link_group == "usr/bin/gunzip");
  CHECK(merged.find("usr/bin/which")->type == NodeType::File);
  CHECK(merged.find("usr/sbin/ip")->type == NodeType::File);
  CHECK(merged.find("usr/lib/systemd")->origin == "q");
  CHECK(usr_merged(merged).nodes() == merged.nodes());
}

TEST_CASE("two different files that become one are an error") {
  MemoryStore store;
  Tree tree;
  tree.add_file(store, "bin/x", "1", 0755, "package:a=1:all");
  tree.add_file(store, "usr/bin/x", "1", 0755, "package:b=1:all");
  CHECK(usr_merged(tree).find("usr/bin/x")->origin == "package:b=1:all");
  tree.add_file(store, "usr/bin/x", "2", 0755, "package:b=1:all");
  try {
    usr_merged(tree);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Resolve);
    CHECK(error.message() ==
          "/bin/x (package:a=1:all) and /usr/bin/x (package:b=1:all) differ, but have the same path in merged /usr");
  }
}
