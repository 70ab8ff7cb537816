// Tests that each kind of difference between an image and its manifest gives exactly one line, with partition and path.
#include "appliance/compare.hpp"

#include "support/catch.hpp"

using namespace k8simg;

namespace {

using Lines = std::vector<std::string>;

PathState file(const std::string& content) {
  return {.type = "file",
          .mode = 0644,
          .uid = 0,
          .gid = 0,
          .mtime = 100,
          .size = content.size(),
          .sha256 = sha256(content),
          .origin = "overlay:base"};
}
PathState folder() { return {.type = "directory", .mode = 0755, .uid = 0, .gid = 0, .mtime = 100}; }

ImageState image() {
  PartitionState esp{.name = "esp",
                     .start = 1048576,
                     .size = 1048576,
                     .type = "c12a7328",
                     .partuuid = "p1",
                     .filesystem = "vfat",
                     .label = "BOOT",
                     .uuid = "1234-ABCD"};
  esp.paths = {{"/EFI", {.type = "directory"}}, {"/bzImage", {.type = "file", .size = 6, .sha256 = sha256("kernel")}}};
  PartitionState root{.name = "root",
                      .start = 2097152,
                      .size = 1048576,
                      .type = "4f68bce3",
                      .partuuid = "p2",
                      .filesystem = "ext4",
                      .label = "root",
                      .uuid = "u"};
  root.paths = {{"/bin", {.type = "symlink", .mode = 0777, .uid = 0, .gid = 0, .mtime = 100, .target = "usr/bin"}},
                {"/dev", folder()},
                {"/dev/null", {.type = "char", .mode = 0666, .uid = 0, .gid = 0, .mtime = 100, .device = "1:3"}},
                {"/etc", folder()},
                {"/etc/passwd", file("root")},
                {"/ping", file("ping")}};
  root.paths["/ping"].xattrs["security.capability"] = "0100";
  return {.table = "gpt", .size = 4194304, .partitions = {esp, root}};
}

PathState& root_path(ImageState& state, const char* path) { return state.partitions[1].paths.at(path); }

template <class Change>
Lines after(Change change) {
  ImageState found = image();
  change(found);
  return compare(image(), found);
}

}  // namespace

TEST_CASE("an image that is as its manifest says has no differences") { CHECK(compare(image(), image()).empty()); }

TEST_CASE("what a filesystem brings along is no difference") {
  CHECK(after([](ImageState& f) {
          f.partitions[1].paths["/"] = folder();
          f.partitions[1].paths["/lost+found"] = {.type = "directory", .mode = 0700, .uid = 0, .gid = 0, .mtime = 7};
          f.partitions[0].paths["/"] = {.type = "directory"};
          f.partitions[0].paths["/syslinux/ldlinux.sys"] = {.type = "file", .size = 9};
        }).empty());
  // Only with the attributes that mke2fs sets, at this path, and if it is empty.
  CHECK(after([](ImageState& f) {
          f.partitions[1].paths["/lost+found"] = {.type = "directory", .mode = 0755, .uid = 0, .gid = 0};
        }) == Lines{"root: /lost+found: a directory that the manifest does not name"});
  CHECK(after([](ImageState& f) { f.partitions[0].paths["/lost+found"] = {.type = "directory"}; }) ==
        Lines{"esp: /lost+found: a directory that the manifest does not name"});
  CHECK(after([](ImageState& f) {
          f.partitions[1].paths["/lost+found"] = {.type = "directory", .mode = 0700, .uid = 0, .gid = 0};
          f.partitions[1].paths["/lost+found/#12"] = file("x");
        }) == Lines{"root: /lost+found/#12: a file that the manifest does not name"});
  CHECK(after([](ImageState& f) { f.partitions[1].paths["/ldlinux.sys"] = file("x"); }) ==
        Lines{"root: /ldlinux.sys: a file that the manifest does not name"});
  // An entry in the manifest is compared.
  ImageState expected = image(), found = image();
  expected.partitions[0].paths["/ldlinux.sys"] =
      found.partitions[0].paths["/ldlinux.sys"] = {.type = "file", .size = 1, .sha256 = sha256("a")};
  found.partitions[0].paths["/ldlinux.sys"].sha256 = sha256("b");
  CHECK(compare(expected, found).size() == 1);
}

