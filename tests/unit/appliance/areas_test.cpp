// Tests that a flipped bit anywhere in an image of make_disk() is reported with its area and field.
#include "appliance/areas.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "disk/manifest.hpp"
#include "support/catch.hpp"
#include "support/step_context.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

using Lines = std::vector<std::string>;
constexpr std::uint64_t mib = 1 << 20;

/// A disk with two partitions, and its manifest.
struct Made {
  explicit Made(const std::string& table, std::uint64_t sector_size = 512, bool active = false) {
    const bool gpt = table == "gpt";
    const auto uuid = [&](const char* name) { return gpt ? std::optional(uuid5(name)) : std::nullopt; };
    const k8simg::BuiltDisk disk =
        make_disk(context, {.table = table,
                            .disk_uuid = uuid5("disk"),
                            .partitions = {{.name = "esp",
                                            .type = "esp",
                                            .uuid = uuid("esp"),
                                            .content = context.store().put(std::string(mib + 5000, 'e'))},
                                           {.name = "root",
                                            .type = "linux",
                                            .uuid = uuid("root"),
                                            .content = context.store().put(std::string(mib, 'r'))}},
                            .boot_code = std::string(300, '\x90'),
                            .sector_size = sector_size,
                            .protective_mbr_active = active});
    file = context.folder() / "image";
    copy_sparse(context.store().path(disk.image.digest), file);
    const Tree nothing;
    ManifestInput input{.defconfig = "pc",
                        .board = "pc",
                        .version = "1",
                        .kernel_release = "6",
                        .source_date_epoch = 1,
                        .table = table,
                        .sector_size = sector_size,
                        .layout = parse_layout(serialise_layout(disk.layout)),
                        .partitions = {},
                        .artifacts = {},
                        .packages = {},
                        .components = {}};
    for (const char* name : {"esp", "root"}) input.partitions.push_back({name, "ext4", name, "u", &nothing});
    manifest = parse_manifest(make_manifest(input), "manifest.json");
    size = disk.layout.size;
  }

  Lines lines() const {
    Lines list;
    for (const auto& difference : compare_areas(file, manifest, {}))
      list.push_back(difference.place + ": " + difference.text);
    return list;
  }
  void flip(std::uint64_t offset, unsigned bit = 0) const {
    const Fd fd = Fd::open(file, O_RDWR);
    char byte = 0;
    REQUIRE(::pread(fd.get(), &byte, 1, static_cast<off_t>(offset)) == 1);
    byte = static_cast<char>(byte ^ (1 << bit));
    REQUIRE(::pwrite(fd.get(), &byte, 1, static_cast<off_t>(offset)) == 1);
  }
  /// The messages for one flipped bit, which is then restored.
  Lines after(std::uint64_t offset, unsigned bit = 0) const {
    flip(offset, bit);
    const Lines list = lines();
    flip(offset, bit);
    return list;
  }

  TestContext context;
  fs::path file;
  Manifest manifest;
  std::uint64_t size = 0;
};

}  // namespace

TEST_CASE("an image as it was made has no differences, and its areas are all of it") {
  for (const char* table : {"gpt", "dos"}) {
    const Made made(table);
    CHECK(made.lines() == Lines{});
    REQUIRE_FALSE(made.manifest.areas.empty());
    CHECK(made.manifest.areas.back().start + made.manifest.areas.back().size == made.size);
  }
}

