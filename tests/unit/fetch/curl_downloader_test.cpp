// Tests the real downloader with a correct server, a faulty server, and files.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "fetch/fetch.hpp"
#include "http_server.hpp"
#include "support/catch.hpp"
#include "support/step_context.hpp"

using namespace k8simg;
using namespace k8simg::test;
using namespace std::chrono_literals;

namespace {

std::string sample() {
  std::string bytes;
  for (int i = 0; i < 20000; ++i) bytes += std::to_string(i * 7919) + "\n";
  return bytes;
}
const std::string content = sample();
/// Compares without printing 180 kB on failure.
bool same(const std::string& bytes) { return bytes == content; }

/// Sets an environment variable for one test.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    setenv(name, value.c_str(), 1);
  }
  ~Environment() {
    if (before_)
      setenv(name_, before_->c_str(), 1);
    else
      unsetenv(name_);
  }

 private:
  const char* name_;
  std::optional<std::string> before_;
};

struct Fixture {
  Environment no_proxy{"no_proxy", "127.0.0.1"};
  TempDir folder{fs::temp_directory_path(), "curl"};
  DiskStore store{folder.path() / "store"};
  std::unique_ptr<Downloader> downloader = make_curl_downloader();
  std::vector<std::pair<std::uint64_t, std::uint64_t>> progress;
  fs::path file = folder.path() / "file";

  /// Downloads directly to a file that contains `already`.
  std::optional<std::uint64_t> get(const std::string& url, const std::string& already = "", std::stop_token stop = {},
                                   std::uint64_t limit = 1 << 30) {
    write_file_atomically(file, already);
    const Fd fd = Fd::open(file, O_RDWR | O_APPEND);
    return downloader->download(url, fd.get(), already.size(), limit, stop,
                                [&](std::uint64_t done, std::uint64_t total) { progress.emplace_back(done, total); });
  }
  std::string got() const { return read_file(file); }
  /// Downloads with fetch(), from one mirror.
  Value fetch_from(const std::string& base) {
    return fetch(store, *downloader, {.bases = {{"debian", {base}}}, .archive = {}},
                 {.repository = "debian",
                  .path = "x.deb",
                  .size = content.size(),
                  .sha256 = sha256(content),
                  .name = "x",
                  .date = 0});
  }
};

}  // namespace

TEST_CASE("a whole file, with progress to its end") {
  Fixture f;
  HttpServer server([](const HttpRequest& request) { return serve(request, content); });
  CHECK(f.get(server.url("/pool/a%2bb.deb")) == content.size());
  CHECK(same(f.got()));
  CHECK(server.requests().at(0).target == "/pool/a%2bb.deb");
  REQUIRE_FALSE(f.progress.empty());
  CHECK(f.progress.back() == std::pair<std::uint64_t, std::uint64_t>{content.size(), content.size()});
}

TEST_CASE("only what is missing is asked for, and progress counts the whole") {
  Fixture f;
  HttpServer server([](const HttpRequest& request) { return serve(request, content); });
  CHECK(f.get(server.url(), content.substr(0, 1000)) == content.size());
  CHECK(same(f.got()));
  CHECK(server.requests().at(0).from == 1000u);
  REQUIRE_FALSE(f.progress.empty());
  for (const auto& [done, total] : f.progress) {
    CHECK(done >= 1000);
    CHECK(total == content.size());
  }
}

TEST_CASE("a server that ignores the range begins again at byte 0") {
  Fixture f;
  HttpServer server([](const HttpRequest&) { return HttpResponse{200, content}; });
  CHECK(f.get(server.url(), "some other bytes") == content.size());
  CHECK(same(f.got()));
  // Also if the existing file has the complete length.
  CHECK(f.get(server.url(), std::string(content.size(), 'x')) == content.size());
  CHECK(same(f.got()));
}

