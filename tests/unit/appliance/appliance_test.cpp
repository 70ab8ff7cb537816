// Tests that programs that build the appliance cannot write to files of the store.
#include <sys/stat.h>

#include <vector>

#include "appliance/appliance.hpp"
#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

using namespace k8simg;

namespace {

/// A fake of depmod and supermin that looks for hard links in writable binds.
class Watcher : public CommandRunner {
 public:
  CommandResult run(const Command& command, std::stop_token) override {
    ++calls;
    for (std::size_t i = 0; i + 2 < command.argv.size(); ++i) {
      if (command.argv[i] == "--ro-bind") readable += command.argv[i + 1] + "\n";
      if (command.argv[i] != "--bind") continue;
      ++writable;
      for (const auto& entry : fs::recursive_directory_iterator(command.argv[i + 1])) {
        struct stat status {};
        if (entry.is_regular_file() && !entry.is_symlink() && ::stat(entry.path().c_str(), &status) == 0 &&
            status.st_nlink > 1)
          links.push_back(entry.path().string());
      }
    }
    if (calls == 2) throw Error(ErrorKind::Step, "that was supermin");
    return {};
  }
  int calls = 0, writable = 0;
  std::string readable;
  std::vector<std::string> links;
};

/// depmod logs `depmod_says`; supermin makes an appliance of one file.
class Supermin : public CommandRunner {
 public:
  CommandResult run(const Command& command, std::stop_token) override {
    if (++calls % 2 != 0) {
      if (!depmod_says.empty()) write_file_atomically(command.log, depmod_says, 0644);
      return {};
    }
    for (std::size_t i = 0; i + 2 < command.argv.size(); ++i) {
      if (command.argv[i] != "--bind" || command.argv[i + 2] != "/tmp/out") continue;
      const fs::path made = fs::path(command.argv[i + 1]) / "appliance";
      fs::create_directories(made);
      write_file_atomically(made / "kernel", "kernel", 0644);
    }
    return {};
  }
  std::string depmod_says;
  int calls = 0;
};

/// Paths of a project with a tools tree of one kernel without modules.
struct Folders {
  TempDir folder{fs::temp_directory_path()};
  fs::path blobs = folder.path() / "blobs", tools = folder.path() / "tools",
           modules = tools / "usr/lib/modules/6.1-test", cache = folder.path() / "cache",
           scratch = folder.path() / "scratch";
  Folders() {
    for (const auto& each : {blobs, modules / "kernel/fs", tools / "boot", scratch}) fs::create_directories(each);
  }
};

}  // namespace

TEST_CASE("a cached appliance can be rebuilt, one that was just built is not") {
  const Folders at;
  write_file_atomically(at.tools / "boot/vmlinuz-6.1-test", "kernel", 0644);
  const std::function<void(const std::string&)> quiet = [](const std::string&) {};
  Supermin supermin;
  Appliance appliance;
  try {
    appliance = prepare_appliance(supermin, at.tools, at.cache, at.scratch, false, quiet);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Usage) throw;
    WARN("libguestfs is not complete on this machine: not tested");
    return;
  }
  CHECK(supermin.calls == 2);
  CHECK_FALSE(appliance.rebuild);

  write_file_atomically(appliance.folder / "kernel", "", 0644);
  appliance = prepare_appliance(supermin, at.tools, at.cache, at.scratch, false, quiet);
  CHECK(supermin.calls == 2);
  REQUIRE(appliance.rebuild);
  appliance.rebuild();
  CHECK(supermin.calls == 4);
  CHECK(read_file(appliance.folder / "kernel") == "kernel");
  CHECK(fs::exists(appliance.folder / "README.fixed"));
  CHECK(fs::is_empty(at.scratch));

  // Without liblzma, depmod prints errors, writes empty lists of dependencies, and exits with 0.
  supermin.depmod_says = "depmod: ERROR: xz: can't load and resolve symbols (No such file or directory)\n";
  try {
    appliance.rebuild();
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.message().find("xz: can't load") != std::string::npos);
  }
  CHECK(supermin.calls == 5);
}

TEST_CASE(
    "no link to a blob is bound writable while the appliance is built, and nothing is left of an attempt that failed") {
  const Folders at;
  const auto& [folder, blobs, tools, modules, cache, scratch] = at;
  // A checkout: its files are links to blobs.
  for (const char* name : {"boot/vmlinuz-6.1-test", "usr/lib/modules/6.1-test/modules.order",
                           "usr/lib/modules/6.1-test/kernel/fs/ext4.ko"}) {
    const fs::path blob = blobs / fs::path(name).filename();
    write_file_atomically(blob, name, 0555);
    fs::create_hard_link(blob, tools / name);
  }
  fs::create_directory_symlink("/usr/src/headers", modules / "build");

  Watcher watcher;
  try {
    prepare_appliance(watcher, tools, cache, scratch, false, [](const std::string&) {});
    FAIL("no error");
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::Usage) {
      WARN("libguestfs is not complete on this machine: not tested");
      return;
    }
    CHECK(error.message() == "that was supermin");
  }
  CHECK(watcher.calls == 2);
  CHECK(watcher.writable == 2);  // depmod's folder, supermin's
  CHECK(watcher.links == std::vector<std::string>{});
  CHECK(watcher.readable.find((modules / "kernel").string() + "\n") != std::string::npos);
  CHECK(read_file(blobs / "ext4.ko") == "usr/lib/modules/6.1-test/kernel/fs/ext4.ko");
  CHECK(fs::is_empty(scratch));
  for (const auto& entry : fs::directory_iterator(cache)) CHECK(entry.path().filename() == "lock");
}
