// Tests which paths a project may name, and links that lead out of it.
#include "util/inside.hpp"

#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

using namespace k8simg;

TEST_CASE("paths inside a folder") {
  for (const char* good : {"a", "a/b", ".a", "..a", "a.."}) CHECK(is_inside(good));
  for (const char* bad :
       {"", ".", "./", "/", "/a", "..", "../a", "a/../b", "a/..", "./..", "./a", "a/./b", "a/", "a/."})
    CHECK_FALSE(is_inside(bad));
}

TEST_CASE("links may lead about inside, and not out") {
  const TempDir temp(fs::temp_directory_path(), "inside");
  const fs::path root = temp.path() / "project";
  fs::create_directories(root / "boards/pc");
  write_file_atomically(temp.path() / "secret", "secret");
  write_file_atomically(root / "boards/pc/file", "file");
  fs::create_symlink("boards", root / "link");
  fs::create_symlink(temp.path(), root / "out");
  fs::create_symlink("../../../secret", root / "boards/pc/leak");
  fs::create_symlink("/nonexistent/there", root / "dangling");
  fs::create_symlink("loop", root / "loop");
  CHECK(inside(root, "boards/pc/file") == root / "boards/pc/file");
  CHECK(read_file(inside(root, "link/pc/file")) == "file");
  CHECK(inside(root, "boards/new/file") == root / "boards/new/file");
  const auto refused = [&](const std::string& path) -> std::string {
    try {
      inside(root, path);
      return "";
    } catch (const Error& error) {
      return error.message();
    }
  };
  CHECK(refused("boards/pc/leak").find("boards/pc/leak is a symbolic link that points outside of") !=
        std::string::npos);
  CHECK(refused("boards/pc/leak").find("../../../secret") != std::string::npos);
  CHECK(refused("out/secret") != "");
  CHECK(refused("link/pc/leak") != "");
  fs::create_symlink("../nowhere", root / "near");
  CHECK(refused("near") != "");
  CHECK(refused("dangling") != "");
  CHECK(refused("loop") != "");
  CHECK(refused("../secret") != "");
  // The root itself may be a link to the project's folder.
  fs::create_symlink(root, temp.path() / "alias");
  CHECK(refused("link/pc/file") == "");
  CHECK(read_file(inside(temp.path() / "alias", "link/pc/file")) == "file");
}
