// Tests the formats of virtual machines: their files are the same every time, and qemu-img reads the disk image in
// them.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "disk/formats.hpp"
#include "disk/identify.hpp"
#include "host_program.hpp"
#include "support/catch.hpp"
#include "support/step_context.hpp"
#include "util/bytes.hpp"
#include "util/extents.hpp"
#include "util/text.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

constexpr std::size_t kib = 1024;

struct Conversions {
  TestContext context;
  fs::path raw = context.scratch() / "disk.img";
  std::string disk = std::string(8 * mebibyte, '\0');

  Conversions() {
    for (std::size_t i = 3 * mebibyte; i < 4 * mebibyte; ++i) disk[i] = static_cast<char>(i * 7 + i / 251);
    write_file_atomically(raw, disk);
  }
  DiskIdentity identity(const char* name = "pc/disk") { return {uuid5(name), sha256(disk)}; }

  /// As the command alone makes it.
  fs::path convert(const std::string& format) {
    const fs::path file = context.scratch() / output_format(format).file("disk.img");
    auto argv = output_format(format).command(0, raw.string(), file.string());
    argv[0] = "qemu-img";
    output_of(argv);
    return file;
  }
  fs::path make(const std::string& format, const char* name = "pc/disk") {
    const fs::path file = convert(format);
    if (const auto identify = output_format(format).identify) identify(file, identity(name));
    return file;
  }
  std::string bytes(const std::string& format, const char* name = "pc/disk") { return read_file(make(format, name)); }
};

}  // namespace

TEST_CASE("a converted disk image has the same bytes every time, and the image comes back from it") {
  for (const char* format : {"qcow2", "vmdk", "vhdx"}) {
    INFO(format);
    Conversions f;
    const std::string first = f.bytes(format);
    CHECK((f.bytes(format) == first));
    // Zeros are not stored. The first block of a VHDX is behind 8 MiB of tables, which are mostly a hole.
    CHECK(first.size() < (std::string_view(format) == "vhdx" ? 10 : 6) * mebibyte);
    const std::string file = f.make(format).string(), back = (f.context.scratch() / "back.img").string();
    CHECK(contains(output_of({"qemu-img", "check", "-f", format, file}), "No errors were found"));
    CHECK(contains(output_of({"qemu-img", "compare", "-f", "raw", "-F", format, f.raw.string(), file}),
                   "Images are identical"));
    output_of({"qemu-img", "convert", "-f", format, "-O", "raw", file, back});
    CHECK((read_file(back) == f.disk));
    // The holes of the disk image's file do not matter.
    const Fd fd = Fd::open(f.raw, O_RDWR);
    REQUIRE(ftruncate(fd.get(), 0) == 0);
    REQUIRE(ftruncate(fd.get(), static_cast<off_t>(f.disk.size())) == 0);
    write_all_at(fd.get(), std::string_view(f.disk).substr(3 * mebibyte, mebibyte), 3 * mebibyte, f.raw);
    CHECK((f.bytes(format) == first));
  }
  CHECK(output_format("qcow2").file("sdcard.img") == "sdcard.qcow2");
  CHECK(output_format("vmdk").file("sdcard.img") == "sdcard.vmdk");
  CHECK(output_format("vhdx").file("sdcard.img") == "sdcard.vhdx");
}

TEST_CASE("VMDK: the content's identifier in the descriptor, which names its own file") {
  Conversions f;
  const std::string first = f.bytes("vmdk");
  const std::string descriptor = first.substr(512, 20 * 512);
  CHECK(contains(descriptor, "\nCID=" + sha256(f.disk).hex().substr(0, 8) + "\n"));
  CHECK(contains(descriptor, "SPARSE \"disk.vmdk\"\n"));
  CHECK(contains(descriptor, "ddb.adapterType = \"lsilogic\"\n"));
  CHECK((f.bytes("vmdk", "other/disk") == first));  // it follows from the content alone
  f.disk[0] = 'x';
  write_file_atomically(f.raw, f.disk);
  const std::string other = f.bytes("vmdk");
  CHECK(contains(other.substr(512, 20 * 512), "\nCID=" + sha256(f.disk).hex().substr(0, 8) + "\n"));

  // The two largest numbers mean "none" and "unknown".
  Digest reserved;
  reserved.bytes.fill(0xff);
  const fs::path file = f.convert("vmdk");
  identify_vmdk(file, {uuid5("x"), reserved});
  CHECK(contains(read_file(file), "\nCID=fffffffd\n"));
  // An identifier with fewer digits, as QEMU writes one in sixteen, leaves no trace.
  std::string text = read_file(file);
  const auto at = text.find("\nCID=fffffffd\n");
  text.replace(at, 14, "\nCID=fffd\n");
  text.insert(text.find('\0', at), 4, '\0');
  write_file_atomically(file, text);
  identify_vmdk(file, f.identity());
  CHECK((read_file(file) == other));
}