TEST_CASE("GPT: the field of the partition table that one flipped bit belongs to") {
  const Made made("gpt");
  const std::string disk = uuid5("disk").text(), root = uuid5("root").text();
  const auto other = [](std::string guid, std::size_t digit, char value) {
    guid[digit] = value;
    return guid;
  };
  const auto flipped = [](char digit) {
    return "0123456789abcdef"[(digit <= '9' ? digit - '0' : digit - 'a' + 10) ^ 1];
  };

  CHECK(made.after(0) == Lines{"disk: boot code: byte 0 is 0x91, manifest says 0x90"});
  CHECK(made.after(439) == Lines{"disk: boot code: byte 439 is 0x01, manifest says 0x00"});
  CHECK(made.after(440) == Lines{"disk: MBR: disk identifier 0x00000001, manifest says 0x00000000"});
  CHECK(made.after(510) == Lines{"disk: MBR: signature 0xaa54, manifest says 0xaa55"});
  CHECK(made.after(446 + 4) ==
        Lines{"disk: MBR: entry 1: partition type 0xef, manifest says 0xee"});  // the protective entry

  // The backup copy is at the end, with its header after the entries.
  for (const auto& [name, header, entries] :
       {std::tuple{"GPT", 512, 1024},
        std::tuple{"backup GPT", static_cast<int>(made.size) - 512, static_cast<int>(made.size) - 512 - 16384}}) {
    const auto at_header = [&, start = header](int offset) {
      return made.after(static_cast<std::uint64_t>(start + offset));
    };
    const auto at_entries = [&, start = entries](int offset, unsigned bit = 0) {
      return made.after(static_cast<std::uint64_t>(start + offset), bit);
    };
    const std::string in_header = fmt::format("disk: {} header: ", name),
                      in_entries = fmt::format(": {} entries: ", name);
    CHECK(at_header(59) ==
          Lines{in_header + "disk GUID " + other(disk, 1, flipped(disk[1])) + ", manifest says " + disk});
    CHECK(at_header(40) == Lines{in_header + "first usable sector 2049, manifest says 2048"});
    CHECK(at_header(80) == Lines{in_header + "number of entries 129, manifest says 128"});
    CHECK(at_header(16).at(0).find(in_header + "checksum 0x") == 0);  // changed alone
    CHECK(at_header(88).at(0).find(in_header + "checksum of the entries 0x") == 0);
    CHECK(at_header(511) == Lines{in_header + "reserved bytes has other bytes than the manifest says"});
    CHECK(at_entries(48) ==
          Lines{"esp" + in_entries + "attributes 0x0000000000000001, manifest says 0x0000000000000000"});
    CHECK(at_entries(128 + 48 + 7, 7) ==
          Lines{"root" + in_entries + "attributes 0x8000000000000000, manifest says 0x0000000000000000"});
    CHECK(at_entries(128 + 16 + 3) == Lines{"root" + in_entries + "partition GUID " + other(root, 1, flipped(root[1])) +
                                            ", manifest says " + root});
    CHECK(
        at_entries(0) ==
        Lines{
            "esp" + in_entries +
            "partition type c12a7329-f81f-11d2-ba4b-00a0c93ec93b, manifest says c12a7328-f81f-11d2-ba4b-00a0c93ec93b"});
    CHECK(at_entries(56) == Lines{"esp" + in_entries + "partition name \"dsp\", manifest says \"esp\""});
    CHECK(at_entries(56 + 60) == Lines{"esp" + in_entries + "partition name \"esp" + std::string(28, '?') +
                                       "\", manifest says \"esp\""});  // no control character is printed
    CHECK(at_entries(32) == Lines{"esp" + in_entries + "first sector 2049, manifest says 2048"});
    CHECK(at_entries(40).at(0).find("esp" + in_entries + "last sector ") == 0);
    CHECK(at_entries(127 * 128) == Lines{"disk" + in_entries +
                                         "entry 128: partition type 00000001-0000-0000-0000-000000000000, manifest "
                                         "says 00000000-0000-0000-0000-000000000000"});
  }
}

TEST_CASE("GPT with sectors of 4096 bytes") {
  const Made made("gpt", 4096);
  CHECK(made.manifest.sector_size == 4096);
  CHECK(made.lines() == Lines{});
  CHECK(made.after(512) == Lines{"disk: rest of the first sector: byte 512 is 0x01, manifest says 0x00"});
  CHECK(made.after(4096 + 80) == Lines{"disk: GPT header: number of entries 129, manifest says 128"});
  CHECK(made.after(4096 + 4095) == Lines{"disk: GPT header: reserved bytes has other bytes than the manifest says"});
  CHECK(made.after(8192 + 32) == Lines{"esp: GPT entries: first sector 257, manifest says 256"});
  CHECK(made.after(made.size - 4096 - 16384 + 32) ==
        Lines{"esp: backup GPT entries: first sector 257, manifest says 256"});
}

TEST_CASE("the active flag of the protective MBR is compared") {
  CHECK(Made("gpt", 512, true).lines() == Lines{});
  CHECK(Made("gpt", 512, true).after(446, 7) == Lines{"disk: MBR: entry 1: boot flag 0x00, manifest says 0x80"});
  CHECK(Made("gpt").after(446, 7) == Lines{"disk: MBR: entry 1: boot flag 0x80, manifest says 0x00"});
}