TEST_CASE("the top folder is 0755 and root's") {
  CHECK(after([](ImageState& f) { (f.partitions[1].paths["/"] = folder()).mode = 0700; }) ==
        Lines{"root: /: mode 0700, manifest says 0755"});
  CHECK(after([](ImageState& f) { (f.partitions[1].paths["/"] = folder()).uid = 1000; }) ==
        Lines{"root: /: owner 1000:0, manifest says 0:0"});
}

TEST_CASE("each property of a path") {
  CHECK(after([](ImageState& f) { root_path(f, "/etc/passwd").mode = 0600; }) ==
        Lines{"root: /etc/passwd: mode 0600, manifest says 0644"});
  CHECK(after([](ImageState& f) { root_path(f, "/etc/passwd").mode = 04644; }) ==
        Lines{"root: /etc/passwd: mode 4644, manifest says 0644"});
  CHECK(after([](ImageState& f) { root_path(f, "/dev").mode = 01755; }) ==
        Lines{"root: /dev: mode 1755, manifest says 0755"});
  CHECK(after([](ImageState& f) { root_path(f, "/etc").uid = 1; }) ==
        Lines{"root: /etc: owner 1:0, manifest says 0:0"});
  CHECK(after([](ImageState& f) { root_path(f, "/bin").gid = 5; }) ==
        Lines{"root: /bin: owner 0:5, manifest says 0:0"});
  CHECK(after([](ImageState& f) { root_path(f, "/etc").mtime = 101; }) ==
        Lines{"root: /etc: modification time 101, manifest says 100"});
  CHECK(after([](ImageState& f) { root_path(f, "/bin").target = "/bin"; }) ==
        Lines{"root: /bin: link to \"/bin\", manifest says \"usr/bin\""});
  CHECK(after([](ImageState& f) { root_path(f, "/dev/null").device = "1:5"; }) ==
        Lines{"root: /dev/null: device 1:5, manifest says 1:3"});
  CHECK(after([](ImageState& f) { root_path(f, "/dev/null").type = "block"; }) ==
        Lines{"root: /dev/null: is a block, manifest says char"});
  CHECK(after([](ImageState& f) { root_path(f, "/etc/passwd").size = 5; }) ==
        Lines{"root: /etc/passwd: 5 bytes, manifest says 4 (from overlay:base)"});
  CHECK(after([](ImageState& f) { root_path(f, "/etc/passwd").type = "directory"; }) ==
        Lines{"root: /etc/passwd: is a directory, manifest says file (from overlay:base)"});
}

TEST_CASE("one altered byte is reported by path, on either filesystem") {
  const Lines on_root = after([](ImageState& f) { root_path(f, "/etc/passwd").sha256 = sha256("rooT"); });
  REQUIRE(on_root.size() == 1);
  CHECK(on_root[0] == "root: /etc/passwd: SHA-256 " + sha256("rooT").hex().substr(0, 16) + "..., manifest says " +
                          sha256("root").hex().substr(0, 16) + "... (from overlay:base)");
  const Lines on_esp = after([](ImageState& f) { f.partitions[0].paths.at("/bzImage").sha256 = sha256("kerneL"); });
  REQUIRE(on_esp.size() == 1);
  CHECK(on_esp[0].find("esp: /bzImage: SHA-256 ") == 0);
  const Lines unread = after([](ImageState& f) { root_path(f, "/etc/passwd").sha256.reset(); });
  REQUIRE(unread.size() == 1);
  CHECK(unread[0].find("root: /etc/passwd: SHA-256 unreadable") == 0);
}

