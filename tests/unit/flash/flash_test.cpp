// Tests writing with a block map, reading back, and failing disks, on a disk in memory.
#include "flash/flash.hpp"

#include "flashing.hpp"
#include "util/file.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

/// An image file with its map, and a slightly larger disk.
struct Desk {
  explicit Desk(std::size_t size, std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges)
      : image(random_bytes(size, 7)), map(parse_block_map(map_text(image, ranges), "map")), device(size + mib) {
    write_file_atomically(file(), image);
  }
  fs::path file() const { return folder.path() / "card.img"; }
  FlashReport flash(bool verify = true, std::stop_token stop = {}) {
    const auto source = open_image_source(file());
    return flash_image(*source, map, device, verify, listener, stop);
  }
  Failure fails(bool verify = true) {
    return failure_of([&] { flash(verify); });
  }
  bool start_is_empty() const { return device.bytes.substr(0, mib) == std::string(mib, '\0'); }

  TempDir folder{fs::temp_directory_path()};
  std::string image;
  BlockMap map;
  MemoryDevice device;
  Listener listener;
};

/// 18 MiB and a bit: several chunks; holes at 8 KiB, over two chunks' border, and before the end.
Desk large() { return Desk(18 * mib + 5000, {{0, 1}, {4, 1500}, {3000, 4000}, {4609, 4609}}); }
constexpr std::uint64_t large_written = (2 + 1497 + 1001) * 4096 + 18 * mib + 5000 - 4609 * 4096;

const char* const left_empty = "its start, with the partition table, was left empty";

}  // namespace

TEST_CASE("only what is mapped is written, and all of that") {
  Desk desk = large();
  const FlashReport report = desk.flash();
  CHECK(report.written == large_written);
  CHECK(report.read_back == large_written);
  CHECK(report.partitions_error == 0);
  CHECK(desk.device.rereads == 1);
  CHECK_FALSE(desk.device.read_from_cache);
  std::string expected(desk.device.bytes.size(), '\xee');
  expected.replace(0, mib, mib, '\0');
  for (const auto& range : desk.map.ranges)
    expected.replace(range.start, range.size, desk.image, range.start, range.size);
  CHECK((desk.device.bytes == expected));
}

TEST_CASE("the start of the disk is emptied first and written last") {
  Desk desk = large();
  desk.flash();
  const auto& writes = desk.device.writes;
  REQUIRE(writes.size() > 4);
  CHECK(writes.front() == std::pair<std::uint64_t, std::size_t>{0, mib});
  // Two ranges begin in the first MiB: that of the table, and one that ends after it.
  CHECK(writes[writes.size() - 2].first == 0);
  CHECK(writes[writes.size() - 1].first == 4 * 4096);
  for (std::size_t i = 1; i + 2 < writes.size(); ++i) CHECK(writes[i].first >= mib);
}

TEST_CASE("progress adds up, and steps come in order") {
  Desk desk = large();
  desk.flash();
  std::vector<std::string> names;
  std::uint64_t last = 0;
  for (const Event& event : desk.listener.events) {
    if (event.kind == Event::Kind::StepFinished)
      names.push_back(event.step.substr(0, event.step.find(' ')) + " " + event.step.substr(event.step.rfind(' ') + 1));
    if (event.kind == Event::Kind::StepProgress && names.empty()) last = event.done;
  }
  CHECK(names == std::vector<std::string>{"write /dev/sdz", "read back", "write /dev/sdz"});
  CHECK(last == large_written);
}

TEST_CASE("small images, odd sizes, disks that just fit, no reading back") {
  for (const std::size_t size :
       {std::size_t{4096}, std::size_t{5000}, std::size_t{mib}, std::size_t{mib + 1}, std::size_t{4 * mib + 511}}) {
    INFO(size);
    Desk desk(size, {{0, (size - 1) / 4096}});
    desk.device.bytes.resize(size);
    const FlashReport report = desk.flash(false);
    CHECK(report.written == size);
    CHECK(report.read_back == 0);
    CHECK((desk.device.bytes == desk.image));
    desk.map = whole_image(size);
    desk.device.bytes.assign(size, '\xee');
    desk.flash();
    CHECK((desk.device.bytes == desk.image));
  }
}

TEST_CASE("a map that begins far inside writes nothing before it but zeros") {
  Desk desk(6 * mib, {{1000, 1200}});
  desk.flash();
  CHECK(desk.start_is_empty());
  CHECK((desk.device.bytes.substr(1000 * 4096, 201 * 4096) == desk.image.substr(1000 * 4096, 201 * 4096)));
}

TEST_CASE("a disk that is too small is not touched") {
  Desk desk = large();
  desk.device.bytes.resize(desk.image.size() - 1);
  const Failure failure = desk.fails();
  CHECK(failure.kind == ErrorKind::Flash);
  CHECK(contains(failure.text, "too small"));
  CHECK(desk.device.writes.empty());
}

TEST_CASE("a damaged image is noticed by its range, and its partition table does not reach the disk") {
  Desk desk = large();
  std::string damaged = desk.image;
  damaged[3500 * 4096] ^= 1;
  write_file_atomically(desk.file(), damaged);
  const Failure failure = desk.fails();
  CHECK(failure.kind == ErrorKind::Fetch);
  CHECK(contains(failure.text, fmt::format("card.img does not match its block map: bytes {} to {} have", 3000 * 4096,
                                           4001 * 4096 - 1)));
  CHECK(contains(failure.text, left_empty));
  CHECK(desk.start_is_empty());
  // With a stop request at the start, nothing is written.
  desk.device.writes.clear();
  const auto source = open_image_source(desk.file());
  const Failure early = failure_of([&] { check_image(*source, desk.map, "card.img.bmap", desk.listener, {}); });
  CHECK(early.kind == ErrorKind::Fetch);
  CHECK(contains(early.text, "does not match its block map"));
  // Damage outside of mapped blocks is ignored.
  damaged = desk.image;
  damaged[2000 * 4096] ^= 1;
  write_file_atomically(desk.file(), damaged);
  desk.flash();
}