TEST_CASE("an answer cut short is resumed and comes out right") {
  Fixture f;
  std::atomic<int> count = 0;
  HttpServer server([&](const HttpRequest& request) {
    HttpResponse response = serve(request, content);
    if (count++ == 0) response.cut = 1234;
    return response;
  });
  CHECK(f.fetch_from(server.url()).digest == sha256(content));
  CHECK(same(f.store.read(sha256(content))));
  const auto requests = server.requests();
  REQUIRE(requests.size() == 2);
  CHECK_FALSE(requests[0].from);
  CHECK(requests[1].from == 1234u);
}

TEST_CASE("an answer cut short by a server without ranges comes out right too") {
  Fixture f;
  std::atomic<int> count = 0;
  HttpServer server([&](const HttpRequest&) {
    HttpResponse response{200, content};
    if (count++ == 0) response.cut = 4321;
    return response;
  });
  f.fetch_from(server.url());
  CHECK(same(f.store.read(sha256(content))));
  CHECK(server.requests().size() == 2);
}

TEST_CASE("not found is an answer, not an error, and its page is no content") {
  Fixture f;
  HttpServer server([](const HttpRequest& request) {
    return HttpResponse{request.target == "/gone" ? 410 : 404, "<html>no such file</html>"};
  });
  CHECK(f.get(server.url("/x")) == std::nullopt);
  CHECK(f.get(server.url("/gone"), "abc") == std::nullopt);
  CHECK(f.got() == "abc");
  CHECK(contains(failure([&] { f.fetch_from(server.url()); }), "k8simg lock --update"));
}

TEST_CASE("errors of the server pass, refusals do not, and neither page is content") {
  Fixture f;
  std::atomic<int> count = 0;
  HttpServer server([&](const HttpRequest& request) {
    if (request.target == "/forbidden/x.deb") return HttpResponse{403, "no"};
    return count++ == 0 ? HttpResponse{503, "<html>busy</html>"} : serve(request, content);
  });
  f.fetch_from(server.url());
  CHECK(same(f.store.read(sha256(content))));
  CHECK(server.requests().size() == 2);

  Fixture g;
  const std::string text = failure([&] { g.fetch_from(server.url("/forbidden")); });
  CHECK(contains(text, "the server answered 403"));
  CHECK(server.requests().size() == 3);
}

TEST_CASE("a range beyond the end leaves the check of size to decide") {
  Fixture f;
  HttpServer server([](const HttpRequest& request) { return serve(request, "short"); });
  CHECK(f.get(server.url(), "longer than that") == 16u);
  CHECK(f.got() == "longer than that");
}

TEST_CASE("redirects are followed") {
  Fixture f;
  HttpServer server([](const HttpRequest& request) {
    if (request.target == "/old") return HttpResponse{302, "moved", "Location: /new\r\n"};
    return serve(request, content);
  });
  CHECK(f.get(server.url("/old"), content.substr(0, 7)) == content.size());
  CHECK(same(f.got()));
}

TEST_CASE("one connection serves one download after the other") {
  Fixture f;
  HttpServer server([](const HttpRequest& request) { return serve(request, content); });
  for (int i = 0; i < 4; ++i) f.get(server.url("/" + std::to_string(i)));
  CHECK(server.requests().size() == 4);
  CHECK(server.connections() == 1);
}

TEST_CASE("a stop request ends a slow download at once") {
  Fixture f;
  HttpServer server([](const HttpRequest& request) {
    HttpResponse response = serve(request, content);
    response.delay = 50ms;
    return response;
  });
  std::stop_source source;
  std::jthread later([&] {
    std::this_thread::sleep_for(300ms);
    source.request_stop();
  });
  const auto before = std::chrono::steady_clock::now();
  try {
    f.get(server.url(), "", source.get_token());
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Interrupted);
  }
  CHECK(std::chrono::steady_clock::now() - before < 5s);
}

