// Tests publishing into a folder of a project that is not trusted.
#include "cli/outputs.hpp"

#include <sys/stat.h>

#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

using namespace k8simg;

namespace {

struct Published {
  TempDir folder{fs::temp_directory_path(), "published"};
  DiskStore store{folder.path() / "store"};
  fs::path output = folder.path() / "project" / "output" / "pc";

  std::vector<std::string> publish(const std::map<std::string, std::string>& texts) {
    std::map<std::string, Value> artifacts;
    for (const auto& [name, text] : texts) artifacts[name] = store.put(text);
    return k8simg::publish(store, artifacts, output);
  }
  fs::path file(const std::string& name, const std::string& text = "mine") const {
    const fs::path path = folder.path() / name;
    fs::create_directories(path.parent_path());
    write_file_atomically(path, text);
    return path;
  }
};

}  // namespace

TEST_CASE("an artifact that is no more is removed, with the folder that held nothing else") {
  Published here;
  CHECK(here.publish({{"a", "1"}, {"sub/b", "2"}}) == std::vector<std::string>{"a", "sub/b"});
  CHECK(here.publish({{"a", "1"}}).empty());
  CHECK_FALSE(fs::exists(here.output / "sub"));
  CHECK(read_file(here.output / "a") == "1");
  struct stat info {};
  REQUIRE(::stat(here.output.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
}

TEST_CASE("names in .outputs.json that lead out of the folder remove nothing") {
  Published here;
  const auto outside = here.file("home/.ssh/authorized_keys"), source = here.file("project/src/main.c"),
             beside = here.file("project/output/other/disk.img");
  here.file("project/output/pc/.outputs.json",
            "{\"../../../home/.ssh/authorized_keys\": {}, \"" + outside.string() +
                "\": {}, \"../other/disk.img\": {}, \"x/../../../src/main.c\": {}, \"\": {}, \".\": {}}");
  here.publish({{"a", "1"}});
  for (const auto& file : {outside, source, beside}) CHECK(read_file(file) == "mine");
  CHECK(read_file(here.output / "a") == "1");
}

TEST_CASE("names in .outputs.json below a link remove nothing; a link itself is removed, and not what it leads to") {
  Published here;
  const auto key = here.file("home/key");
  fs::create_directories(here.output);
  fs::create_directory_symlink(here.folder.path() / "home", here.output / "images");
  fs::create_symlink(key, here.output / "old.img");
  here.file("project/output/pc/.outputs.json", "{\"images/key\": {}, \"old.img\": {}}");
  here.publish({{"a", "1"}});
  CHECK(read_file(key) == "mine");
  CHECK_FALSE(fs::is_symlink(here.output / "old.img"));
}

TEST_CASE("an artifact is not written through a link") {
  Published here;
  const auto key = here.file("home/key");
  fs::create_directories(here.output);
  SECTION("in place of the file") {
    fs::create_symlink(key, here.output / "a");
    try {
      here.publish({{"a", "1"}});
    } catch (const Error&) {
    }
  }
  SECTION("in place of a folder") {
    fs::create_directory_symlink(here.folder.path() / "home", here.output / "images");
    CHECK_THROWS_AS(here.publish({{"images/key", "1"}}), Error);
  }
  CHECK(read_file(key) == "mine");
}
