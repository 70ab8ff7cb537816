// Tries mirrors in order, resumes and retries, and stores only files that match the lock.
#include "fetch/fetch.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <ctime>
#include <mutex>

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

constexpr int attempts = 4;

/// Waits; a stop request ends the wait with Error{Interrupted}.
void pause_before_retry(int attempt, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any condition;
  std::unique_lock lock(mutex);
  condition.wait_for(lock, stop, std::chrono::milliseconds(250) * (1 << (2 * attempt)), [] { return false; });
  if (stop.stop_requested()) throw Error(ErrorKind::Interrupted, "interrupted");
}

/// Takes the file lock of one blob's download. Another build may hold it for a long time, so a stop request ends the
/// wait.
FileLock wait_for_lock(const fs::path& file, const std::stop_token& stop) {
  for (;;) {
    if (auto lock = FileLock::try_lock(file, FileLock::Mode::Exclusive)) return std::move(*lock);
    std::mutex mutex;
    std::condition_variable_any condition;
    std::unique_lock guard(mutex);
    condition.wait_for(guard, stop, std::chrono::milliseconds(50), [] { return false; });
    if (stop.stop_requested()) throw Error(ErrorKind::Interrupted, "interrupted");
  }
}

/// Paths are as an index has them: "foo_1%3a2.deb" is a name with a percent sign.
std::string join_url(const std::string& base, const std::string& path) {
  std::string url = base + (base.ends_with('/') ? "" : "/");
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("/-._~+:@!$&'()*,;=").find(c) != std::string_view::npos;
    url += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return url;
}

/// Downloads with retries. nullopt: not found.
std::optional<std::uint64_t> download_patiently(Downloader& downloader, const std::string& url, int fd,
                                                std::uint64_t limit, const std::stop_token& stop,
                                                const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  for (int attempt = 0;; ++attempt) {
    try {
      const off_t offset = lseek(fd, 0, SEEK_END);
      return downloader.download(url, fd, offset > 0 ? static_cast<std::uint64_t>(offset) : 0, limit, stop, progress);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::Fetch || error.hint() != "retryable" || attempt + 1 >= attempts) throw;
      pause_before_retry(attempt, stop);
    }
  }
}

std::vector<std::string> bases_of(const Mirrors& mirrors, const std::string& repository) {
  const auto found = mirrors.bases.find(repository);
  if (found == mirrors.bases.end() || found->second.empty()) {
    throw Error(
        ErrorKind::Fetch, "no mirror is known for repository " + repository,
        fmt::format(
            "give --mirror {0}=URL, K8SIMG_MIRROR={0}=URL, [mirrors] {0} = \"URL\" in the user's configuration, "
            "or apt's source in sources.list.d/{0}.sources",
            repository));
  }
  return found->second;
}

}  // namespace

Value fetch(Store& store, Downloader& downloader, const Mirrors& mirrors, const FetchRequest& request,
            std::stop_token stop, const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) {
  std::vector<std::string> urls;
  for (const auto& base : bases_of(mirrors, request.repository)) urls.push_back(join_url(base, request.path));
  if (mirrors.archive) {
    const std::string timestamp = fmt::format("{:%Y%m%dT%H%M%SZ}", fmt::gmtime(static_cast<std::time_t>(request.date)));
    const std::string base =
        expand(*mirrors.archive, {{"repository", request.repository}, {"timestamp", timestamp}}, "archive-mirror");
    urls.push_back(join_url(base, request.path));
  }

  // Only one process downloads a blob at a time. A second build waits here and then finds the blob.
  const auto folder = store.folder("partial");
  const auto lock_file = folder / (request.sha256.hex() + ".lock");
  const FileLock lock = wait_for_lock(lock_file, stop);
  // The lock file is not needed once the store has the blob: waiting processes check the store next.
  const auto done = [&](const Value& value) {
    std::error_code ignored;
    fs::remove(lock_file, ignored);
    return value;
  };
  if (store.has(request.sha256)) return done({ValueKind::Blob, request.sha256, request.size});
  const auto partial = folder / request.sha256.hex();

  std::vector<std::string> failures;
  bool not_found_everywhere = true;
  for (const auto& url : urls) {
    // The partial file may be damaged (another mirror, a full disk), so after a wrong digest it is downloaded again
    // from byte 0.
    for (int round = 0; round < 2; ++round) {
      const Fd fd = Fd::open(partial, O_RDWR | O_CREAT | O_APPEND);
      struct stat before {};
      if (fstat(fd.get(), &before) != 0) throw_errno("cannot read", partial.string(), errno);
      if (static_cast<std::uint64_t>(before.st_size) >= request.size && ftruncate(fd.get(), 0) != 0)
        throw_errno("cannot truncate", partial.string(), errno);
      const bool resumed = before.st_size > 0 && static_cast<std::uint64_t>(before.st_size) < request.size;
      std::optional<std::uint64_t> got;
      try {
        got = download_patiently(downloader, url, fd.get(), request.size, stop, progress);
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::Fetch) throw;
        failures.push_back(error.message());
        not_found_everywhere = false;
        break;
      }
      if (!got) {
        failures.push_back(url + ": not found");
        break;
      }
      not_found_everywhere = false;
      const Digest digest = sha256_file(partial);
      if (*got == request.size && digest == request.sha256) {
        if (fsync(fd.get()) != 0) throw_errno("cannot write", partial.string(), errno);
        return done(store.put_file(partial, true));
      }
      failures.push_back(*got != request.size ? fmt::format("{}: {} bytes, the lock says {}", url, *got, request.size)
                                              : fmt::format("{}: SHA-256 {}, the lock says {}", url, digest.hex(),
                                                            request.sha256.hex()));
      fs::remove(partial);
      if (!resumed) break;
    }
  }
  std::string message = fmt::format("cannot fetch {} ({})", request.name, request.path);
  for (const auto& failure : failures) message += "\n  " + failure;
  throw Error(ErrorKind::Fetch, message,
              not_found_everywhere
                  ? "the package has left the mirror: run `k8simg lock --update`, or configure an archive-mirror that "
                    "still has it"
                  : "nothing was changed; what was downloaded so far is kept and resumed by the next build");
}

std::optional<std::string> fetch_text(Downloader& downloader, const Mirrors& mirrors, const std::string& repository,
                                      const std::string& path, std::uint64_t limit,
                                      const std::filesystem::path& scratch, std::stop_token stop) {
  const TempDir folder(scratch, "index");
  std::optional<Error> last;
  for (const auto& base : bases_of(mirrors, repository)) {
    const auto file = folder.path() / "file";
    const Fd fd = Fd::open(file, O_RDWR | O_CREAT | O_TRUNC | O_APPEND);
    try {
      if (download_patiently(downloader, join_url(base, path), fd.get(), limit, stop, {})) return read_file(file);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::Fetch) throw;
      last = Error(ErrorKind::Fetch, error.message(),
                   "check the network, the mirror (--mirror, K8SIMG_MIRROR) and the proxy variables");
    }
  }
  if (last) throw *last;
  return std::nullopt;
}

}  // namespace k8simg
