// A small Debian archive in memory, signed with a temporary key, for tests that read indexes.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "debian/resolve.hpp"
#include "util/clock.hpp"
#include "util/file.hpp"

namespace k8simg::test {

/// A clock with a constant time.
class FixedClock : public Clock {
 public:
  explicit FixedClock(std::int64_t now) : now_(now) {}
  std::int64_t now() const override { return now_; }

 private:
  std::int64_t now_;
};

/// A gpg home with one signing key.
class SigningKey {
 public:
  SigningKey();
  ~SigningKey();
  SigningKey(const SigningKey&) = delete;
  SigningKey& operator=(const SigningKey&) = delete;

  const std::filesystem::path& keyring() const { return keyring_; }  ///< the public key, in gpgv's format
  std::string armored() const;                                       ///< the public key as text
  std::string clear_sign(const std::string& text) const;
  std::string detached_signature(const std::string& text) const;

 private:
  void gpg(const std::vector<std::string>& arguments, const std::string& input) const;

  TempDir home_;
  std::filesystem::path keyring_;
};

/// One key for all tests of a program, because creating a key is slow.
const SigningKey& shared_key();

std::string compress_xz(const std::string& text);

/// Files by "REPOSITORY/PATH". `asked`: the fetched files.
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

/// Adds the compressed indexes to the archive and returns the suite's Release text.
std::string publish_indexes(Archive& archive, const SuiteText& suite);
/// The same, and adds the signed text to the archive as InRelease.
void publish(Archive& archive, const SuiteText& suite, const SigningKey& key);

/// A flat repository as `apt-ftparchive release` describes it: without suite, code name and architectures.
struct FlatText {
  std::string repository = "own", folder;  ///< "" or "FOLDER/"
  std::string date = "Sat, 12 Sep 2026 07:55:41 UTC", more;
  std::string packages;     ///< text of Packages
  std::string suffix = "";  ///< of the index that is there: "", ".xz"
};
/// Adds the index to the archive and returns the Release text.
std::string publish_flat_index(Archive& archive, const FlatText& flat);

}  // namespace k8simg::test
