// Tests copies that keep holes, and removal of read-only folders.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/catch.hpp"
#include "util/digest.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

using namespace k8simg;

namespace {

std::uint64_t bytes_on_disk(const fs::path& file) {
  struct stat status {};
  REQUIRE(::stat(file.c_str(), &status) == 0);
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

}  // namespace

TEST_CASE("a sparse copy has the same bytes and keeps the holes") {
  const TempDir folder(fs::temp_directory_path());
  const fs::path from = folder.path() / "from", to = folder.path() / "to";
  const std::uint64_t size = 256u << 20;
  {
    const Fd fd = Fd::open(from, O_RDWR | O_CREAT);
    REQUIRE(::ftruncate(fd.get(), static_cast<off_t>(size)) == 0);
    const std::string data(10'000, 'd');
    for (const off_t at : {off_t{4096}, off_t{100} << 20, (off_t{200} << 20) + 123})
      REQUIRE(::pwrite(fd.get(), data.data(), data.size(), at) == static_cast<ssize_t>(data.size()));
  }
  copy_sparse(from, to, 0600);
  CHECK(fs::file_size(to) == size);
  CHECK(sha256_file(to) == sha256_file(from));
  CHECK(bytes_on_disk(to) < 1u << 20);
  CHECK((fs::status(to).permissions() & fs::perms::all) == (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("a sparse copy of edges: empty, only a hole, only data") {
  const TempDir folder(fs::temp_directory_path());
  const fs::path from = folder.path() / "from", to = folder.path() / "to";
  write_file_atomically(from, "");
  copy_sparse(from, to);
  CHECK(fs::file_size(to) == 0);
  fs::resize_file(from, 5'000'001);
  copy_sparse(from, to);
  CHECK(fs::file_size(to) == 5'000'001);
  CHECK(bytes_on_disk(to) == 0);
  write_file_atomically(from, std::string(3'000'000, 'x'));
  copy_sparse(from, to);
  CHECK(read_file(to) == std::string(3'000'000, 'x'));
}

TEST_CASE("a sparse copy also works between filesystems") {
  if (!fs::is_directory("/dev/shm") || ::access("/dev/shm", W_OK) != 0) {
    WARN("no /dev/shm here: not checked");
    return;
  }
  const TempDir folder(fs::temp_directory_path()), other("/dev/shm");
  write_file_atomically(folder.path() / "f", std::string(2'500'000, 'y'));
  fs::resize_file(folder.path() / "f", 64u << 20);
  copy_sparse(folder.path() / "f", other.path() / "f");
  CHECK(sha256_file(other.path() / "f") == sha256_file(folder.path() / "f"));
  CHECK(bytes_on_disk(other.path() / "f") < 4u << 20);
}

TEST_CASE("a folder cannot be copied as a file") {
  const TempDir folder(fs::temp_directory_path());
  CHECK_THROWS_AS(copy_sparse(folder.path(), folder.path() / "to"), Error);
}

TEST_CASE("forced removal takes read-only and closed folders, and does not follow links") {
  const TempDir folder(fs::temp_directory_path());
  const fs::path tree = folder.path() / "tree", outside = folder.path() / "outside";
  fs::create_directories(tree / "a" / "b");
  fs::create_directories(outside);
  write_file_atomically(outside / "keep", "x");
  write_file_atomically(tree / "a" / "b" / "file", "x", 0400);
  write_file_atomically(tree / "a" / "file", "x");
  fs::create_directory_symlink(outside, tree / "link");
  fs::create_symlink("nowhere", tree / "dangling");
  REQUIRE(::mkfifo((tree / "fifo").c_str(), 0600) == 0);
  fs::permissions(tree / "a" / "b", fs::perms::owner_read | fs::perms::owner_exec);
  fs::permissions(tree / "a", fs::perms::none);
  fs::permissions(tree, fs::perms::owner_read | fs::perms::owner_exec);
  remove_all_forced(tree);
  CHECK_FALSE(fs::exists(fs::symlink_status(tree)));
  CHECK(fs::exists(outside / "keep"));
}

TEST_CASE("forced removal of a link, a file, and nothing") {
  const TempDir folder(fs::temp_directory_path());
  fs::create_directory(folder.path() / "target");
  fs::create_directory_symlink("target", folder.path() / "link");
  remove_all_forced(folder.path() / "link");
  CHECK(fs::exists(folder.path() / "target"));
  CHECK_FALSE(fs::exists(fs::symlink_status(folder.path() / "link")));
  write_file_atomically(folder.path() / "file", "x");
  remove_all_forced(folder.path() / "file");
  CHECK_FALSE(fs::exists(folder.path() / "file"));
  remove_all_forced(folder.path() / "file");
  remove_all_forced("");
  CHECK(fs::exists(folder.path() / "target"));
}
