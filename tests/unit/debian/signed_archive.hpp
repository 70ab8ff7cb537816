// A small Debian archive in memory, signed with a throwaway key, for tests of everything that reads indexes.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "debian/resolve.hpp"
#include "util/clock.hpp"
#include "util/file.hpp"

namespace k8simg::test {

/// A clock that stands still.
class FixedClock : public Clock {
 public:
  explicit FixedClock(std::int64_t now) : now_(now) {}
  std::int64_t now() const override { return now_; }

 private:
  std::int64_t now_;
};

/// A gpg home with one signing key; its agent ends with it.
class SigningKey {
 public:
  SigningKey();
  ~SigningKey();
  SigningKey(const SigningKey&) = delete;
  SigningKey& operator=(const SigningKey&) = delete;

  const std::filesystem::path& keyring() const { return keyring_; }  ///< the public key, as gpgv reads it
  std::string clear_sign(const std::string& text) const;

 private:
  void gpg(const std::vector<std::string>& arguments, const std::string& input) const;

  TempDir home_;
  std::filesystem::path keyring_;
};

/// One key for all tests of a program: making one takes a moment.
const SigningKey& shared_key();

std::string compress_xz(const std::string& text);

/// Files by "REPOSITORY/PATH"; `asked` records what was fetched.
struct Archive {
  std::map<std::string, std::string> files;
  std::vector<std::string> asked;

  IndexFetcher fetcher();
};

struct SuiteText {
  std::string repository = "debian", suite = "trixie", codename = "trixie";
  std::string date = "Sat, 12 Sep 2026 07:55:41 UTC", valid_until, more;  ///< `more`: further lines of the release
  std::map<std::string, std::string> indexes;                             ///< "main/binary-amd64" → text of Packages
};

/// The Release text of the suite; puts the compressed indexes into the archive.
std::string publish_indexes(Archive& archive, const SuiteText& suite);
/// The same, signed and put into the archive as InRelease.
void publish(Archive& archive, const SuiteText& suite, const SigningKey& key);

}  // namespace k8simg::test
