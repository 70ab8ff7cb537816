// Tests disk images: the table that sfdisk reads, the position of contents, and reproducibility.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "disk/formats.hpp"
#include "disk/tool.hpp"
#include "host_program.hpp"
#include "support/catch.hpp"
#include "support/failing_seek.hpp"
#include "support/step_context.hpp"
#include "util/bytes.hpp"
#include "util/text.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

using nlohmann::json;

struct Fixture {
  TestContext context;
  std::string small = std::string(1234567, 's'), large = std::string(3 * mebibyte, 'L');
  DiskSpec gpt{.table = "gpt",
               .disk_uuid = uuid5("pc/disk"),
               .partitions = {{.name = "esp",
                               .type = "esp",
                               .uuid = uuid5("pc/esp/partition"),
                               .content = context.store().put(small),
                               .bootable = true},
                              {.name = "root",
                               .type = "root-x86-64",
                               .uuid = uuid5("pc/root/partition"),
                               .content = context.store().put(large),
                               .bootable = false}},
               .boot_code = {}};

  BuiltDisk make(const DiskSpec& spec) {
    remove_all_forced(context.scratch());
    fs::create_directory(context.scratch());
    return make_disk(context, spec);
  }
  std::string bytes(const BuiltDisk& disk) { return context.store().read(disk.image.digest); }
  json table(const BuiltDisk& disk) {
    const std::string path = context.store().path(disk.image.digest).string();
    CHECK(contains(output_of({"sfdisk", "--verify", path}), "No errors detected"));
    return json::parse(output_of({"sfdisk", "-J", path})).at("partitiontable");
  }
};

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

TEST_CASE("GPT: every identifier, start, size and attribute is as asked") {
  Fixture f;
  const BuiltDisk disk = f.make(f.gpt);
  const json table = f.table(disk);
  CHECK(table.at("label") == "gpt");
  CHECK(upper(table.at("id")) == upper(uuid5("pc/disk").text()));
  const json& partitions = table.at("partitions");
  REQUIRE(partitions.size() == 2);
  CHECK(partitions[0].at("start") == 2048);
  CHECK(partitions[0].at("size") == 2 * 2048);  // 1,234,567 bytes in whole MiB
  CHECK(partitions[0].at("type") == "C12A7328-F81F-11D2-BA4B-00A0C93EC93B");
  CHECK(partitions[0].at("uuid") == upper(uuid5("pc/esp/partition").text()));
  CHECK(partitions[0].at("name") == "esp");
  CHECK(partitions[0].at("attrs") == "LegacyBIOSBootable");
  CHECK(partitions[1].at("start") == 3 * 2048);
  CHECK(partitions[1].at("size") == 3 * 2048);
  CHECK(partitions[1].at("type") == "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709");
  CHECK(partitions[1].at("uuid") == upper(uuid5("pc/root/partition").text()));
  CHECK_FALSE(partitions[1].contains("attrs"));

  CHECK(disk.layout.size == 7 * mebibyte);
  CHECK(disk.image.size == disk.layout.size);
  REQUIRE(disk.layout.partitions.size() == 2);
  CHECK(disk.layout.partitions[1].start == 3 * mebibyte);
  CHECK(disk.layout.partitions[1].size == 3 * mebibyte);
  CHECK(disk.layout.partitions[1].partuuid == uuid5("pc/root/partition").text());
}

TEST_CASE("the content lies where the table says, zeros elsewhere") {
  Fixture f;
  const std::string bytes = f.bytes(f.make(f.gpt));
  CHECK((bytes.substr(mebibyte, f.small.size()) == f.small));
  CHECK((bytes.substr(mebibyte + f.small.size(), 2 * mebibyte - f.small.size()) ==
         std::string(2 * mebibyte - f.small.size(), '\0')));
  CHECK((bytes.substr(3 * mebibyte, f.large.size()) == f.large));
  CHECK(bytes.substr(7 * mebibyte - 512, 8) == "EFI PART");  // the backup header, in the last sector
}

