// Tests errors: messages, added context, errno.
#include "util/error.hpp"

#include <unistd.h>

#include <cerrno>

#include "support/catch.hpp"
#include "util/file.hpp"

using namespace k8simg;

TEST_CASE("an error describes itself with context, innermost first, and the hint last") {
  try {
    with_context("while building pc", [] {
      with_context("while unpacking a.deb",
                   []() -> int { throw Error(ErrorKind::Step, "a.deb is broken", "Fetch it again."); });
    });
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Step);
    CHECK(error.what() == std::string("a.deb is broken"));
    CHECK(error.describe() == "a.deb is broken\n  while unpacking a.deb\n  while building pc\nFetch it again.");
  }
}

TEST_CASE("several lines of context stay together") {
  Error error(ErrorKind::Step, "failed");
  error.add_context("log:\nfirst\nsecond");
  CHECK(error.describe() == "failed\n  log:\n  first\n  second");
}

TEST_CASE("with_context passes the value through when nothing is thrown") {
  CHECK(with_context("unused", [] { return 42; }) == 42);
}

TEST_CASE("errno becomes an error that names the path; a full disk has a hint") {
  try {
    throw_errno("cannot write", "/some/file", ENOSPC);
  } catch (const Error& error) {
    CHECK(error.message() == "cannot write /some/file: No space left on device");
    CHECK(error.hint().find("free some space") != std::string::npos);
  }
}

TEST_CASE("a path that somebody else owns is given back by one command, and only below a folder of our own") {
  CHECK(errno_hint("/etc/shadow", EACCES).empty());
  CHECK(errno_hint("/nowhere/at/all", EACCES).empty());
  CHECK(errno_hint("/x", ENOENT).empty());
  if (::geteuid() != 0) return;  // only root can make a folder of another user
  constexpr uid_t user = 65534;
  const TempDir folder(fs::temp_directory_path());
  const fs::path output = folder.path() / "out put";
  fs::create_directories(output / "store/blobs");
  REQUIRE(::chown(folder.path().c_str(), user, user) == 0);
  REQUIRE(::seteuid(user) == 0);
  const std::string deep = errno_hint((output / "store/blobs/ab/cd").string(), EACCES),
                    own = errno_hint((folder.path() / "x").string(), EACCES);
  REQUIRE(::seteuid(0) == 0);
  CHECK(deep.find(output.string() + " belongs to root, perhaps since an earlier `sudo`: `sudo chown -R 65534:") == 0);
  CHECK(deep.find(" '" + output.string() + "'` gives it to you.") != std::string::npos);
  CHECK(own.empty());
}
