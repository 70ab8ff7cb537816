// Tests the registered format handlers: their names, and that every handler has the functions that are called.
#include "disk/formats.hpp"
#include "support/catch.hpp"
#include "support/step_context.hpp"

using namespace k8simg;
using namespace k8simg::test;

TEST_CASE("every registered format has what its users call") {
  const DiskFormats formats = disk_formats();
  for (const auto& rules : formats.filesystems) {
    const Filesystem& handler = filesystem(rules.name);
    CHECK((rules.check && handler.make && handler.identifier && handler.mount_options));
  }
  for (const auto& rules : formats.tables) {
    const PartitionTable& handler = partition_table(rules.name);
    CHECK((rules.check && handler.identifier && handler.type_code && handler.root_type && handler.partuuid &&
           handler.script && handler.front && handler.back));
    for (const char* type : {"esp", "linux"}) CHECK(handler.type_code(type));
    CHECK_FALSE(handler.type_code("roof"));
  }
  for (const auto& rules : formats.outputs) {
    const OutputFormat& handler = output_format(rules.name);
    CHECK(handler.file("disk.img") != "disk.img");
    const auto command = handler.command(3, "/in/disk", "/out/x");
    CHECK(std::find(command.begin(), command.end(), "/in/disk") != command.end());
    CHECK(std::find(command.begin(), command.end(), "/out/x") != command.end());
  }
  for (const auto& name : formats.boot_loaders) CHECK(boot_method(name).install);
}

TEST_CASE("an unknown format is named, with what there is") {
  CHECK(contains(failure([] { output_format("lzma"); }), "unknown output format \"lzma\""));
  CHECK(contains(failure([] { filesystem("btrfs"); }), "unknown filesystem \"btrfs\""));
  CHECK(contains(failure([] { boot_method("lilo"); }), "unknown boot method \"lilo\""));
}

TEST_CASE("the root's partition type on every architecture, by libfdisk's table") {
  const PartitionTable& gpt = partition_table("gpt");
  const std::map<std::string, std::string> guids{
      {"amd64", "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"},   {"arm64", "B921B045-1DF0-41C3-AF44-4C6F280D3FAE"},
      {"armel", "69DAD710-2CE4-4E3C-B16C-21A1D49ABED3"},   {"armhf", "69DAD710-2CE4-4E3C-B16C-21A1D49ABED3"},
      {"ppc64el", "C31C45E6-3F39-412E-80FB-4809C4980599"}, {"riscv64", "72EC70A6-CF74-40E6-BD49-4BDA08E8F224"},
      {"s390x", "5EEAD9A9-FE09-4A1E-A1D7-520D00531306"}};
  for (const auto& [architecture, guid] : guids) {
    INFO(architecture);
    REQUIRE(gpt.root_type(architecture));
    CHECK(gpt.type_code(*gpt.root_type(architecture)) == guid);
  }
  CHECK_FALSE(gpt.root_type("alpha"));
  CHECK(gpt.type_code("esp") == "C12A7328-F81F-11D2-BA4B-00A0C93EC93B");
  CHECK(gpt.type_code("linux") == "0FC63DAF-8483-4772-8E79-3D69D8477DE4");
}