TEST_CASE("the same disk comes out byte for byte, another one does not") {
  Fixture f;
  for (const char* table : {"gpt", "dos"}) {
    INFO(table);
    DiskSpec spec = f.gpt;
    spec.table = table;
    if (spec.table == "dos")
      spec.partitions[1].type = "linux", spec.partitions[0].uuid = spec.partitions[1].uuid = std::nullopt;
    const BuiltDisk one = f.make(spec), two = f.make(spec);
    CHECK(one.image == two.image);
    spec.disk_uuid = uuid5("other/disk");
    CHECK(f.make(spec).image.digest != one.image.digest);
  }
}

TEST_CASE("dos: identifier, types and the active flag") {
  Fixture f;
  DiskSpec spec{
      .table = "dos",
      .disk_uuid = uuid5("pc/disk"),
      .partitions =
          {{.name = "boot", .type = "fat32-lba", .uuid = {}, .content = f.gpt.partitions[0].content, .bootable = true},
           {.name = "root", .type = "root", .uuid = {}, .content = f.gpt.partitions[1].content},
           {.name = "data", .type = "0x8e", .uuid = {}, .content = f.gpt.partitions[0].content},
           {.name = "esp", .type = "esp", .uuid = {}, .content = f.gpt.partitions[0].content}},
      .boot_code = {}};
  const BuiltDisk disk = f.make(spec);
  const json table = f.table(disk);
  CHECK(table.at("label") == "dos");
  CHECK(table.at("id") == "0x" + uuid5("pc/disk").text().substr(0, 8));
  const json& partitions = table.at("partitions");
  REQUIRE(partitions.size() == 4);
  CHECK(partitions[0].at("type") == "c");
  CHECK(partitions[0].at("bootable") == true);
  CHECK(partitions[1].at("type") == "83");
  CHECK_FALSE(partitions[1].contains("bootable"));
  CHECK(partitions[2].at("type") == "8e");
  CHECK(partitions[3].at("type") == "ef");
  CHECK(partitions[1].at("start") == 3 * 2048);
  CHECK(disk.layout.size == 10 * mebibyte);  // no backup header
  CHECK(disk.layout.partitions[1].partuuid == uuid5("pc/disk").text().substr(0, 8) + "-02");
}

TEST_CASE("boot code fills the start of the disk and leaves the table alone") {
  Fixture f;
  f.gpt.boot_code = std::string(440, '\x90');
  const BuiltDisk disk = f.make(f.gpt);
  CHECK(f.bytes(disk).substr(0, 440) == f.gpt.boot_code);
  CHECK(f.bytes(disk).substr(510, 2) == "\x55\xaa");
  CHECK(f.table(disk).at("partitions").size() == 2);
  f.gpt.boot_code += 'x';
  CHECK(contains(failure([&] { f.make(f.gpt); }),
                 "the boot code has 441 bytes, but only 440 fit at the start of the disk"));
}

