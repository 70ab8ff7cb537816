// Tests that everything that a package may contain arrives in its tree, also through a file of the project.
#include "debian/deb.hpp"

#include "support/catch.hpp"
#include "support/deb.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

const std::string latin1 = "usr/share/odd/caf\xe9", longest(250, 'n');
// cap_net_bind_service=ep, version 2, as in linux/capability.h.
const std::string capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);

std::string odd_package() {
  const auto folder = [](const std::string& name) { return TarMember{.name = name, .type = '5', .mode = 0755}; };
  return deb_of(
      "Package: odd\nVersion: 3:1.0~rc1+b1-2\nArchitecture: amd64\nMulti-Arch: same\nMaintainer: x <x@host.example>\n"
      "Replaces: other (<< 2)\nBreaks: other (<< 2)\nProvides: virtual (= 7), plain\nDescription: odd\n caf\xc3\xa9\n",
      {folder("./"),
       folder("./etc/"),
       folder("./etc/odd/"),
       folder("./usr/"),
       folder("./usr/bin/"),
       folder("./usr/lib/"),
       folder("./usr/share/"),
       folder("./usr/share/odd/"),
       {.name = "./etc/odd/odd.conf", .content = "a = 1\n"},
       {.name = "./usr/bin/odd", .content = "#!odd", .mode = 04755},
       {.name = "./usr/bin/odd-group", .content = "g", .mode = 02755},
       {.name = "./usr/bin/odd-server",
        .content = "cap",
        .mode = 0755,
        .xattrs = {{"security.capability", capability}}},
       {.name = "./usr/lib/odd-helper", .type = '1', .mode = 0755, .link = "./usr/bin/odd-server"},
       {.name = "./usr/share/odd/link", .type = '1', .mode = 0755, .link = "./usr/bin/odd-server"},
       {.name = "./usr/share/odd/sym", .type = '2', .mode = 0777, .link = "../../bin/odd"},
       {.name = "./" + latin1, .content = "latin"},
       {.name = "./usr/share/odd/" + longest, .content = "long"},
       {.name = "./usr/share/odd/to-longest", .type = '2', .mode = 0777, .link = longest},
       {.name = "./usr/share/odd/empty"}},
      {{"conffiles", "/etc/odd/odd.conf\n"},
       {"preinst",
        "#!/bin/sh\nset -e\ndpkg-divert --package odd --add --rename --divert /usr/bin/vi.distrib /usr/bin/vi\n"},
       {"triggers", "activate-noawait ldconfig\n"}});
}

}  // namespace

TEST_CASE("every oddity of a package arrives in its tree") {
  MemoryStore store;
  const DebPackage package = read_deb_bytes(store, odd_package(), "package:odd=3:1.0~rc1+b1-2:amd64", "odd.deb");
  const Tree& data = package.data;
  const auto content = [&](const std::string& path) {
    const Node* node = data.find(path);
    REQUIRE(node);
    return store.read(node->content);
  };
  CHECK(data.find("usr/bin/odd")->mode == 04755);
  CHECK(data.find("usr/bin/odd-group")->mode == 02755);
  CHECK(data.find("usr/bin/odd")->uid == 0);
  CHECK(content(latin1) == "latin");
  CHECK(content("usr/share/odd/" + longest) == "long");
  CHECK(data.find("usr/share/odd/to-longest")->target == longest);
  CHECK(data.find("usr/share/odd/sym")->target == "../../bin/odd");
  CHECK(content("usr/share/odd/empty").empty());
  CHECK(data.find("etc/odd/odd.conf")->mtime == 1700000000);
  // Hard links across folders are one group, and have the capability of the file.
  for (const char* path : {"usr/bin/odd-server", "usr/lib/odd-helper", "usr/share/odd/link"}) {
    INFO(path);
    CHECK(content(path) == "cap");
    CHECK(data.find(path)->link_group == "usr/bin/odd-server");
    CHECK(data.find(path)->xattrs == std::map<std::string, std::string>{{"security.capability", capability}});
    CHECK(data.find(path)->origin == "package:odd=3:1.0~rc1+b1-2:amd64");
  }
  CHECK(package.control_files.at("conffiles") == "/etc/odd/odd.conf\n");
  CHECK(package.control_files.at("preinst").find("dpkg-divert") != std::string::npos);
  CHECK(package.control_files.at("triggers") == "activate-noawait ldconfig\n");
  CHECK(package.control_files.at("control").find("Multi-Arch: same\n") != std::string::npos);

  // The same through the tree of the step, and its text.
  const TempDir folder(fs::temp_directory_path(), "odd");
  write_file_atomically(folder.path() / "odd.deb", odd_package());
  const Tree tree = deb_tree(store, folder.path() / "odd.deb", "package:odd=3:1.0~rc1+b1-2:amd64");
  const DebPackage apart = split_deb_tree(store, Tree::parse(tree.serialise()));
  CHECK(apart.data.nodes() == data.nodes());
  CHECK(apart.control_files == package.control_files);
}

TEST_CASE("a bomb in control.tar stops at the limit") {
  MemoryStore store;
  const std::string bomb = deb_of("Package: x\nVersion: 1\n", {}, {{"x", std::string(65 << 20, '\0')}});
  try {
    read_deb_bytes(store, bomb, "package:x=1:all", "x.deb");
    FAIL("it was read");
  } catch (const Error& error) {
    CHECK(error.message() == "x.deb: control.tar: it unpacks to more than 67108864 bytes");
  }
}
