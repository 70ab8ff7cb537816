// Tests SHA-256 with the examples of FIPS 180-4, and digests as text.
#include "util/digest.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

using namespace k8simg;

TEST_CASE("SHA-256 gives the published digests") {
  CHECK(sha256("").hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq").hex() ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_CASE("a running SHA-256 does not depend on how the message is cut, and starts anew after finish") {
  const std::string message(1'000'000, 'a');
  Sha256 hash;
  for (std::size_t at = 0; at < message.size(); at += 997) hash.update(std::string_view(message).substr(at, 997));
  CHECK(hash.finish().hex() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  CHECK(hash.update("abc").finish() == sha256("abc"));
}

TEST_CASE("a file's digest is that of its bytes; a missing file is named") {
  const TempDir folder(fs::temp_directory_path());
  std::string bytes(300'000, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31);
  write_file_atomically(folder.path() / "file", bytes);
  CHECK(sha256_file(folder.path() / "file") == sha256(bytes));
  try {
    sha256_file(folder.path() / "missing");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Internal);
    CHECK(error.message().find((folder.path() / "missing").string()) != std::string::npos);
  }
}

TEST_CASE("holes of a file count as the zeros that they are") {
  const TempDir folder(fs::temp_directory_path());
  constexpr std::size_t hole = 3'000'000;  // not a multiple of a block size
  const std::string data(200'001, 'x');
  const auto size_file = [&](const char* name, std::size_t at, std::size_t size) {
    const Fd fd = Fd::open(folder.path() / name, O_WRONLY | O_CREAT);
    REQUIRE(::ftruncate(fd.get(), static_cast<off_t>(size)) == 0);
    if (size > 0)
      REQUIRE(::pwrite(fd.get(), data.data(), data.size(), static_cast<off_t>(at)) ==
              static_cast<ssize_t>(data.size()));
    return sha256_file(folder.path() / name);
  };
  const std::string zeros(hole, '\0');
  CHECK(size_file("before", hole, hole + data.size()) == sha256(zeros + data));
  CHECK(size_file("after", 0, data.size() + hole) == sha256(data + zeros));
  CHECK(size_file("around", hole, hole + data.size() + hole) == sha256(zeros + data + zeros));
  CHECK(size_file("nothing", 0, 0) == sha256(""));
  fs::resize_file(folder.path() / "nothing", hole);
  CHECK(sha256_file(folder.path() / "nothing") == sha256(zeros));
  // Its reported size is 0.
  CHECK(sha256_file("/proc/version") == sha256(read_file("/proc/version")));
}

TEST_CASE("digests are read from exactly 64 hex digits") {
  const Digest digest = sha256("abc");
  CHECK(Digest::parse(digest.hex()) == digest);
  CHECK(Digest::parse("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD") == digest);
  CHECK_FALSE(Digest::parse(digest.hex() + "0"));
  CHECK_FALSE(Digest::parse(digest.hex().substr(1)));
  CHECK_FALSE(Digest::parse(""));
  CHECK_FALSE(Digest::parse("g" + digest.hex().substr(1)));
  CHECK_FALSE(Digest::parse(" " + digest.hex().substr(1)));
}