TEST_CASE("GPT with sectors of 4096 bytes: another program reads it, and every place is a multiple of them") {
  Fixture f;
  f.gpt.sector_size = 4096;
  const BuiltDisk disk = f.make(f.gpt);
  CHECK(f.make(f.gpt).image == disk.image);
  const std::string bytes = f.bytes(disk), path = f.context.store().path(disk.image.digest).string();
  CHECK(bytes.substr(510, 2) == "\x55\xaa");
  CHECK(bytes.substr(4096, 8) == "EFI PART");
  CHECK(bytes.substr(7 * mebibyte - 4096, 8) == "EFI PART");  // the backup header, in the last sector
  CHECK_FALSE(contains(bytes.substr(0, 4096), "EFI PART"));
  const std::string list =
      output_of({"fdisk", "-b", "4096", "-o", "Start,Sectors,Type-UUID,UUID,Attrs,Name", "-l", path});
  CHECK(contains(list, "Units: sectors of 1 * 4096 = 4096 bytes"));
  CHECK(contains(list, "Disklabel type: gpt"));
  CHECK(contains(upper(list), upper(uuid5("pc/disk").text())));
  std::vector<std::vector<std::string>> rows;
  for (const auto& line : split(list, '\n'))
    if (auto words = split_words(line);
        words.size() >= 5 && words[0].find_first_not_of("0123456789") == std::string::npos)
      rows.push_back(words);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0] == std::vector<std::string>{"256", "512", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
                                            upper(uuid5("pc/esp/partition").text()), "LegacyBIOSBootable", "esp"});
  CHECK(rows[1] == std::vector<std::string>{"768", "768", "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
                                            upper(uuid5("pc/root/partition").text()), "root"});
  CHECK((bytes.substr(mebibyte, f.small.size()) == f.small));
  CHECK((bytes.substr(3 * mebibyte, f.large.size()) == f.large));
  std::vector<std::string> areas;
  for (const auto& area : disk.layout.areas) areas.push_back(fmt::format("{} {}", area.name, area.size));
  CHECK(areas == std::vector<std::string>{
                     "boot code 440", "MBR 72", "rest of the first sector 3584", "GPT header 4096", "GPT entries 16384",
                     fmt::format("unallocated {}", mebibyte - 4096 - 4096 - 16384), "partition esp 1234567",
                     fmt::format("rest of partition esp {}", 2 * mebibyte - 1234567),
                     fmt::format("partition root {}", 3 * mebibyte),
                     fmt::format("unallocated {}", mebibyte - 16384 - 4096), "backup GPT entries 16384",
                     "backup GPT header 4096"});
}

TEST_CASE("the active flag in the protective MBR is one byte, and programs still read the table") {
  Fixture f;
  const std::string without = f.bytes(f.make(f.gpt));
  f.gpt.protective_mbr_active = true;
  const BuiltDisk disk = f.make(f.gpt);
  std::string with = f.bytes(disk);
  // The entry: active, first sector as CHS 0/0/2, type EE, last as CHS, first sector 1, number of sectors.
  CHECK(to_hex(with.substr(446, 16)) == "80000200eeffffff01000000ff370000");
  CHECK(to_hex(without.substr(446, 16)) == "00000200eeffffff01000000ff370000");
  with[446] = '\0';
  CHECK((with == without));
  CHECK(f.table(disk).at("partitions").size() == 2);
}

TEST_CASE("holes stay holes") {
  Fixture f;
  const fs::path file = f.context.folder() / "content";
  make_empty_file(file, 64 * mebibyte);
  {
    const Fd fd = Fd::open(file, O_WRONLY);
    REQUIRE(pwrite(fd.get(), "middle", 6, 32 * static_cast<off_t>(mebibyte)) == 6);
  }
  f.gpt.partitions[1].content = f.context.store().put_file(file, false);
  const BuiltDisk disk = f.make(f.gpt);
  struct stat info {};
  REQUIRE(stat(f.context.store().path(disk.image.digest).c_str(), &info) == 0);
  CHECK(info.st_size == 68 * static_cast<off_t>(mebibyte));
  CHECK(info.st_blocks * 512 < 4 * static_cast<off_t>(mebibyte));
  CHECK(f.bytes(disk).substr((3 + 32) * mebibyte, 6) == "middle");
}

TEST_CASE("content whose holes cannot be found is copied whole, or the disk is not made") {
  Fixture f;
  const std::string image = f.bytes(f.make(f.gpt));
  for (const int error : {EINVAL, EOPNOTSUPP}) {
    const FakeSeek seek(seek_fails(SEEK_DATA, error));
    CHECK((f.bytes(f.make(f.gpt)) == image));
  }
  for (const int whence : {SEEK_DATA, SEEK_HOLE}) {
    const FakeSeek seek(seek_fails(whence, EIO));
    CHECK(contains(failure([&] { f.make(f.gpt); }), "Input/output error"));
  }
}

