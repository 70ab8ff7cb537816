// Downloads with libcurl: resumable, with connections that are reused by later downloads.
#include <curl/curl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <mutex>

#include "fetch/fetch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

constexpr std::uint64_t most_of_page = 1 << 20;  // maximum size of an error page

Error too_long(const std::string& url, std::uint64_t limit) {
  return Error(ErrorKind::Fetch, fmt::format("{}: is larger than the limit of {} bytes", url, limit));
}

class CurlDownloader : public Downloader {
 public:
  CurlDownloader() { curl_global_init(CURL_GLOBAL_DEFAULT); }
  ~CurlDownloader() override {
    for (CURL* handle : idle_) curl_easy_cleanup(handle);
    curl_global_cleanup();
  }

  std::optional<std::uint64_t> download(const std::string& url, int fd, std::uint64_t offset, std::uint64_t limit,
                                        std::stop_token stop,
                                        const std::function<void(std::uint64_t, std::uint64_t)>& progress) override {
    Transfer transfer{
        .fd = fd, .start = offset, .offset = offset, .limit = limit, .stop = stop, .progress = progress, .url = url};
    CURL* handle = take();
    transfer.handle = handle;
    curl_easy_reset(handle);
    char error[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(handle, CURLOPT_MAXREDIRS, 8L);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, 30L);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 100L);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, "k8simg");
    // Rejects a file that is too large before its body is read, if the server announces its size; otherwise on_data
    // does. The option also applies to error pages and redirects.
    curl_easy_setopt(handle, CURLOPT_MAXFILESIZE_LARGE,
                     static_cast<curl_off_t>(std::min<std::uint64_t>(std::max(limit, most_of_page),
                                                                     std::numeric_limits<curl_off_t>::max())));
    // Not CURLOPT_RESUME_FROM: if a server ignores the range, libcurl fails with CURLE_RANGE_ERROR, whereas on_data
    // restarts.
    const std::string range = fmt::format("{}-", offset);
    if (offset > 0) curl_easy_setopt(handle, CURLOPT_RANGE, range.c_str());
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &Transfer::on_data);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &transfer);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    // libcurl itself reads only the proxy variables, not those of the CA bundle.
    for (const char* name : {"CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
      if (const char* bundle = std::getenv(name); bundle && *bundle) {
        curl_easy_setopt(handle, CURLOPT_CAINFO, bundle);
        break;
      }
    }
    const CURLcode code = curl_easy_perform(handle);
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    give(handle);

    if (stop.stop_requested()) throw Error(ErrorKind::Interrupted, "interrupted");
    if (transfer.failure) throw *transfer.failure;
    if (code == CURLE_FILESIZE_EXCEEDED && status < 300) {
      if (ftruncate(fd, 0) != 0) throw_errno("cannot empty the download of", url, errno);
      throw too_long(url, limit);
    }
    if (status == 404 || status == 410 || code == CURLE_FILE_COULDNT_READ_FILE) return std::nullopt;
    // The file is already complete, or longer than the server's. The caller checks size and digest.
    if (status == 416) return transfer.offset;
    if (code == CURLE_OK && (status == 0 || (status >= 200 && status < 300))) return transfer.offset;
    const bool of_page = status >= 300 && (code == CURLE_FILESIZE_EXCEEDED || code == CURLE_WRITE_ERROR);
    const std::string what = code != CURLE_OK && !of_page ? (*error ? std::string(error) : curl_easy_strerror(code))
                                                          : fmt::format("the server answered {}", status);
    const bool retryable = code != CURLE_OK && !of_page
                               ? code != CURLE_UNSUPPORTED_PROTOCOL && code != CURLE_URL_MALFORMAT
                               : status >= 500 || status == 429 || status == 408;
    throw Error(ErrorKind::Fetch, fmt::format("{}: {}", url, what), retryable ? "retryable" : "");
  }

 private:
  struct Transfer {
    int fd;
    std::uint64_t start, offset;  // offsets in the file: of this response's first byte, and of the next byte
    std::uint64_t limit;          // maximum size of the file
    std::stop_token stop;
    const std::function<void(std::uint64_t, std::uint64_t)>& progress;
    const std::string& url;
    CURL* handle = nullptr;
    bool first = true;
    std::uint64_t page = 0;  // bytes of an error page
    std::optional<Error> failure{};

    static std::size_t on_data(char* data, std::size_t size, std::size_t count, void* self) {
      auto& transfer = *static_cast<Transfer*>(self);
      try {
        if (transfer.first) {
          transfer.first = false;
          long status = 0;
          curl_easy_getinfo(transfer.handle, CURLINFO_RESPONSE_CODE, &status);
          // Error pages are not content. Status 200 means that the server ignored the range and starts at byte 0.
          if (status < 300 && transfer.offset > 0 && status == 200) {
            transfer.start = transfer.offset = 0;
            if (ftruncate(transfer.fd, 0) != 0 || lseek(transfer.fd, 0, SEEK_SET) != 0)
              throw_errno("cannot restart the download of", transfer.url, errno);
          }
        }
        long status = 0;
        curl_easy_getinfo(transfer.handle, CURLINFO_RESPONSE_CODE, &status);
        if (status >= 300) {
          transfer.page += size * count;
          if (transfer.page > most_of_page) return 0;
        } else {
          if (size * count > transfer.limit - std::min(transfer.limit, transfer.offset)) {
            // Empty the file, so that it is not resumed.
            if (ftruncate(transfer.fd, 0) != 0) throw_errno("cannot empty the download of", transfer.url, errno);
            throw too_long(transfer.url, transfer.limit);
          }
          write_all(transfer.fd, {data, size * count}, "download of " + transfer.url);
          transfer.offset += size * count;
        }
      } catch (const Error& error) {
        transfer.failure = error;
        return 0;
      }
      return size * count;
    }
    static int on_progress(void* self, curl_off_t total, curl_off_t, curl_off_t, curl_off_t) {
      auto& transfer = *static_cast<Transfer*>(self);
      // libcurl counts only the bytes of this response. Before the first byte of content, it may be counting an error
      // page.
      if (transfer.progress && total > 0 && transfer.offset > transfer.start)
        transfer.progress(transfer.offset, transfer.start + static_cast<std::uint64_t>(total));
      return transfer.stop.stop_requested() ? 1 : 0;
    }
  };

  CURL* take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) {
      CURL* handle = curl_easy_init();
      if (!handle) throw Error(ErrorKind::Internal, "libcurl cannot make a handle");
      return handle;
    }
    CURL* handle = idle_.back();
    idle_.pop_back();
    return handle;
  }
  void give(CURL* handle) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(handle);
  }

  std::mutex mutex_;
  std::vector<CURL*> idle_;  // handles keep their connections open between downloads
};

}  // namespace

std::unique_ptr<Downloader> make_curl_downloader() { return std::make_unique<CurlDownloader>(); }

}  // namespace k8simg
