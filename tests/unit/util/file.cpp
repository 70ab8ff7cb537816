// Tests reading and writing files, private folders and locks on a real filesystem.
#include "util/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "support/catch.hpp"
#include "util/error.hpp"

using namespace k8simg;

namespace {

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

/// Whether another process can take the lock now.
bool other_process_locks(const fs::path& file, FileLock::Mode mode) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    const bool locked = FileLock::try_lock(file, mode).has_value();
    ::_exit(locked ? 1 : 0);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

}  // namespace

TEST_CASE("files are read whole, also where their size is not known before") {
  const TempDir folder(fs::temp_directory_path());
  const std::string bytes("a\0b\n", 4);
  write_file_atomically(folder.path() / "f", bytes);
  CHECK(read_file(folder.path() / "f") == bytes);
  write_file_atomically(folder.path() / "empty", "");
  CHECK(read_file(folder.path() / "empty").empty());
  CHECK(read_file("/proc/self/status").find("Name:") == 0);
}

TEST_CASE("what cannot be read is named") {
  const TempDir folder(fs::temp_directory_path());
  const fs::path missing = folder.path() / "missing";
  try {
    read_file(missing);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Internal);
    CHECK(error.message() == "cannot open " + missing.string() + ": No such file or directory");
  }
  CHECK_THROWS_AS(read_file(folder.path()), Error);
}

TEST_CASE("a full disk says so") {
  const Fd full = Fd::open("/dev/full", O_WRONLY);
  try {
    write_all(full.get(), "bytes", "the image");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.message() == "cannot write the image: No space left on device");
    CHECK_FALSE(error.hint().empty());
  }
}

TEST_CASE("an atomic file appears on commit and not before") {
  const TempDir folder(fs::temp_directory_path());
  const fs::path target = folder.path() / "target";
  {
    AtomicFile file(target);
    file.write("new");
    CHECK_FALSE(fs::exists(target));
    file.commit();
  }
  CHECK(read_file(target) == "new");
  CHECK(entries(folder.path()) == 1);
}

TEST_CASE("an atomic file without commit leaves the old one and no trace") {
  const TempDir folder(fs::temp_directory_path());
  const fs::path target = folder.path() / "target";
  write_file_atomically(target, "old");
  {
    AtomicFile file(target, 0644, true);
    file.write("half of the ne");
  }
  CHECK(read_file(target) == "old");
  CHECK(entries(folder.path()) == 1);
}

TEST_CASE("an atomic file gets its mode, and a target with the longest possible name") {
  const TempDir folder(fs::temp_directory_path());
  const fs::path target = folder.path() / std::string(255, 'n');
  write_file_atomically(target, "x", 0700);
  CHECK((fs::status(target).permissions() & fs::perms::all) == fs::perms::owner_all);
}

TEST_CASE("an atomic file in a folder that is missing names its target") {
  const TempDir folder(fs::temp_directory_path());
  const fs::path target = folder.path() / "missing" / "target";
  try {
    const AtomicFile file(target);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.message().find(target.string()) != std::string::npos);
  }
}

TEST_CASE("a private folder is private, goes with its content, and stays when released") {
  fs::path path;
  {
    TempDir folder(fs::temp_directory_path(), "unit");
    path = folder.path();
    CHECK((fs::status(path).permissions() & fs::perms::all) == fs::perms::owner_all);
    fs::create_directories(path / "a" / "b");
    TempDir moved(std::move(folder));
    CHECK(moved.path() == path);
    CHECK(fs::exists(path));
  }
  CHECK_FALSE(fs::exists(path));
  {
    TempDir folder(fs::temp_directory_path());
    path = folder.release();
  }
  CHECK(fs::exists(path));
  remove_all_forced(path);
  CHECK_FALSE(fs::exists(path));
}

TEST_CASE("a lock keeps other processes out until it goes") {
  const TempDir folder(fs::temp_directory_path());
  const fs::path file = folder.path() / "lock";
  {
    const FileLock lock = FileLock::wait(file, FileLock::Mode::Exclusive);
    CHECK_FALSE(other_process_locks(file, FileLock::Mode::Exclusive));
    CHECK_FALSE(other_process_locks(file, FileLock::Mode::Shared));
  }
  CHECK(other_process_locks(file, FileLock::Mode::Exclusive));
  {
    const FileLock lock = FileLock::wait(file, FileLock::Mode::Shared);
    CHECK(other_process_locks(file, FileLock::Mode::Shared));
    CHECK_FALSE(other_process_locks(file, FileLock::Mode::Exclusive));
  }
}

TEST_CASE("waiting for a lock ends when its owner dies without releasing it") {
  const TempDir folder(fs::temp_directory_path());
  const fs::path file = folder.path() / "lock";
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const FileLock lock = FileLock::wait(file, FileLock::Mode::Exclusive);
    if (::write(ready[1], "x", 1) != 1) ::_exit(1);
    ::usleep(100'000);
    ::_exit(0);
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  ::close(ready[0]);
  ::close(ready[1]);
  CHECK_FALSE(FileLock::try_lock(file, FileLock::Mode::Exclusive).has_value());
  (void)FileLock::wait(file, FileLock::Mode::Exclusive);
  ::waitpid(pid, nullptr, 0);
}

TEST_CASE("a lock file is open for writing, which NFS asks for an exclusive lock") {
  const TempDir folder(fs::temp_directory_path());
  const fs::path file = folder.path() / "lock";
  const auto lock = FileLock::wait(file, FileLock::Mode::Exclusive);
  int modes = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (fs::read_symlink(entry.path(), gone) != file) continue;
    CHECK((::fcntl(std::stoi(entry.path().filename()), F_GETFL) & O_ACCMODE) == O_RDWR);
    ++modes;
  }
  CHECK(modes == 1);
}

TEST_CASE("temporaries of processes that have ended are removed, others stay") {
  const TempDir folder(fs::temp_directory_path());
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  const std::string dead = ".tmp-" + std::to_string(child) + "-0", own = ".tmp-" + std::to_string(::getpid()) + "-7";
  for (const std::string& name :
       {dead, own, std::string(".tmp-"), std::string(".tmp-x-1"), std::string(".tmp-1"), std::string("disk.img")})
    write_file_atomically(folder.path() / name, "x");
  fs::create_directory(folder.path() / (dead + "1"));
  remove_stale_temporaries(folder.path());
  CHECK_FALSE(fs::exists(folder.path() / dead));
  for (const std::string& name :
       {own, std::string(".tmp-"), std::string(".tmp-x-1"), std::string(".tmp-1"), std::string("disk.img"), dead + "1"})
    CHECK(fs::exists(folder.path() / name));
  remove_stale_temporaries(folder.path() / "nothing");
}