TEST_CASE("content that is shorter than its record is not padded with zeros") {
  Fixture f;
  const fs::path blob = f.context.store().path(f.gpt.partitions[1].content.digest);
  fs::permissions(blob, fs::perms::owner_write, fs::perm_options::add);
  fs::resize_file(blob, mebibyte);
  CHECK(contains(failure([&] { f.make(f.gpt); }), "has 1048576 bytes instead of 3145728"));
}

TEST_CASE("what no table can hold is refused with a reason") {
  Fixture f;
  const auto refused = [&](auto change) {
    DiskSpec spec = f.gpt;
    change(spec);
    return failure([&] { f.make(spec); });
  };
  CHECK(contains(refused([](DiskSpec& s) { s.table = "apm"; }), "unknown partition table \"apm\""));
  CHECK(contains(refused([](DiskSpec& s) { s.partitions[0].type = "roof"; }),
                 "unknown partition type \"roof\" for a gpt table"));
  CHECK(contains(refused([](DiskSpec& s) { s.partitions[0].type = "0x0c"; }), "use esp, root, linux or a GUID"));
  CHECK(contains(refused([](DiskSpec& s) { s.table = "dos"; }),
                 "unknown partition type \"root-x86-64\" for a dos table"));
  CHECK(contains(refused([](DiskSpec& s) { s.partitions[0].uuid.reset(); }), "UUID"));
  CHECK(contains(refused([](DiskSpec& s) {
                   s.table = "dos";
                   for (auto& p : s.partitions) p.type = "linux";
                   while (s.partitions.size() < 5) s.partitions.push_back(s.partitions[0]);
                 }),
                 "a dos partition table has room for 4 partitions"));
  // The script cannot express these: they must not become other fields.
  CHECK(contains(refused([](DiskSpec& s) { s.partitions[0].name = "a\", size=1, name=\"b"; }), "partition name"));
  CHECK(contains(refused([](DiskSpec& s) { s.partitions[0].name = "two\nlines"; }), "partition name"));
  CHECK(contains(refused([](DiskSpec& s) { s.partitions[0].name = std::string(37, 'n'); }), "partition name"));
  CHECK(contains(refused([&](DiskSpec& s) { s.partitions[0].content = f.context.store().put(""); }), "esp"));
}

TEST_CASE("GPT takes a type by its GUID, more than four partitions and names with blanks") {
  Fixture f;
  f.gpt.partitions[0].type = "933AC7E1-2EB4-4F13-B844-0E14E2AEF915";
  f.gpt.partitions[0].name = "my data, all of it";
  for (int i = 0; i < 4; ++i) {
    auto partition = f.gpt.partitions[1];
    partition.uuid = uuid5("extra/" + std::to_string(i));
    f.gpt.partitions.push_back(partition);
  }
  const json partitions = f.table(f.make(f.gpt)).at("partitions");
  REQUIRE(partitions.size() == 6);
  CHECK(partitions[0].at("type") == "933AC7E1-2EB4-4F13-B844-0E14E2AEF915");
  CHECK(partitions[0].at("name") == "my data, all of it");
}

TEST_CASE("a stop request ends the copying") {
  Fixture f;
  f.context.stopper.request_stop();
  try {
    f.make(f.gpt);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Interrupted);
  }
}

TEST_CASE("PARTUUIDs are known before the disk is made") {
  const Uuid disk = uuid5("pc/disk"), root = uuid5("pc/root");
  CHECK(partition_table("gpt").partuuid(disk, root, 1) == root.text());
  CHECK(partition_table("dos").partuuid(disk, std::nullopt, 0) == disk.text().substr(0, 8) + "-01");
  CHECK(partition_table("dos").partuuid(disk, root, 15) == disk.text().substr(0, 8) + "-10");
  CHECK_FALSE(failure([&] { partition_table("gpt").partuuid(disk, std::nullopt, 0); }).empty());
}