TEST_CASE("a server that nobody runs can be tried again, a protocol that nobody knows cannot") {
  Fixture f;
  std::string url;
  {
    HttpServer server([](const HttpRequest& request) { return serve(request, content); });
    url = server.url();
  }
  try {
    f.get(url);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Fetch);
    CHECK(error.hint() == "retryable");
    CHECK(contains(error.message(), url));
  }
  try {
    f.get("nothing://127.0.0.1/x");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.hint().empty());
  }
}

TEST_CASE("proxies come from the environment") {
  Fixture f;
  HttpServer proxy([](const HttpRequest& request) { return serve(request, content); });
  const Environment http_proxy("http_proxy", proxy.url());
  CHECK(f.get("http://mirror.invalid/debian/x.deb") == content.size());
  CHECK(proxy.requests().at(0).target == "http://mirror.invalid/debian/x.deb");
}

TEST_CASE("file URLs: there, resumed, not there") {
  Fixture f;
  const fs::path source = f.folder.path() / "mirror" / "x.deb";
  fs::create_directory(source.parent_path());
  write_file_atomically(source, content);
  CHECK(f.get("file://" + source.string()) == content.size());
  CHECK(same(f.got()));
  CHECK(f.get("file://" + source.string(), content.substr(0, 100)) == content.size());
  CHECK(same(f.got()));
  CHECK(f.get("file://" + source.string() + ".gone") == std::nullopt);
  f.fetch_from("file://" + source.parent_path().string());
  CHECK(same(f.store.read(sha256(content))));
  Fixture g;
  CHECK(contains(failure([&] { g.fetch_from("file:///nowhere/at/all"); }), "k8simg lock --update"));
}

TEST_CASE("two threads that want the same blob ask the server once") {
  Fixture f;
  HttpServer server([](const HttpRequest& request) {
    std::this_thread::sleep_for(100ms);
    return serve(request, content);
  });
  {
    std::jthread first([&] { f.fetch_from(server.url()); });
    std::jthread second([&] { f.fetch_from(server.url()); });
  }
  CHECK(server.requests().size() == 1);
  CHECK(same(f.store.read(sha256(content))));
}

TEST_CASE("a server that sends other bytes of the right length never reaches the store") {
  Fixture f;
  HttpServer server([](const HttpRequest& request) { return serve(request, std::string(content.size(), 'x')); });
  CHECK(contains(failure([&] { f.fetch_from(server.url()); }), "the lock says " + sha256(content).hex()));
  CHECK(server.requests().size() == 1);
  CHECK_FALSE(f.store.has(sha256(content)));
}

TEST_CASE("a server that sends more than it may is cut off, whatever it says of the length") {
  Fixture f;
  const auto refused = [&](const std::string& headers, const std::string& already = "") {
    HttpServer server([&](const HttpRequest& request) {
      HttpResponse response = serve(request, content);
      response.headers += headers;
      return response;
    });
    try {
      f.get(server.url(), already, {}, content.size() - 1);
    } catch (const Error& error) {
      CHECK(error.hint().empty());  // a retry would have the same result
      CHECK(f.got().empty());       // nothing to continue from
      return error.message().find(std::to_string(content.size() - 1) + " bytes") != std::string::npos;
    }
    return false;
  };
  CHECK(refused(""));
  CHECK(refused("", content.substr(0, 1000)));
  HttpServer exact([](const HttpRequest& request) { return serve(request, content); });
  CHECK(f.get(exact.url(), "", {}, content.size()) == content.size());
}

TEST_CASE("an error tells no password of a mirror") {
  Fixture f;
  HttpServer server([](const HttpRequest&) { return HttpResponse{403, "no"}; });
  const std::string url =
      "http:/"
      "/alice:M1rrorPw@" +
      server.url("/x?token=t0ken").substr(7);
  try {
    f.get(url);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.describe().find("M1rrorPw") == std::string::npos);
    CHECK(error.describe().find("t0ken") == std::string::npos);
    CHECK(error.describe().find("/x") != std::string::npos);
  }
}
