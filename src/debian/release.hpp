// Release metadata of a suite: verifies the signature of InRelease, and parses its fields and the digests of its
// indexes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "control/paragraph.hpp"
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
  bool not_automatic = false;       ///< backports: its packages are only installed on request
  bool separate_all_index = false;  ///< packages of architecture "all" are only in binary-all
  std::vector<std::string> architectures, components;
  std::map<std::string, IndexFile, std::less<>> files;  ///< by path below dists/SUITE/, from the SHA256 section
};

/// Format: Debian's repository format (wiki.debian.org/DebianRepository/Format) over deb822. Refused: no SHA256
/// section, no Date, malformed dates, hashes and sizes, a path listed twice with different hashes.
tl::expected<Release, ParseError> parse_release(std::string_view text);

/// "Sat, 12 Sep 2026 07:55:41 UTC" (also GMT, Z, +0000) → seconds since 1970.
tl::expected<std::int64_t, ParseError> parse_release_date(std::string_view text);

/// The signed text of `inrelease` as output by gpgv; text outside of the signature is never returned. Requires at least
/// one good signature by a key of `keyring` and no bad one. Signatures by unknown, expired or revoked keys, and those
/// that cannot be checked, are ignored. Error{Fetch} with `name` and gpgv's messages. `keyring`: binary or armored;
/// Error{Usage} if it is none.
std::string verify_inrelease(std::string_view inrelease, const std::string& name, CommandRunner& runner,
                             const std::filesystem::path& keyring, const std::filesystem::path& scratch);
/// The same for a Release file with its detached signature, Release.gpg.
void verify_release(std::string_view release, std::string_view signature, const std::string& name,
                    CommandRunner& runner, const std::filesystem::path& keyring, const std::filesystem::path& scratch);

/// Error{Fetch} when the release is of another suite, has expired, or is dated more than a day in the future. A flat
/// repository need not say its suite.
void check_release(const Release& release, const std::string& suite, const std::string& name, const Clock& clock);

}  // namespace k8simg
