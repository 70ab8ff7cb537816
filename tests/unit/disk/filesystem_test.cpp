// Tests mistakes in filesystems that are found before a program runs.
#include "disk/formats.hpp"
#include "disk/tool.hpp"
#include "support/catch.hpp"
#include "support/step_context.hpp"
#include "util/text.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

struct FilesystemFixture {
  TestContext context;
  Tree tree;
  ImageTools tools{context, "/nonexistent"};

  Node file(const std::string& origin = "board:pc") {
    Node node;
    node.origin = origin;
    node.content = context.store().put("x").digest;
    node.size = 1;
    return node;
  }
  /// The error message; no program may have been run.
  std::string fat(const FilesystemSpec& spec = {.label = "BOOT"}) {
    return checked([&] { filesystem("vfat").make(tools, tree, spec); });
  }
  std::string ext4(const FilesystemSpec& spec) {
    return checked([&] { filesystem("ext4").make(tools, tree, spec); });
  }

 private:
  template <class Body>
  std::string checked(Body body) {
    const std::string text = failure(body);
    CHECK(context.programs.asked.empty());
    context.programs.asked.clear();
    return text;
  }
};

}  // namespace

TEST_CASE("FAT: owners, links and devices are refused with the file and where it came from") {
  FilesystemFixture f;
  Node owned = f.file("package:x=1:amd64");
  owned.uid = 1000, owned.gid = 5;
  f.tree.set("boot/x", owned);
  const std::string text = f.fat();
  CHECK(contains(text, "boot/x"));
  CHECK(contains(text, "package:x=1:amd64"));
  CHECK(contains(text, "owner 1000:5"));

  f.tree = {};
  f.tree.add_symlink("vmlinuz", "bzImage", "board:pc");
  CHECK(contains(f.fat(), "boot file vmlinuz (board:pc): FAT can store only files and folders"));
  f.tree = {};
  Node device;
  device.type = NodeType::BlockDevice;
  f.tree.set("sda", device);
  CHECK(contains(f.fat(), "FAT can store only files and folders"));
}

TEST_CASE("FAT: names that it cannot hold") {
  for (const char* name : {"a:b", "a*b", "what?", "a<b", "a>b", "a|b", "a\\b", "quote\"", "dot.", "blank ", "bell\a",
                           "caf\xc3\xa9", "del\x7f"}) {
    FilesystemFixture f;
    f.tree.set("EFI/" + std::string(name), f.file());
    INFO(name);
    CHECK(contains(f.fat(), "cannot be stored on FAT"));
  }
  FilesystemFixture f;
  f.tree.set(std::string(256, 'n'), f.file());
  CHECK(contains(f.fat(), "cannot be stored on FAT"));
}

TEST_CASE("FAT: names that differ only in case") {
  FilesystemFixture f;
  f.tree.set("EFI/BOOT/a.efi", f.file());
  f.tree.set("EFI/boot/A.EFI", f.file());
  CHECK(contains(f.fat(), "EFI/boot/A.EFI (board:pc): differs from EFI/BOOT/a.efi only in case"));
  f.tree = {};
  f.tree.add_directory("EFI/BOOT", 0755, "board:pc");
  f.tree.add_directory("EFI/boot", 0755, "package:x");
  CHECK(contains(f.fat(), "only in case"));
}

TEST_CASE("FAT: as many clusters as FAT32 needs, of one sector, also with sectors of 4096 bytes") {
  const auto mkfs = [](const FilesystemSpec& spec) {
    FilesystemFixture f;
    f.tree.set("bzImage", f.file());
    failure([&] { filesystem("vfat").make(f.tools, f.tree, spec); });
    REQUIRE(f.context.programs.asked.size() == 1);  // it refused to run mkfs.fat
    return std::pair(" " + join(f.context.programs.asked[0], " ") + " ",
                     fs::file_size(f.context.scratch() / "image.vfat"));
  };
  const auto [small, small_size] = mkfs({.label = "BOOT"});
  CHECK(contains(small, " -F 32 -i 00000000 -s 1 -n BOOT "));
  CHECK(small_size == 34 * mebibyte);
  const auto [large, large_size] = mkfs({.label = "BOOT", .sector_size = 4096});
  CHECK(contains(large, " -F 32 -i 00000000 -S 4096 -s 1 -n BOOT "));
  CHECK(large_size == 272 * mebibyte);
  // mkfs.fat's own choice of 8 sectors would be clusters of 32 KiB, too few for FAT32.
  CHECK(contains(mkfs({.label = "BOOT", .free = 300 * mebibyte, .sector_size = 4096}).first, " -S 4096 -s 1 "));
  CHECK_FALSE(contains(mkfs({.label = "BOOT", .free = 300 * mebibyte}).first, " -s 1 "));
  CHECK(contains(mkfs({.label = "BOOT", .size = 100 * mebibyte, .sector_size = 4096}).first, " -F 16 "));
}

TEST_CASE("FAT: a label too long, a size too small") {
  FilesystemFixture f;
  CHECK(contains(f.fat({.label = "twelve chars"}), "longer than 11 characters"));
  Node large = f.file();
  large.size = 5 * mebibyte;
  f.tree.set("bzImage", large);
  const std::string text = f.fat({.label = "BOOT", .size = 6 * mebibyte, .free = 2 * mebibyte});
  CHECK(contains(text, "a FAT partition of 6.0 MiB is too small"));
  CHECK(contains(text, "2.0 MiB must stay free"));
  CHECK(contains(text, "or larger"));
}

TEST_CASE("ext4: a size too small says how much the tree needs") {
  FilesystemFixture f;
  for (int i = 0; i < 100; ++i)
    f.tree.add_file(f.context.store(), "d/" + std::to_string(i), std::string(30000, static_cast<char>('a' + i % 20)),
                    0644, "");
  const std::string text = f.ext4({.label = "root", .size = 2 * mebibyte, .free = mebibyte});
  CHECK(contains(text, "an image of 2.0 MiB is too small for its tree, which needs 3."));
  CHECK(contains(text, "1.0 MiB free space"));
  CHECK(contains(text, "increase the partition's size"));
}

TEST_CASE("ext4: an extended attribute that would be lost is refused before anything is written") {
  FilesystemFixture f;
  f.tree.add_file(f.context.store(), "usr/bin/x", "x", 0755, "package:x=1:amd64");
  f.tree.find("usr/bin/x")->xattrs["user.note"] = "n";
  const std::string text = f.ext4({.label = "root"});
  CHECK(contains(text, "/usr/bin/x: extended attribute user.note cannot be written to ext4 (from package:x=1:amd64)"));
}
