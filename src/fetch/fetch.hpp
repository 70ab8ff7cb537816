// Downloads from mirrors: parallel, resumable, retried, and checked by size and SHA-256 before they enter the store.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "store/store.hpp"

namespace k8simg {

/// The keys that sign Debian's archive.
inline constexpr const char* debian_keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Repository name → base URLs, tried in order (http, https, file).
struct Mirrors {
  std::map<std::string, std::vector<std::string>> bases;
  std::optional<std::string>
      archive;  ///< archive-mirror: base URL with ${repository} and ${timestamp} (YYYYMMDDTHHMMSSZ)
};

struct MirrorOptions {
  std::vector<std::string> arguments;  ///< --mirror: "URL" (repository debian; security derived) or "REPOSITORY=URL"
  std::optional<std::string> environment;                ///< K8SIMG_MIRROR: same, blank-separated
  std::map<std::string, std::vector<std::string>> user;  ///< from the user's configuration (config/user_config.hpp)
  std::optional<std::string> archive;                    ///< archive-mirror of the user's configuration
  std::filesystem::path apt_folder = "/etc/apt";         ///< sources.list, sources.list.d/*.{list,sources}
  std::filesystem::path archive_keyring = debian_keyring;
};
/// Precedence: arguments, environment, user configuration, the machine's apt sources (the first URIs with Debian
/// suites: *-security belongs to "debian-security", other Debian suites to "debian"; third-party sources are skipped:
/// their suite is not Debian's, they lack "main", or Signed-By names no key of Debian's archive). The URIs of
/// sources.list.d/NAME.{list,sources} are also those of a repository NAME. Error{Usage} naming the four ways when
/// nothing is found.
Mirrors find_mirrors(const MirrorOptions& options);

class Downloader {
 public:
  virtual ~Downloader() = default;
  /// Downloads `url` and appends to `fd` from `offset` on (Range request; if the server ignores it, the file is
  /// truncated and restarted). If the file would exceed `limit` bytes, it is emptied and Error{Fetch} is thrown as soon
  /// as possible. Returns the size of the file; nullopt when not found. Error{Fetch} has the hint `retryable` if a
  /// retry may help.
  virtual std::optional<std::uint64_t> download(
      const std::string& url, int fd, std::uint64_t offset, std::uint64_t limit, std::stop_token stop,
      const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) = 0;
};
/// Uses libcurl, with proxies and CA bundle from the environment. Connections are kept and reused by all threads.
std::unique_ptr<Downloader> make_curl_downloader();

struct FetchRequest {
  std::string repository, path;  ///< path relative to the mirror
  std::uint64_t size = 0;
  Digest sha256;
  std::string name;       ///< shown in messages: "systemd 257.9-1 (amd64)"
  std::int64_t date = 0;  ///< for the archive mirror
};
/// Downloads into the store. Partial downloads are kept in store.folder("partial") and resumed. Network errors and 5xx
/// are retried 3 times with growing delays. A file with wrong size or digest is not stored, and is retried from the
/// same mirror only if it had been resumed. Error{Fetch} names package, path, and expected and actual values; if no
/// mirror has the package, the hint is `k8simg lock --update`.
Value fetch(Store& store, Downloader& downloader, const Mirrors& mirrors, const FetchRequest& request,
            std::stop_token stop = {},
            const std::function<void(std::uint64_t done, std::uint64_t total)>& progress = {});
/// Downloads a small file (index) of at most `limit` bytes into memory, without an expected digest. nullopt when no
/// mirror has it.
std::optional<std::string> fetch_text(Downloader& downloader, const Mirrors& mirrors, const std::string& repository,
                                      const std::string& path, std::uint64_t limit,
                                      const std::filesystem::path& scratch, std::stop_token stop = {});

}  // namespace k8simg
