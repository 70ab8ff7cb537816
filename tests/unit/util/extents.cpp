// Tests holes and data of files, on filesystems with and without holes, with wrong results, and on failing disks.
#include "util/extents.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/failing_seek.hpp"
#include "util/digest.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

constexpr off_t part = 1 << 20;

/// A hole, data, a hole: three parts.
struct HoledFile {
  HoledFile() {
    const Fd fd = Fd::open(path, O_WRONLY | O_CREAT);
    REQUIRE(::ftruncate(fd.get(), 3 * part) == 0);
    write_all_at(fd.get(), data, part, path);
  }
  TempDir folder{fs::temp_directory_path()};
  fs::path path = folder.path() / "file", copy = folder.path() / "copy";
  std::string data = std::string(part, 'd'), hole = std::string(part, '\0'), content = hole + data + hole;

  std::vector<std::pair<off_t, off_t>> ranges() const {
    const Fd fd = Fd::open(path, O_RDONLY);
    std::vector<std::pair<off_t, off_t>> found;
    off_t at = 0;
    while (const auto range = next_data(fd.get(), at, 3 * part, path)) {
      found.emplace_back(range->start, range->end);
      at = range->end;
    }
    return found;
  }
  /// Checks each function that reads a file's data.
  void check_whole() {
    CHECK(sha256_file(path) == sha256(content));
    copy_sparse(path, copy);
    CHECK((read_file(copy) == content));
  }
  void check_fails(const std::string& reason) {
    for (const bool copies : {false, true}) {
      try {
        if (copies)
          copy_sparse(path, copy);
        else
          sha256_file(path);
        FAIL_CHECK("nothing failed");
      } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::Internal);
        CHECK(error.message().find(path.string()) != std::string::npos);
        CHECK(error.message().find(reason) != std::string::npos);
      }
      CHECK_FALSE(fs::exists(copy));
    }
  }
};

using Ranges = std::vector<std::pair<off_t, off_t>>;

/// Whether copy_sparse() clones the file, which does not query holes.
bool clones(const HoledFile& file) {
  FakeSeek seek(seek_fails(SEEK_DATA, EIO));
  try {
    copy_sparse(file.path, file.copy);
  } catch (const Error&) {
    return false;
  }
  fs::remove(file.copy);
  return true;
}

}  // namespace

TEST_CASE("a file's data without its holes") {
  HoledFile file;
  const Ranges found = file.ranges();
  CHECK((found == Ranges{{part, 2 * part}} ||
         found == Ranges{{0, 3 * part}}));  // the latter on filesystems without holes
  file.check_whole();
}

TEST_CASE("only a hole is left: ENXIO, and the file is as long as it was") {
  HoledFile file;
  const FakeSeek seek(seek_fails(SEEK_DATA, ENXIO));
  CHECK(file.ranges().empty());
}

TEST_CASE("a filesystem that knows no holes: all is data") {
  for (const int error : {EINVAL, EOPNOTSUPP, ENOSYS}) {
    INFO(error);
    HoledFile file;
    {
      const FakeSeek seek(seek_fails(SEEK_DATA, error));
      CHECK(file.ranges() == Ranges{{0, 3 * part}});
      file.check_whole();
    }
    const FakeSeek seek(seek_fails(SEEK_HOLE, error));
    CHECK(file.ranges().back().second == 3 * part);
    file.check_whole();
  }
}

TEST_CASE("a disk that fails is no hole") {
  HoledFile file;
  if (clones(file)) {
    WARN("this filesystem clones files: failures of copying are not tested");
    return;
  }
  for (const int whence : {SEEK_DATA, SEEK_HOLE}) {
    for (const int error : {EIO, EACCES, ESTALE}) {
      INFO(whence << " " << error);
      const FakeSeek seek(seek_fails(whence, error));
      file.check_fails(std::system_category().message(error));
    }
  }
}

TEST_CASE("a filesystem that answers nonsense is read whole, and every loop ends") {
  const std::vector<std::function<off_t(int, off_t, int)>> answers{
      [](int, off_t, int) -> off_t { return 0; },  // always back to the start
      [](int, off_t offset, int whence) {
        static_cast<void>(whence);
        return offset;
      },  // a hole where the data begins
      [](int, off_t offset, int whence) { return whence == SEEK_DATA ? offset : offset / 2; },  // a hole before it
      [](int, off_t offset, int whence) -> off_t {
        return whence == SEEK_DATA ? offset : 1000 * part;
      }  // data beyond the end
  };
  for (const auto& answer : answers) {
    HoledFile file;
    const FakeSeek seek(answer);
    CHECK(file.ranges() == Ranges{{0, 3 * part}});
    file.check_whole();
  }
}

TEST_CASE("a file that becomes shorter while it is read is an error, not a hole") {
  for (const off_t size : {off_t{0}, part / 2, part + 5, 2 * part, 3 * part - 1}) {
    for (const int whence : {SEEK_DATA, SEEK_HOLE}) {
      INFO(size << " " << whence);
      HoledFile file;
      const FakeSeek seek([&](int fd, off_t offset, int asked) {
        if (asked == whence) fs::resize_file(file.path, static_cast<std::uintmax_t>(size));
        return kernel_seek(fd, offset, asked);
      });
      try {
        sha256_file(file.path);
        FAIL_CHECK("nothing failed");
      } catch (const Error& error) {
        CHECK(error.message().find("became shorter while it was read") != std::string::npos);
      }
    }
  }
}

TEST_CASE("pieces are read with their offsets, whatever the buffer's size") {
  HoledFile file;
  const Fd fd = Fd::open(file.path, O_RDONLY);
  for (const std::size_t size : {std::size_t{1000}, std::size_t{4096}, std::size_t{10} << 20}) {
    std::vector<char> buffer(size);
    std::string got;
    read_range(fd.get(), {part - 10, part + 3000}, file.path, buffer, [&](std::string_view bytes, off_t at) {
      CHECK(at == part - 10 + static_cast<off_t>(got.size()));
      got += bytes;
    });
    CHECK((got == file.content.substr(part - 10, 3010)));
  }
  std::vector<char> buffer(100);
  CHECK_THROWS_AS(
      read_range(fd.get(), {3 * part - 10, 3 * part + 1}, file.path, buffer, [](std::string_view, off_t) {}), Error);
}

TEST_CASE("a piece is read whole, or not at all") {
  HoledFile file;
  const Fd fd = Fd::open(file.path, O_RDONLY);
  CHECK((read_all_at(fd.get(), part - 10, 3010, file.path) == file.content.substr(part - 10, 3010)));
  CHECK_THROWS_AS(read_all_at(fd.get(), 3 * part - 10, 11, file.path), Error);
}

TEST_CASE("a full disk is an error of the file that is written") {
  const Fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  if (!full.valid()) return;
  try {
    write_all_at(full.get(), "x", 0, "the copy");
    FAIL("nothing failed");
  } catch (const Error& error) {
    CHECK(error.message().find("the copy") != std::string::npos);
  }
}
