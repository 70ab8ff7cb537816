// Release metadata of a suite: the signature over InRelease, its fields, its age, and the hashes of the indexes it
// vouches for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "debian/control.hpp"
#include "process/command.hpp"
#include "util/clock.hpp"
#include "util/digest.hpp"

namespace k8simg {

struct IndexFile {
  std::uint64_t size = 0;  ///< bytes
  Digest sha256;
};

struct Release {
  std::string origin, suite, codename;
  std::int64_t date = 0;                    ///< seconds since 1970
  std::optional<std::int64_t> valid_until;  ///< stable suites have none
  bool acquire_by_hash = false;
  bool not_automatic = false;  ///< backports: nothing is taken from it unless asked for
  bool separate_all_index =
      false;  ///< packages of architecture "all" are in binary-all, not repeated in each architecture's index
  std::vector<std::string> architectures, components;
  std::map<std::string, IndexFile, std::less<>> files;  ///< by path below dists/SUITE/, from the SHA256 section
};

/// Format: Debian's repository format (wiki.debian.org/DebianRepository/Format) over deb822. Refused: no SHA256
/// section, no Date, no Suite and no Codename, malformed dates, hashes and sizes, a path listed twice with different
/// hashes.
tl::expected<Release, ParseError> parse_release(std::string_view text);

/// "Sat, 12 Sep 2026 07:55:41 UTC" (also GMT, Z, +0000) → seconds since 1970.
tl::expected<std::int64_t, ParseError> parse_release_date(std::string_view text);

/// The signed text of `inrelease`, as gpgv hands it out; nothing outside of the signature is ever returned. Needs at
/// least one good signature by a key of `keyring` and none that is bad; signatures by keys that are not in the keyring,
/// have expired, were revoked or cannot be checked are passed over. Error{Fetch} names `name` and says what gpgv said.
std::string verify_inrelease(std::string_view inrelease, const std::string& name, CommandRunner& runner,
                             const std::filesystem::path& keyring, const std::filesystem::path& scratch);

/// Error{Fetch} when the release is not the suite that was asked for, has expired, or is dated more than a day ahead of
/// the clock.
void check_release(const Release& release, const std::string& suite, const std::string& name, const Clock& clock);

}  // namespace k8simg
