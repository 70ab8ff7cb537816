// Tests how a disk image is booted: by which firmware, and in which format.
#include "cli/machine.hpp"

#include <nlohmann/json.hpp>

#include "cli/guest_test.hpp"
#include "support/catch.hpp"
#include "support/failure.hpp"
#include "util/file.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

using Names = std::vector<std::string>;

BuiltImage built(std::uint64_t sector_size, const Names& firmware) {
  BuiltImage image{.config = {}};
  image.config.qemu.firmware = firmware;
  image.disk = "output/pc/disk.img";
  image.sector_size = sector_size;
  return image;
}

}  // namespace

TEST_CASE("a disk with sectors of 4096 bytes starts by every firmware but a BIOS") {
  const Names both{"bios", "uefi"};
  CHECK(firmware_of(built(512, both), {}) == both);
  CHECK(firmware_of(built(512, both), {"uefi"}) == Names{"uefi"});
  CHECK(firmware_of(built(4096, both), {}) == Names{"uefi"});
  CHECK(firmware_of(built(4096, {"kernel"}), {}) == Names{"kernel"});
  CHECK(contains(failure([&] { firmware_of(built(4096, both), {"bios"}); }),
                 "a BIOS cannot start from disk.img, whose sectors have 4096 bytes"));
  CHECK(contains(failure([&] { firmware_of(built(4096, {"bios"}), {}); }), "a BIOS cannot start from disk.img"));
}

TEST_CASE("the JSON of a test tells skipped checks from passed ones") {
  GuestBoot boot{.name = "pi", .firmware = "kernel"};
  boot.report.checks = {{.name = "kernel", .ok = true}, {.name = "network", .detail = "no device", .skipped = true}};
  boot.report.finished = true;
  const auto made = nlohmann::json::parse(boots_as_json({boot})).at("boots").at(0);
  CHECK(made.at("ok") == true);
  CHECK(made.at("checks").at(0) ==
        nlohmann::json{{"name", "kernel"}, {"ok", true}, {"skipped", false}, {"detail", ""}});
  CHECK(made.at("checks").at(1) ==
        nlohmann::json{{"name", "network"}, {"ok", false}, {"skipped", true}, {"detail", "no device"}});
}

TEST_CASE("the disk is booted in a format that was built") {
  const TempDir folder(fs::temp_directory_path(), "formats");
  Guest guest{.name = "pc", .image = built(512, {"bios"})};
  guest.image.disk = folder.path() / "disk.img";
  const auto refused = [&](const char* format) { return failure([&] { use_format(guest, format); }); };
  CHECK(contains(refused("vmdk"), "pc is not built as vmdk"));
  CHECK(contains(refused("vmdk"), "add \"vmdk\" to disk.formats and run `k8simg build pc`"));
  CHECK(contains(refused("vdi"), "unknown output format \"vdi\""));
  write_file_atomically(folder.path() / "disk.img.zst", "");
  CHECK(contains(refused("zstd"), "pc is not built as zstd"));
  write_file_atomically(folder.path() / "disk.vmdk", "");
  use_format(guest, "vmdk");
  CHECK(guest.conversion == folder.path() / "disk.vmdk");
  CHECK(guest.conversion_format == "vmdk");
}