TEST_CASE("file capabilities and other attributes") {
  CHECK(after([](ImageState& f) { root_path(f, "/ping").xattrs.clear(); }) ==
        Lines{"root: /ping: no attribute security.capability, manifest says 0100 (from overlay:base)"});
  CHECK(after([](ImageState& f) { root_path(f, "/ping").xattrs["security.capability"] = "0200"; }) ==
        Lines{"root: /ping: attribute security.capability 0200, manifest says 0100"});
  CHECK(after([](ImageState& f) { root_path(f, "/etc/passwd").xattrs["user.x"] = "00"; }) ==
        Lines{"root: /etc/passwd: attribute user.x = 00, which the manifest does not name"});
}

TEST_CASE("paths that are missing or too many, in the order of their names") {
  const Lines lines = after([](ImageState& f) {
    f.partitions[1].paths.erase("/bin");
    f.partitions[1].paths.erase("/ping");
    f.partitions[1].paths["/a"] = file("x");
    f.partitions[1].paths["/run"] = {.type = "socket"};
  });
  CHECK(lines == Lines{"root: /a: a file that the manifest does not name", "root: /bin: missing, manifest says symlink",
                       "root: /ping: missing, manifest says file (from overlay:base)",
                       "root: /run: a socket that the manifest does not name"});
}

TEST_CASE("each property of a partition") {
  CHECK(after([](ImageState& f) { f.partitions[0].start = 0; }) ==
        Lines{"esp: starts at byte 0, manifest says 1048576"});
  CHECK(after([](ImageState& f) { f.partitions[0].size = 1; }) == Lines{"esp: size in bytes 1, manifest says 1048576"});
  CHECK(after([](ImageState& f) { f.partitions[0].type = "x"; }) ==
        Lines{"esp: partition type x, manifest says c12a7328"});
  CHECK(after([](ImageState& f) { f.partitions[1].partuuid = "x"; }) == Lines{"root: PARTUUID x, manifest says p2"});
  CHECK(after([](ImageState& f) { f.partitions[1].name = "x"; }) ==
        Lines{"root: partition name \"x\", manifest says \"root\""});
  CHECK(after([](ImageState& f) { f.partitions[1].label = ""; }) ==
        Lines{"root: filesystem label \"\", manifest says \"root\""});
  CHECK(after([](ImageState& f) { f.partitions[1].uuid = "v"; }) ==
        Lines{"root: filesystem UUID \"v\", manifest says \"u\""});
  CHECK(after([](ImageState& f) { f.partitions[1].filesystem = "ext2"; }) ==
        Lines{"root: filesystem \"ext2\", manifest says \"ext4\""});
  CHECK(after([](ImageState& f) { f.partitions[1].faults = {"e2fsck finds faults"}; }) ==
        Lines{"root: e2fsck finds faults"});
}

TEST_CASE("partitions of a dos table have no names") {
  ImageState expected = image(), found = image();
  expected.table = found.table = "dos";
  for (auto& partition : found.partitions) partition.name.clear();
  CHECK(compare(expected, found).empty());
}

TEST_CASE("a partition that cannot be read is one line, not one for each path") {
  CHECK(after([](ImageState& f) {
          f.partitions[1].readable = false;
          f.partitions[1].faults = {"cannot be read: mount"};
          f.partitions[1].paths.clear();
        }) == Lines{"root: cannot be read: mount", "root: 6 paths could not be checked"});
}

TEST_CASE("the table, the disk's size and the number of partitions") {
  CHECK(after([](ImageState& f) { f.table = "dos"; }) == Lines{"disk: partition table dos, manifest says gpt"});
  CHECK(after([](ImageState& f) { f.size = 1; }) == Lines{"disk: size in bytes 1, manifest says 4194304"});
  CHECK(after([](ImageState& f) { f.partitions.pop_back(); }) == Lines{"root: the partition is missing"});
  CHECK(after([](ImageState& f) { f.partitions.push_back({.name = "x", .start = 3145728}); }) ==
        Lines{"disk: partition 3 \"x\" at byte 3145728, which the manifest does not name"});
  CHECK(after([](ImageState& f) { f.table.clear(), f.partitions.clear(); }) ==
        Lines{"disk: partition table none, manifest says gpt", "esp: the partition is missing",
              "root: the partition is missing"});
}