TEST_CASE("VHDX: two headers with checksums, an empty log, and identifiers of disk and content") {
  Conversions f;
  const std::string first = f.bytes("vhdx");
  std::string headers[2] = {first.substr(64 * kib, 4 * kib), first.substr(128 * kib, 4 * kib)};
  CHECK(*read_number(headers[0], 8, 8) == 1);
  CHECK(*read_number(headers[1], 8, 8) == 2);
  for (std::string& header : headers) {
    const std::uint64_t sum = *read_number(header, 4, 4);
    header.replace(4, 4, 4, '\0');
    CHECK(sum == crc32c(header));
    header.replace(8, 8, 8, '\0');
  }
  CHECK(headers[0] == headers[1]);
  const auto log = *read_number(headers[0], 72, 8), log_size = *read_number(headers[0], 68, 4);
  CHECK(log_size == mebibyte);
  CHECK((first.substr(log, log_size) == std::string(log_size, '\0')));
  // Version 5 of a UUID, in the upper half of the third number.
  for (const std::size_t guid : {16, 32}) CHECK((*read_number(headers[0], guid + 6, 2) >> 12) == 5);
  CHECK(headers[0].substr(16, 16) != headers[0].substr(32, 16));

  // Another disk has another identifier, in 16 bytes; other content has other identifiers of file and data.
  const std::string other = f.bytes("vhdx", "other/disk");
  REQUIRE(other.size() == first.size());
  std::size_t from = first.size(), to = 0;
  for (std::size_t i = 0; i < first.size(); ++i)
    if (first[i] != other[i]) from = std::min(from, i), to = i + 1;
  CHECK(to - from <= 16);
  CHECK(from >= 2 * mebibyte);
  f.disk[3 * mebibyte] = 'x';
  write_file_atomically(f.raw, f.disk);
  const std::string changed = f.bytes("vhdx");
  CHECK(changed.substr(64 * kib + 16, 16) != first.substr(64 * kib + 16, 16));
  CHECK(changed.substr(64 * kib + 32, 16) != first.substr(64 * kib + 32, 16));
}

TEST_CASE("VHDX: the header with the larger number counts, if its checksum is right") {
  Conversions f;
  const std::string good = f.bytes("vhdx");
  const fs::path file = f.context.scratch() / "x.vhdx";
  const auto refused = [&](const std::string& bytes) {
    write_file_atomically(file, bytes);
    return failure([&] { identify_vhdx(file, f.identity()); });
  };
  std::string damaged = good;
  damaged[128 * kib + 100] = 'x';
  CHECK(refused(damaged).empty());  // the other header is valid
  CHECK((read_file(file) == good));
  damaged[64 * kib + 100] = 'x';
  CHECK(contains(refused(damaged), "x.vhdx has no valid header of a VHDX"));
  CHECK(contains(refused(std::string(mebibyte, 'x')), "x.vhdx has no valid header of a VHDX"));
  std::string open = good;
  open[128 * kib + 48] = 'l';  // the log's identifier
  open.replace(128 * kib + 4, 4, 4, '\0');
  std::string sum;
  append_number(sum, crc32c(open.substr(128 * kib, 4 * kib)), 4);
  open.replace(128 * kib + 4, 4, sum);
  CHECK(contains(refused(open), "x.vhdx was not closed: its log is in use"));
  std::string no_region = good;
  no_region.replace(192 * kib + 16, 64, 64, '\0');
  CHECK(contains(refused(no_region), "x.vhdx has no region for metadata"));
}

TEST_CASE("a file of another format is refused with its name") {
  Conversions f;
  const auto refused = [&](const std::string& bytes) {
    const fs::path file = f.context.scratch() / "x.vmdk";
    write_file_atomically(file, bytes);
    return failure([&] { identify_vmdk(file, f.identity()); });
  };
  CHECK(contains(refused(std::string(mebibyte, 'x')), "x.vmdk has no header of a sparse VMDK"));
  std::string bytes = f.bytes("vmdk");
  std::string apart = bytes;
  apart.replace(28, 8, 8, '\0');
  CHECK(contains(refused(apart), "x.vmdk has no embedded descriptor"));
  bytes.replace(bytes.find("\nCID="), 5, "\nXID=");
  CHECK(contains(refused(bytes), "x.vmdk has no CID in its descriptor"));
}

TEST_CASE("CRC-32C: the examples of RFC 3720, B.4") {
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aa);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43);
  CHECK(crc32c("123456789") == 0xe3069283);
}