TEST_CASE("an image that is too short or not the map's") {
  Desk desk = large();
  fs::resize_file(desk.file(), 10 * mib);
  Failure failure = desk.fails();
  CHECK(failure.kind == ErrorKind::Fetch);
  CHECK(contains(failure.text,
                 fmt::format("card.img ends at byte {}, but should have {} bytes", 10 * mib, desk.image.size())));
  CHECK(desk.start_is_empty());
  const auto source = open_image_source(desk.file());
  failure = failure_of([&] { check_image(*source, desk.map, "card.img.bmap", desk.listener, {}); });
  CHECK(contains(failure.text, "card.img.bmap belongs to an image of"));
  // It ends in a hole.
  fs::resize_file(desk.file(), 2000 * 4096);
  CHECK(contains(desk.fails().text, fmt::format("ends at byte {}", 2000 * 4096)));
}

TEST_CASE("a disk that is unplugged half way") {
  for (const int error : {ENODEV, ENXIO, EIO}) {
    Desk desk = large();
    desk.device.write_fails_at = 14 * mib + 512;
    desk.device.write_error = error;
    desk.device.gone_after_failure = error == EIO;  // the kernel returns EIO for both; a removed disk has no size
    const Failure failure = desk.fails();
    CHECK(failure.kind == ErrorKind::Step);
    CHECK(contains(
        failure.text,
        fmt::format("/dev/sdz was removed, or lost its connection, while it was written at byte {}", 14 * mib + 512)));
    CHECK(contains(failure.text, "plug it in again"));
    CHECK(contains(failure.text, left_empty));
    CHECK(desk.start_is_empty());
    CHECK(desk.device.rereads == 0);
  }
}

TEST_CASE("bad blocks, short writes and disks that are smaller than they say") {
  Desk desk = large();
  desk.device.write_fails_at = 13 * mib;
  Failure failure = desk.fails();
  CHECK(failure.kind == ErrorKind::Step);
  CHECK(contains(failure.text, fmt::format("/dev/sdz cannot be written at byte {}: Input/output error", 13 * mib)));
  CHECK(contains(failure.text, "bad block"));
  CHECK(desk.start_is_empty());

  desk.device.write_error = 0;
  failure = desk.fails();
  CHECK(failure.kind == ErrorKind::Step);
  CHECK(contains(failure.text,
                 fmt::format("/dev/sdz ends at byte {}, although it reports {} bytes", 13 * mib, desk.device.size())));

  desk.device.write_error = ENOSPC;
  CHECK(contains(desk.fails().text, fmt::format("/dev/sdz ends at byte {}", 13 * mib)));

  desk.device.write_fails_at = MemoryDevice::never;
  desk.device.read_fails_at = 15 * mib;
  failure = desk.fails();
  CHECK(failure.kind == ErrorKind::Step);
  CHECK(contains(failure.text, fmt::format("cannot be read back at byte {}: Input/output error", 15 * mib)));
  CHECK(desk.start_is_empty());

  desk.device.read_fails_at = MemoryDevice::never;
  desk.device.sync_error = EIO;
  failure = desk.fails();
  CHECK(failure.kind == ErrorKind::Step);
  CHECK(contains(failure.text, "could not store all that was written"));

  // A bad block at the start is found before anything else is written.
  desk.device.sync_error = 0;
  desk.device.write_fails_at = 4096;
  desk.device.write_error = EIO;
  desk.device.writes.clear();
  CHECK(contains(desk.fails().text, "cannot be written at byte 4096"));
  CHECK(desk.device.writes.size() == 1);
}

TEST_CASE("a disk that does not keep what was written") {
  Desk desk = large();
  desk.device.forgets_at = 15 * mib + 3;
  Failure failure = desk.fails();
  CHECK(failure.kind == ErrorKind::Fetch);
  CHECK(contains(failure.text, fmt::format("/dev/sdz returned other data than was written: bytes {} to {} have",
                                           12 * mib, 4001 * 4096 - 1)));
  CHECK(contains(failure.text, left_empty));
  CHECK(desk.start_is_empty());
  desk.flash(false);  // not verified
  desk.device.forgets_at = 100;
  failure = desk.fails();
  CHECK(contains(failure.text, "returned other data than was written: bytes 0 to 8191 have"));
  CHECK(contains(failure.text, "do not boot from /dev/sdz"));
}

TEST_CASE("Ctrl-C ends it") {
  Desk desk = large();
  std::stop_source source;
  source.request_stop();
  Failure failure = failure_of([&] { desk.flash(true, source.get_token()); });
  CHECK(failure.kind == ErrorKind::Interrupted);
  CHECK(contains(failure.text, "nothing was written"));
  CHECK(desk.device.writes.empty());

  class Stopper : public Reporter {
   public:
    void report(const Event& event) override {
      if (event.kind == Event::Kind::StepProgress && event.done > 3 * mib) source.request_stop();
    }
    std::stop_source source;
  } stopper;
  const auto image = open_image_source(desk.file());
  failure = failure_of([&] { flash_image(*image, desk.map, desk.device, true, stopper, stopper.source.get_token()); });
  CHECK(failure.kind == ErrorKind::Interrupted);
  CHECK(contains(failure.text, left_empty));
  CHECK(desk.start_is_empty());
}
