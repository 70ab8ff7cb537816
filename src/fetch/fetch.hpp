// Bytes from a mirror: parallel, resumable, retried downloads, checked by size and SHA-256 before they enter the store.
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

/// Where repositories live: repository name → base URLs, tried in order (http, https, file).
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
};
/// Precedence: arguments, environment, user config, the machine's apt sources (first URI whose suites are Debian's:
/// *-security belongs to "debian-security", the rest of Debian's own names to "debian"; third-party sources are
/// skipped: they lack a Debian suite name or "main", or are signed by a key of their own). Error{Usage} naming the four
/// ways when nothing is found.
Mirrors find_mirrors(const MirrorOptions& options);

class Downloader {
 public:
  virtual ~Downloader() = default;
  /// Fetches `url` appending to `fd` from `offset` on (Range request; a server that ignores it restarts at 0 after
  /// ftruncate). A file that would be longer than `limit` bytes is Error{Fetch}, given up as soon as that shows, and
  /// emptied. Returns bytes now in the file. Error{Fetch} with `retryable` noted in the hint; not found is
  /// `std::nullopt`.
  virtual std::optional<std::uint64_t> download(
      const std::string& url, int fd, std::uint64_t offset, std::uint64_t limit, std::stop_token stop,
      const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) = 0;
};
/// libcurl; proxies and CA bundle from the environment; connections are kept and shared between threads' calls.
std::unique_ptr<Downloader> make_curl_downloader();

struct FetchRequest {
  std::string repository, path;  ///< path relative to the mirror
  std::uint64_t size = 0;
  Digest sha256;
  std::string name;       ///< for messages: "systemd 257.9-1 (amd64)"
  std::int64_t date = 0;  ///< for the archive mirror
};
/// Into the store. Partial downloads are kept in store.folder("partial") and resumed; retried (3 times, with growing
/// waits) on network errors and 5xx; wrong size or hash is never retried from the same mirror and never enters the
/// store. Error{Fetch} names package, URL's path, what was expected and found; a package that left the mirror says
/// `k8simg lock --update`.
Value fetch(Store& store, Downloader& downloader, const Mirrors& mirrors, const FetchRequest& request,
            std::stop_token stop = {},
            const std::function<void(std::uint64_t done, std::uint64_t total)>& progress = {});
/// Small files (indexes) of at most `limit` bytes to memory, no expected hash. nullopt when every mirror says "not
/// found".
std::optional<std::string> fetch_text(Downloader& downloader, const Mirrors& mirrors, const std::string& repository,
                                      const std::string& path, std::uint64_t limit,
                                      const std::filesystem::path& scratch, std::stop_token stop = {});

}  // namespace k8simg
