// Tests real devices: regular files, and loop devices if this machine allows them.
#include "flash/block_device.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <optional>

#include "flash/disks.hpp"
#include "flash/flash.hpp"
#include "flashing.hpp"
#include "util/file.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

/// A loop device over an open file; none if /dev/loop-control cannot be used.
class Loop {
 public:
  static std::optional<Loop> over(int file, std::uint32_t flags = 0, std::uint32_t block_size = 0) {
    const Fd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
    for (int attempt = 0; control.valid() && attempt < 20; ++attempt) {
      const int index = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
      if (index < 0) return std::nullopt;
      const fs::path path = fmt::format("/dev/loop{}", index);
      Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
      loop_config config{};
      config.fd = static_cast<std::uint32_t>(file);
      config.info.lo_flags = flags;
      config.block_size = block_size;
      if (fd.valid() && ::ioctl(fd.get(), LOOP_CONFIGURE, &config) == 0) return Loop(path);
      if (errno != EBUSY) return std::nullopt;  // otherwise another process took the number
    }
    return std::nullopt;
  }
  Loop(Loop&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  Loop& operator=(Loop&&) = delete;
  ~Loop() {
    if (path_.empty()) return;
    const Fd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.valid()) ::ioctl(fd.get(), LOOP_CLR_FD, 0);
  }
  const fs::path& path() const { return path_; }
  /// Attaches another file to the device, like another card in a reader.
  bool change(int file) const {
    loop_config config{};
    config.fd = static_cast<std::uint32_t>(file);
    for (int attempt = 0; attempt < 100; ++attempt) {
      if (const Fd fd(::open(path_.c_str(), O_RDWR | O_CLOEXEC)); fd.valid()) ::ioctl(fd.get(), LOOP_CLR_FD, 0);
      // The device is detached when the last open descriptor is closed.
      if (const Fd fd(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
          fd.valid() && ::ioctl(fd.get(), LOOP_CONFIGURE, &config) == 0)
        return true;
      ::usleep(10'000);
    }
    return false;
  }
  Disk disk() const { return find_disk("/", fmt::format("{}:{}", major(number()), minor(number()))); }
  dev_t number() const {
    struct stat status {};
    REQUIRE(::stat(path_.c_str(), &status) == 0);
    return status.st_rdev;
  }

 private:
  explicit Loop(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

#define NEED_LOOP(loop)                                             \
  if (!(loop)) {                                                    \
    WARN("this machine lets nobody make loop devices: not tested"); \
    return;                                                         \
  }

}  // namespace

TEST_CASE("a regular file as the target") {
  const TempDir folder(fs::temp_directory_path());
  const fs::path target = folder.path() / "card", file = folder.path() / "a.img";
  // The size of the last range is not a multiple of the block size, so O_DIRECT cannot write it.
  const std::string image = random_bytes(9 * mib + 700, 21);
  write_file_atomically(file, image);
  write_file_atomically(target, std::string(10 * mib, '\xee'));
  const std::uint64_t last = image.size() / 4096;
  const BlockMap map = parse_block_map(map_text(image, {{0, 600}, {700, 1500}, {2304, last}}), "map");
  {
    const auto device = open_device({target, std::nullopt});
    CHECK(device->size() == 10 * mib);
    CHECK(device->present());
    Listener listener;
    const FlashReport report = flash_image(*open_image_source(file), map, *device, true, listener, {});
    CHECK(report.written == map.mapped_bytes());
    CHECK(report.read_back == map.mapped_bytes());
    CHECK(report.partitions_error == 0);
  }
  std::string expected(10 * mib, '\xee');
  for (const auto& range : map.ranges) expected.replace(range.start, range.size, image, range.start, range.size);
  CHECK((read_file(target) == expected));
}

TEST_CASE("odd offsets, sizes and memory work on a file, before and after aligned ones") {
  const TempDir folder(fs::temp_directory_path());
  const fs::path target = folder.path() / "card";
  write_file_atomically(target, std::string(64 * 1024, '\xee'));
  const auto device = open_device({target, std::nullopt});
  const std::string text = random_bytes(10'000, 22);
  CHECK(device->write_at(4096, text.substr(0, 4096)).bytes == 4096);
  CHECK(device->write_at(4097, text).bytes == text.size());
  CHECK(device->sync() == 0);
  CHECK(device->drop_caches() == 0);
  std::string back(text.size(), '\0');
  CHECK(device->read_at(4097, back).bytes == back.size());
  CHECK((back == text));
  const Transfer end = device->read_at(64 * 1024 - 10, back);
  CHECK(end.bytes == 10);
  CHECK(end.error == 0);
}

TEST_CASE("what cannot be opened is refused") {
  const TempDir folder(fs::temp_directory_path());
  const auto refusal = [](const fs::path& path, std::optional<dev_t> number) {
    const Failure failure = failure_of([&] { open_device({path, number}); });
    CHECK(failure.kind == ErrorKind::Flash);
    return failure.text;
  };
  CHECK(contains(refusal(folder.path() / "none", std::nullopt), "no longer exists"));
  CHECK(contains(refusal("/dev/null", std::nullopt), "was replaced while it was checked"));
  write_file_atomically(folder.path() / "file", "x");
  CHECK(contains(refusal(folder.path() / "file", makedev(8, 0)), "was replaced while it was checked"));
}

TEST_CASE("a loop device as the target") {
  const TempDir folder(fs::temp_directory_path());
  const fs::path back = folder.path() / "back", file = folder.path() / "a.img";
  const std::string image = random_bytes(9 * mib + 512, 23);
  write_file_atomically(file, image);
  write_file_atomically(back, std::string(12 * mib, '\xee'));
  const Fd fd = Fd::open(back, O_RDWR);
  const auto loop = Loop::over(fd.get(), LO_FLAGS_PARTSCAN);
  NEED_LOOP(loop);
  const BlockMap map = parse_block_map(map_text(image, {{0, 1000}, {2000, image.size() / 4096}}), "map");

  const Disk disk = find_disk("/", fmt::format("{}:{}", major(loop->number()), minor(loop->number())));
  CHECK(disk.size == 12 * mib);
  CHECK(objections(disk, {map.image_size, 512}, false) == std::vector<std::string>{"it is not removable"});
  CHECK(objections(disk, {map.image_size, 512}, true).empty());
  CHECK_FALSE(is_candidate(disk));

  {
    const auto device = open_device({loop->path(), loop->number()});
    CHECK(device->size() == 12 * mib);
    CHECK(device->present());
    const Failure second = failure_of([&] { open_device({loop->path(), loop->number()}); });
    CHECK(second.kind == ErrorKind::Flash);
    CHECK(contains(second.text, "is in use"));
    Listener listener;
    const FlashReport report = flash_image(*open_image_source(file), map, *device, true, listener, {});
    CHECK(report.written == map.mapped_bytes());
    CHECK(report.partitions_error == 0);
  }
  std::string expected(12 * mib, '\xee');
  for (const auto& range : map.ranges) expected.replace(range.start, range.size, image, range.start, range.size);
  CHECK((read_file(back) == expected));
  // Another disk may have taken the name since it was checked.
  CHECK(contains(failure_of([&] { open_device({loop->path(), makedev(8, 0)}); }).text,
                 "was replaced while it was checked"));
}

TEST_CASE("a disk that was changed for another of the same size after it was shown is not written") {
  // Both are "loop device of /memfd:card (deleted)" and differ only in the kernel's number.
  const Fd shown_file(::memfd_create("card", MFD_CLOEXEC)), other_file(::memfd_create("card", MFD_CLOEXEC));
  for (const Fd* fd : {&shown_file, &other_file}) {
    REQUIRE(fd->valid());
    REQUIRE(::ftruncate(fd->get(), 4 * mib) == 0);
  }
  const auto loop = Loop::over(shown_file.get());
  NEED_LOOP(loop);
  const Disk shown = loop->disk();
  if (shown.sequence == 0) {
    WARN("this kernel numbers no media: not tested");
    return;
  }
  CHECK(open_disk("/", shown, loop->path())->size() == 4 * mib);
  CHECK(open_disk("/", shown, loop->path())->size() == 4 * mib);  // opening it changes nothing
  if (!loop->change(other_file.get())) {
    WARN("the loop device could not be given another file: not tested");
    return;
  }
  const Failure failure = failure_of([&] { open_disk("/", shown, loop->path()); });
  INFO(failure.text);
  CHECK(failure.kind == ErrorKind::Flash);
  CHECK(contains(failure.text,
                 "is not the disk that was shown (it was removed, or replaced by one that looks the same): nothing "
                 "was written"));
  CHECK(open_disk("/", loop->disk(), loop->path())->size() == 4 * mib);
}

TEST_CASE("a loop device with sectors of 4096 bytes takes an image that counts in these, and no other") {
  const TempDir folder(fs::temp_directory_path());
  const fs::path back = folder.path() / "back", file = folder.path() / "a.img";
  write_file_atomically(back, std::string(4 * mib, '\xee'));
  std::string image = random_bytes(3 * mib, 24);
  image.replace(4096, 8, "EFI PART");
  write_file_atomically(file, image);
  const Fd fd = Fd::open(back, O_RDWR);
  const auto loop = Loop::over(fd.get(), 0, 4096);
  NEED_LOOP(loop);
  CHECK(objections(loop->disk(), {mib, 512}, true) ==
        std::vector<std::string>{"its sectors have 4096 bytes; the image's partition table counts in sectors of 512: "
                                 "build it with disk.sector-size = 4096"});
  CHECK(objections(loop->disk(), {image.size(), read_sector_size(*open_image_source(file))}, true).empty());
  {
    const auto device = open_disk("/", loop->disk(), loop->path());
    Listener listener;
    flash_image(*open_image_source(file), whole_image(image.size()), *device, true, listener, {});
  }
  CHECK((read_file(back).substr(0, image.size()) == image));
}

TEST_CASE("a loop device that is read-only") {
  const TempDir folder(fs::temp_directory_path());
  write_file_atomically(folder.path() / "back", std::string(mib, '\xee'));
  const Fd fd = Fd::open(folder.path() / "back", O_RDONLY);
  const auto loop = Loop::over(fd.get(), LO_FLAGS_READ_ONLY);
  NEED_LOOP(loop);
  const Disk disk = find_disk("/", fmt::format("{}:{}", major(loop->number()), minor(loop->number())));
  CHECK(objections(disk, {mib, 512}, true) == std::vector<std::string>{"it is read-only"});
  // Some kernels allow root to open it for writing.
  const Failure failure = failure_of([&] { open_device({loop->path(), loop->number()}); });
  CHECK(failure.kind == ErrorKind::Flash);
  CHECK((contains(failure.text, "is read-only") || contains(failure.text, "may not be written")));
}

TEST_CASE("a disk that fails half way, as the kernel tells it") {
  // The file was truncated after the device was created, and cannot grow: writes beyond its end fail like bad blocks.
  const Fd memory(::memfd_create("card", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  REQUIRE(memory.valid());
  REQUIRE(::ftruncate(memory.get(), 12 * mib) == 0);
  const auto loop = Loop::over(memory.get());
  NEED_LOOP(loop);
  REQUIRE(::ftruncate(memory.get(), 8 * mib) == 0);
  REQUIRE(::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_GROW) == 0);

  const TempDir folder(fs::temp_directory_path());
  const std::string image = random_bytes(10 * mib, 24);
  write_file_atomically(folder.path() / "a.img", image);
  const auto device = open_device({loop->path(), loop->number()});
  Listener listener;
  const Failure failure = failure_of([&] {
    flash_image(*open_image_source(folder.path() / "a.img"), whole_image(image.size()), *device, true, listener, {});
  });
  INFO(failure.text);
  CHECK(failure.kind == ErrorKind::Step);
  CHECK(contains(failure.text, fmt::format("cannot be written at byte {}: Input/output error", 8 * mib)));
  CHECK(contains(failure.text, "was left empty"));
  std::string start(mib, 'x');
  REQUIRE(::pread(memory.get(), start.data(), start.size(), 0) == static_cast<ssize_t>(start.size()));
  CHECK((start == std::string(mib, '\0')));
}
