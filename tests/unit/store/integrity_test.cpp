// Tests stores after disk errors, power cuts and changes by other users: damage, pending records, modes and links.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "store_folder.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

// Like a disk error: the same file with other bytes.
void overwrite(const fs::path& file, std::uint64_t at, std::string_view bytes) {
  ::chmod(file.c_str(), 0755);
  const Fd fd = Fd::open(file, O_WRONLY);
  REQUIRE(::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(at)) == static_cast<ssize_t>(bytes.size()));
}

std::size_t quarantined(const fs::path& store) {
  return fs::exists(store / "quarantine") ? count_files(store / "quarantine") : 0;
}

}  // namespace

TEST_CASE("a blob with other bytes is found, and is not given out") {
  Folder folder;
  const std::string bytes(3 << 20, 'x');
  Value value;
  {
    DiskStore store(folder.path);
    value = store.put(bytes);
    CHECK(store.check(value.digest) == Condition::Whole);
  }
  {
    DiskStore store(folder.path);
    overwrite(store.path(value.digest), 2 << 20, "y");
    CHECK(store.has(value));  // the size is right
    CHECK(store.check(value.digest) == Condition::Damaged);
    std::string text;
    CHECK(kind_of([&] { store.read(value.digest); }, &text) == ErrorKind::Internal);
    CHECK(text.find(value.digest.hex()) != std::string::npos);
    CHECK(text.find("store check --repair") != std::string::npos);
    store.quarantine(value.digest);
    CHECK(store.check(value.digest) == Condition::Missing);
    CHECK(quarantined(folder.path) == 1);
    store.quarantine(value.digest);  // another process was first
    CHECK(store.put(bytes) == value);
    CHECK(store.read(value.digest) == bytes);
  }
}

TEST_CASE("a shorter blob does not have its value's size") {
  Folder folder;
  DiskStore store(folder.path);
  const Value value = store.put(std::string(3'000'000, 'x'));
  fs::permissions(store.path(value.digest), fs::perms::owner_all);
  fs::resize_file(store.path(value.digest), 1'000'000);
  CHECK(store.has(value.digest));
  CHECK_FALSE(store.has(value));
}

TEST_CASE("putting the bytes of a damaged blob replaces it, however they are put") {
  Folder folder;
  const std::string small = "content", large(2 << 20, 'x');
  Value small_value, large_value;
  {
    DiskStore store(folder.path);
    small_value = store.put(small);
    large_value = store.put(large);
    overwrite(store.path(small_value.digest), 3, "X");
    overwrite(store.path(large_value.digest), 3, "X");
  }
  DiskStore store(folder.path);
  write_file_atomically(folder.temp.path() / "large", large);
  CHECK(store.put(small) == small_value);
  CHECK(store.put_file(folder.temp.path() / "large", false) == large_value);
  CHECK(store.read(small_value.digest) == small);
  CHECK(store.read(large_value.digest) == large);
  CHECK(quarantined(folder.path) == 2);
}

TEST_CASE("records hold until the machine stops, and afterwards only if they were synced") {
  Folder folder;
  const fs::path pending = folder.path / "pending";
  Value value;
  {
    DiskStore store(folder.path);
    value = store.put("output");
    store.save_record("pc", small_record("synced", value));
    store.sync();
    store.save_record("pc", small_record("late", value));
    CHECK(store.records().size() == 2);
  }
  CHECK(count_files(folder.path / "steps") == 1);
  CHECK(count_files(pending) == 1);
  CHECK(DiskStore(folder.path).last_record("pc", "late"));  // the process ended, but the machine is still running

  const fs::path boot = fs::directory_iterator(pending)->path();
  const std::string name = boot.filename().string();
  const std::string machine = name.substr(0, name.find('.') + 1);
  SECTION("another start of this machine") {
    fs::rename(boot, pending / (machine + "11111111-2222-3333-4444-555555555555"));
    DiskStore store(folder.path);
    CHECK(store.last_record("pc", "synced"));
    CHECK_FALSE(store.last_record("pc", "late"));
    CHECK(count_files(pending) == 0);
  }
  SECTION("another machine that shares the store and still works on it") {
    fs::rename(boot, pending / "elsewhere.11111111-2222-3333-4444-555555555555");
    DiskStore store(folder.path);
    CHECK_FALSE(store.last_record("pc", "late"));
    CHECK(count_files(pending) == 1);
  }
  SECTION("the next build makes durable what a killed one left") {
    DiskStore store(folder.path);
    store.sync();
    CHECK(count_files(folder.path / "steps") == 2);
    CHECK(count_files(pending) == 0);
    CHECK(DiskStore(folder.path).last_record("pc", "late"));
  }
}

TEST_CASE("a store is for its owner alone") {
  Folder folder;
  const auto mode = [&] { return static_cast<unsigned>(fs::status(folder.path).permissions()) & 07777; };
  { DiskStore store(folder.path); }
  CHECK(mode() == 0700);
  fs::permissions(folder.path, fs::perms{0755});  // the mode of earlier versions
  { DiskStore store(folder.path); }
  CHECK(mode() == 0750);
  fs::permissions(folder.path, fs::perms{02770});
  { DiskStore store(folder.path); }
  CHECK(mode() == 02770);
}

TEST_CASE("a store with links is refused before anything in it is cleaned up") {
  Folder folder;
  { DiskStore store(folder.path); }
  fs::create_directories(folder.temp.path() / "victim/documents");
  for (const char* name : {"scratch", "blobs", "logs"}) {
    fs::remove_all(folder.path / name);
    fs::create_directory_symlink(folder.temp.path() / "victim", folder.path / name);
    std::string text;
    CHECK(kind_of([&] { DiskStore store(folder.path); }, &text) == ErrorKind::Usage);
    CHECK(text.find((folder.path / name).string()) != std::string::npos);
    CHECK(fs::exists(folder.temp.path() / "victim/documents"));
    fs::remove(folder.path / name);
  }
}
