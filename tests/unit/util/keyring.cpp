// Tests OpenPGP keyrings: armor, fingerprints, and what is no keyring.
#include "util/keyring.hpp"

#include "support/catch.hpp"
#include "support/failure.hpp"
#include "support/keys.hpp"
#include "util/text.hpp"

using namespace k8simg;
using test::armored_key;
using test::contains;
using test::failure;

namespace {

std::string refused(const std::string& bytes) {
  return failure([&] { binary_keyring(bytes, "keys/own.asc"); });
}

}  // namespace

TEST_CASE("an armored key and a binary one give the same keyring and fingerprint") {
  const std::string binary = binary_keyring(armored_key, "key");
  CHECK(binary.substr(0, 3) == "\x98\x33\x04");
  CHECK(binary_keyring(binary, "key") == binary);
  CHECK(key_fingerprints(binary) == std::set<std::string, std::less<>>{test::key_fingerprint});
  // Several keys, armored one after another, with headers and Windows' line breaks.
  const std::string with_headers =
      replace_all(replace_all(armored_key, "BLOCK-----\n\nmDM", "BLOCK-----\nComment: it is\n\nmDM"), "\n", "\r\n");
  CHECK(binary_keyring(with_headers + "\r\nand\r\n" + armored_key, "key") == binary + binary);
  // Without the empty line and the checksum.
  CHECK(binary_keyring(replace_all(replace_all(armored_key, "\n\n", "\n"), "=QnpW\n", ""), "key") == binary);
}

TEST_CASE("GnuPG's keybox is passed to gpgv as it is") {
  const std::string box = std::string("\0\0\0\x20\1\1\0\2KBXf", 12) + std::string(20, '\0');
  CHECK(binary_keyring(box, "key") == box);
}

TEST_CASE("what is no keyring is refused with its name, the problem and what to do") {
  const std::string binary = binary_keyring(armored_key, "key"), armored = armored_key;
  CHECK(contains(refused(""), "keys/own.asc is no keyring: it is empty"));
  CHECK(contains(refused("ssh-ed25519 AAAA me\n"), "it does not begin with a public key"));
  CHECK(contains(refused("<html>404</html>"), "it does not begin with a public key"));
  CHECK(contains(refused("<html>404</html>"), "gpg --export"));
  CHECK(contains(refused(binary.substr(0, 40)), "it does not begin with a public key"));
  CHECK(contains(refused(binary.substr(0, binary.size() - 1)), "it is cut short or damaged"));
  CHECK(contains(refused(binary.substr(53)), "it does not begin with a public key"));  // the user ID
  CHECK(contains(refused(armored.substr(0, 200)), "it is cut short"));
  CHECK(contains(refused(replace_all(armored, "mDME", "m*ME")), "its text is not base64"));
  CHECK(contains(refused(replace_all(armored, "PUBLIC KEY", "PRIVATE KEY")), "it has a secret key"));
  CHECK(contains(refused(replace_all(armored, "PUBLIC KEY BLOCK", "SIGNATURE")), "something else than keys"));
  std::string secret = binary;
  secret[0] = '\x94';  // the type of secret keys
  CHECK(contains(refused(secret), "it has a secret key"));
  // Only a cut between packets gives a keyring: after the key, and after its user ID.
  for (std::size_t size = 0; size < binary.size(); ++size)
    CHECK(refused(binary.substr(0, size)).empty() == (size == 53 || size == 67));
  for (int byte = 0; byte < 256; ++byte) {
    std::string changed = binary;
    changed[0] = static_cast<char>(byte), changed[1] = '\xff';
    CHECK_FALSE(refused(changed).empty());
    key_fingerprints(changed);
  }
}