TEST_CASE("a checksum that follows from a named change is not told, one of the other copy is") {
  const Made made("gpt");
  made.flip(1024 + 48);
  made.flip(512 + 16);
  made.flip(512 + 88);
  made.flip(made.size - 512 + 16);
  const Lines lines = made.lines();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].find("esp: GPT entries: attributes") == 0);
  CHECK(lines[1].find("disk: backup GPT header: checksum 0x") == 0);
}

TEST_CASE("dos: identifier, flags, types and places") {
  const Made made("dos");
  CHECK(made.after(440).at(0).find("disk: MBR: disk identifier 0x") == 0);
  CHECK(made.after(444) == Lines{"disk: MBR: reserved bytes 0x0001, manifest says 0x0000"});
  CHECK(made.after(446, 7) == Lines{"esp: MBR: boot flag 0x80, manifest says 0x00"});
  CHECK(made.after(446 + 16 + 4) == Lines{"root: MBR: partition type 0x82, manifest says 0x83"});
  CHECK(made.after(446 + 8) == Lines{"esp: MBR: first sector 2049, manifest says 2048"});
  CHECK(made.after(446 + 12) == Lines{"esp: MBR: number of sectors 4097, manifest says 4096"});
  CHECK(made.after(446 + 1).at(0).find("esp: MBR: first sector as CHS 0x") == 0);
  CHECK(made.after(446 + 3 * 16 + 4) == Lines{"disk: MBR: entry 4: partition type 0x01, manifest says 0x00"});
  CHECK(made.after(511) == Lines{"disk: MBR: signature 0xab55, manifest says 0xaa55"});
  CHECK(made.after(512) == Lines{"disk: unallocated: byte 512 is 0x01, manifest says 0x00"});
}

TEST_CASE("bytes of no partition and bytes of a filesystem") {
  const Made made("gpt");
  CHECK(made.after(17408) == Lines{"disk: unallocated: byte 17408 is 0x01, manifest says 0x00"});
  CHECK(made.after(mib - 1) == Lines{fmt::format("disk: unallocated: byte {} is 0x01, manifest says 0x00", mib - 1)});
  CHECK(made.after(mib + mib + 5000) ==
        Lines{fmt::format("esp: rest of partition esp: byte {} is 0x01, manifest says 0x00", 2 * mib + 5000)});
  CHECK(made.after(4 * mib) == Lines{fmt::format("disk: unallocated: byte {} is 0x01, manifest says 0x00", 4 * mib)});
  made.flip(20000);
  made.flip(20001);
  made.flip(30000, 7);
  CHECK(made.lines() == Lines{"disk: unallocated: byte 20000 is 0x01, manifest says 0x00, and 2 more differ"});
  made.flip(3 * mib + 17);
  const auto differences = compare_areas(made.file, made.manifest, {});
  REQUIRE(differences.size() == 2);
  CHECK(differences[1].place == "root");
  CHECK(differences[1].filesystem);
  CHECK(differences[1].text.find("bytes of the filesystem that belong to no path are not the manifest's: SHA-256 ") ==
        0);
}

TEST_CASE("every bit of what is no filesystem counts") {
  for (const char* table : {"gpt", "dos"}) {
    const Made made(table);
    for (const auto& area : made.manifest.areas) {
      INFO(table << " " << area.name);
      for (const std::uint64_t offset : {std::uint64_t{0}, area.size / 2, area.size - 1})
        CHECK(made.after(area.start + offset, 3).size() == 1);
    }
    for (std::uint64_t offset = 0; offset < 1024 + 300; offset += 13) {
      if (const auto lines = made.after(offset, static_cast<unsigned>(offset % 8)); lines.size() != 1)
        FAIL_CHECK(table << " byte " << offset << ": " << lines.size() << " differences");
    }
  }
}

TEST_CASE("an image that is cut off, and a stop request") {
  const Made made("gpt");
  std::stop_source source;
  source.request_stop();
  CHECK_THROWS_AS(compare_areas(made.file, made.manifest, source.get_token()), Error);
  fs::resize_file(made.file, 3 * mib + 100);
  const Lines lines = made.lines();
  REQUIRE(lines.size() == 4);
  CHECK(lines[0] == fmt::format("root: partition root: the image ends before it, or in it, at byte {}", 3 * mib + 100));
  CHECK(lines[3] ==
        fmt::format("disk: backup GPT header: the image ends before it, or in it, at byte {}", 3 * mib + 100));
}
