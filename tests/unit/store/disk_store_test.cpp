// Tests the store on disk: modes, holes, versions, damage, concurrent processes, and processes that end during a write.
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

// Runs `body` in a child and returns its pid; the child never runs the parent's destructors.
template <class Body>
pid_t in_child(Body body) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  try {
    body();
    ::_exit(0);
  } catch (...) {
    ::_exit(1);
  }
}

int wait_for(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

}  // namespace

TEST_CASE("blobs are read-only, executable files under their hash") {
  Folder folder;
  DiskStore store(folder.path);
  CHECK(read_file(folder.path / "version") == "k8simg-store 1\n");
  const Value value = store.put("data");
  const std::string hex = value.digest.hex();
  CHECK(store.path(value.digest) == store.root() / "blobs" / hex.substr(0, 2) / hex.substr(2));
  struct stat info {};
  REQUIRE(::stat(store.path(value.digest).c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0555);
  CHECK(store.folder("cache/go") == store.root() / "cache" / "go");
  CHECK(fs::is_directory(store.folder("checkouts")));
  CHECK(kind_of([&] { store.folder("../up"); }) == ErrorKind::Internal);
  CHECK(kind_of([&] { store.folder("/etc"); }) == ErrorKind::Internal);
  CHECK(kind_of([&] { store.path(sha256("absent")); }) == ErrorKind::Internal);
}

TEST_CASE("putting a blob again leaves the file alone") {
  Folder folder;
  DiskStore store(folder.path);
  const fs::path file = store.path(store.put("same").digest);
  struct stat before {
  }, after{};
  REQUIRE(::stat(file.c_str(), &before) == 0);
  write_file_atomically(folder.temp.path() / "copy", "same");
  store.put("same");
  store.put_file(folder.temp.path() / "copy", true);
  REQUIRE(::stat(file.c_str(), &after) == 0);
  CHECK(before.st_ino == after.st_ino);
  CHECK(fs::is_empty(store.folder("scratch")) == false);  // its lock file
  CHECK(count_files(store.folder("scratch")) == 1);
}

TEST_CASE("put_file moves by renaming, copies what has another name, and refuses what is not a file") {
  Folder folder;
  DiskStore store(folder.path);
  const fs::path file = store.folder("scratch") / "out";
  write_file_atomically(file, "moved");
  struct stat before {
  }, after{};
  REQUIRE(::stat(file.c_str(), &before) == 0);
  const Value moved = store.put_file(file, true);
  REQUIRE(::stat(store.path(moved.digest).c_str(), &after) == 0);
  CHECK(before.st_ino == after.st_ino);

  const fs::path first = folder.temp.path() / "first", second = folder.temp.path() / "second";
  write_file_atomically(first, "two names");
  fs::create_hard_link(first, second);
  const Value copied = store.put_file(first, true);
  CHECK_FALSE(fs::exists(first));
  write_all(Fd::open(second, O_WRONLY | O_TRUNC).get(), "changed", second);
  CHECK(store.read(copied.digest) == "two names");

  fs::create_symlink("second", folder.temp.path() / "link");
  CHECK(kind_of([&] { store.put_file(folder.temp.path() / "link", true); }) == ErrorKind::Internal);
  CHECK(kind_of([&] { store.put_file(folder.temp.path(), false); }) == ErrorKind::Internal);
}

TEST_CASE("holes stay holes") {
  Folder folder;
  DiskStore store(folder.path);
  const fs::path image = folder.temp.path() / "image";
  {
    Fd fd = Fd::open(image, O_WRONLY | O_CREAT);
    write_all(fd.get(), "start", image);
    REQUIRE(::ftruncate(fd.get(), 64 << 20) == 0);
    REQUIRE(::pwrite(fd.get(), "end", 3, (64 << 20) - 3) == 3);
  }
  const Value value = store.put_file(image, false);
  CHECK(value.size == 64u << 20);
  CHECK(value.digest == sha256_file(image));
  struct stat info {};
  REQUIRE(::stat(store.path(value.digest).c_str(), &info) == 0);
  CHECK(static_cast<std::uint64_t>(info.st_size) == value.size);
  CHECK(info.st_blocks * 512 < 8 << 20);
}

TEST_CASE("stores of another version and folders that are none are refused") {
  Folder folder;
  std::string text;
  fs::create_directories(folder.path);
  write_file_atomically(folder.path / "version", "k8simg-store 2\n");
  CHECK(kind_of([&] { DiskStore store(folder.path); }, &text) == ErrorKind::Usage);
  CHECK(text.find("format 2") != std::string::npos);
  CHECK(text.find(folder.path.string()) != std::string::npos);
  for (const char* unknown : {"", "k8simg-store x\n", "something else\n"}) {
    write_file_atomically(folder.path / "version", unknown);
    CHECK(kind_of([&] { DiskStore store(folder.path); }) == ErrorKind::Usage);
  }
  fs::remove(folder.path / "version");
  write_file_atomically(folder.path / "letter.txt", "dear");
  CHECK(kind_of([&] { DiskStore store(folder.path); }, &text) == ErrorKind::Usage);
  CHECK(text.find("letter.txt") != std::string::npos);
  CHECK_FALSE(fs::exists(folder.path / "blobs"));
}

TEST_CASE("a damaged record is absent and nothing else is lost") {
  Folder folder;
  const auto record_file = [&](const StepRecord& record) {
    return folder.path / "steps" / record.key.hex().substr(0, 2) / record.key.hex().substr(2);
  };
  Value value;
  {
    DiskStore store(folder.path);
    value = store.put("output");
    store.save_record("pc", small_record("one", value));
    store.save_record("pc", small_record("two", value));
    store.save_record("pc", small_record("three", value));
    store.sync();
  }
  const StepRecord one = small_record("one", value), two = small_record("two", value),
                   three = small_record("three", value);
  const std::string whole = read_file(record_file(one));
  write_file_atomically(record_file(one), whole.substr(0, whole.size() / 2));
  write_file_atomically(record_file(two), whole);  // the content of another record under this name
  write_file_atomically(folder.path / "last" / "pc" / "three", "no digest\n");

  DiskStore store(folder.path);
  CHECK_FALSE(store.find_record(one.key));
  CHECK_FALSE(store.last_record("pc", "one"));
  CHECK_FALSE(store.find_record(two.key));
  CHECK(store.find_record(three.key));
  CHECK_FALSE(store.last_record("pc", "three"));
  CHECK(store.read(value.digest) == "output");
  store.save_record("pc", one);
  CHECK(store.last_record("pc", "one"));
}

TEST_CASE("an emptied blob counts as absent and is written again") {
  Folder folder;
  DiskStore store(folder.path);
  const Value value = store.put("content");
  const fs::path file = store.path(value.digest);
  fs::permissions(file, fs::perms::owner_all);
  fs::resize_file(file, 0);
  CHECK_FALSE(store.has(value.digest));
  store.put("content");
  CHECK(store.read(value.digest) == "content");
}

TEST_CASE("many threads on two stores over one folder") {
  Folder folder;
  DiskStore first(folder.path), second(folder.path);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      DiskStore& store = t % 2 ? first : second;
      for (int i = 0; i < 60; ++i) {
        const std::string text = "blob " + std::to_string(i);
        const Value value = store.put(text);
        if (store.read(value.digest) != text) wrong++;
        store.save_record("pc", small_record("step " + std::to_string(i % 7), value));
        const auto back = store.last_record("pc", "step " + std::to_string(i % 7));
        if (!back || back->outputs.empty()) wrong++;
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(count_files(folder.path / "blobs") == 60);
}

TEST_CASE("two processes use one store at once") {
  Folder folder;
  const auto fill = [&](int from) {
    DiskStore store(folder.path);
    for (int i = from; i < from + 200; ++i) {
      const Value value = store.put("blob " + std::to_string(i));
      store.save_record("pc", small_record("step " + std::to_string(i), value));
    }
  };
  const pid_t child = in_child([&] { fill(0); });
  fill(100);
  CHECK(wait_for(child) == 0);
  DiskStore store(folder.path);
  for (int i = 0; i < 300; ++i) {
    const auto record = store.last_record("pc", "step " + std::to_string(i));
    REQUIRE(record);
    CHECK(store.read(record->outputs.at("out").digest) == "blob " + std::to_string(i));
  }
}

TEST_CASE("a process killed while writing leaves a store that the next one uses") {
  Folder folder;
  { DiskStore store(folder.path); }
  for (int round = 0; round < 5; ++round) {
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    const pid_t child = in_child([&] {
      DiskStore store(folder.path);
      auto open_writer = store.writer();
      open_writer->write(std::string(3 << 20, 'x'));
      const TempDir work(store.folder("scratch"), "step");
      write_file_atomically(work.path() / "half", "done");
      if (::write(ready[1], "r", 1) != 1) ::_exit(2);
      for (int i = 0;; ++i) {
        const Value value = store.put(std::string(100'000 + i, 'y'));
        store.save_record("pc", small_record("busy", value));
      }
    });
    char byte;
    REQUIRE(::read(ready[0], &byte, 1) == 1);
    ::usleep(5'000 * (round + 1));
    {
      // The folders of running processes are kept.
      DiskStore other(folder.path);
      CHECK(count_files(folder.path / "scratch") >= 4);
    }
    ::kill(child, SIGKILL);
    CHECK(WTERMSIG(wait_for(child)) == SIGKILL);
    ::close(ready[0]);
    ::close(ready[1]);

    DiskStore store(folder.path);
    CHECK(count_files(folder.path / "scratch") == 2);  // scratch/lock and that of this process
    for (const auto& entry : fs::recursive_directory_iterator(folder.path / "blobs")) {
      if (!entry.is_regular_file()) continue;
      const auto name = entry.path().parent_path().filename().string() + entry.path().filename().string();
      CHECK(sha256_file(entry.path()).hex() == name);
    }
    const auto last = store.last_record("pc", "busy");
    if (last) CHECK(store.has(last->outputs.at("out").digest));
    store.put("still works " + std::to_string(round));
  }
}

TEST_CASE("a blob is not under its name before it is whole, and one writer makes many") {
  Folder folder;
  DiskStore store(folder.path);
  auto writer = store.writer();
  std::vector<std::string> contents;
  for (const std::size_t size : {0u, 5u, 1u << 20, (1u << 20) + 1, 3u << 20, 7u})
    contents.push_back(std::string(size, static_cast<char>('a' + contents.size())));
  for (int round = 0; round < 2; ++round)  // in the second round they exist
    for (const std::string& content : contents) {
      const Digest digest = sha256(content);
      for (std::size_t at = 0; at < content.size(); at += 100'000) {
        writer->write(std::string_view(content).substr(at, 100'000));
        if (round == 0)
          CHECK_FALSE(fs::exists(folder.path / "blobs" / digest.hex().substr(0, 2) / digest.hex().substr(2)));
      }
      const Value value = writer->commit();
      CHECK(value == Value{ValueKind::Blob, digest, content.size()});
      CHECK(store.read(digest) == content);
      CHECK(count_files(store.folder("scratch")) == 1);  // its lock file
    }
  CHECK(count_files(folder.path / "blobs") == contents.size());

  writer->write(std::string(2 << 20, 'z'));
  writer.reset();  // not committed
  CHECK(count_files(store.folder("scratch")) == 1);
  CHECK(count_files(folder.path / "blobs") == contents.size());
}

TEST_CASE("writers of the same blob at the same time leave it once, whole and for everybody to read") {
  Folder folder;
  DiskStore first(folder.path), second(folder.path);
  const mode_t before = ::umask(077);
  std::atomic<int> wrong{0};
  for (const std::size_t size : {3000u, 3'000'000u})  // in memory, and on disk from the start
    for (int round = 0; round < 10; ++round) {
      const std::string content = std::to_string(round) + std::string(size, 'c');
      std::vector<std::thread> threads;
      for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
          DiskStore& store = t % 2 ? first : second;
          auto writer = store.writer();
          for (std::size_t at = 0; at < content.size(); at += 50'000)
            writer->write(std::string_view(content).substr(at, 50'000));
          const Value value = writer->commit();
          if (value.size != content.size() || store.read(value.digest) != content) wrong++;
        });
      for (auto& thread : threads) thread.join();
      struct stat info {};
      REQUIRE(::stat(first.path(sha256(content)).c_str(), &info) == 0);
      CHECK((info.st_mode & 07777) == 0555);
    }
  ::umask(before);
  CHECK(wrong == 0);
  CHECK(count_files(folder.path / "blobs") == 20);
  CHECK(count_files(folder.path / "scratch") == 3);  // the locks
}
