// Tests which downloads are stored, with a scripted downloader.
#include "fetch/fetch.hpp"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>
#include <thread>

#include "support/catch.hpp"
#include "support/step_context.hpp"

using namespace k8simg;
using test::contains;
using test::failure;

namespace {

using namespace std::chrono_literals;
using Answer = std::function<std::optional<std::uint64_t>(int fd, std::uint64_t offset)>;

/// Returns the bytes after `offset`.
Answer whole(const std::string& bytes) {
  return [bytes](int fd, std::uint64_t offset) {
    if (offset < bytes.size()) write_all(fd, std::string_view(bytes).substr(offset), "test");
    return std::optional(std::max<std::uint64_t>(offset, bytes.size()));
  };
}
/// Returns some bytes and then fails.
Answer broken(const std::string& bytes, bool retryable) {
  return [=](int fd, std::uint64_t) -> std::optional<std::uint64_t> {
    write_all(fd, bytes, "test");
    throw Error(ErrorKind::Fetch, "the line is cut", retryable ? "retryable" : "");
  };
}
Answer missing() {
  return [](int, std::uint64_t) -> std::optional<std::uint64_t> { return std::nullopt; };
}

class ScriptedDownloader : public Downloader {
 public:
  std::optional<std::uint64_t> download(const std::string& url, int fd, std::uint64_t offset, std::uint64_t limit,
                                        std::stop_token,
                                        const std::function<void(std::uint64_t, std::uint64_t)>&) override {
    Answer answer;
    {
      const std::lock_guard guard(mutex_);
      calls.emplace_back(url, offset);
      auto& list = answers[url];
      if (list.empty()) throw Error(ErrorKind::Internal, "nobody expected a download of " + url);
      answer = list.front();
      if (list.size() > 1) list.pop_front();  // the last answer stays
    }
    limits.push_back(limit);
    return answer(fd, offset);
  }

  std::map<std::string, std::deque<Answer>> answers;
  std::vector<std::pair<std::string, std::uint64_t>> calls;
  std::vector<std::uint64_t> limits;

 private:
  std::mutex mutex_;
};

using Calls = std::vector<std::pair<std::string, std::uint64_t>>;

const std::string mirrored = "the bytes of a package, as its maintainer made them";

struct FetchFixture {
  TempDir folder{fs::temp_directory_path(), "fetch"};
  DiskStore store{folder.path() / "store"};
  ScriptedDownloader downloader;
  Mirrors mirrors{.bases = {{"debian", {"http://a.example/debian", "http://b.example/debian/"}}}, .archive = {}};
  FetchRequest request{.repository = "debian",
                       .path = "pool/x.deb",
                       .size = mirrored.size(),
                       .sha256 = sha256(mirrored),
                       .name = "x=1:amd64",
                       .date = 1763195591};
  const std::string a = "http://a.example/debian/pool/x.deb", b = "http://b.example/debian/pool/x.deb";

  Value run(std::stop_token stop = {}) { return fetch(store, downloader, mirrors, request, stop); }
  fs::path partial() const { return store.folder("partial") / request.sha256.hex(); }
};

}  // namespace

TEST_CASE("a download enters the store and leaves nothing beside it") {
  FetchFixture f;
  f.downloader.answers[f.a] = {whole(mirrored)};
  CHECK(f.run() == Value{ValueKind::Blob, sha256(mirrored), mirrored.size()});
  CHECK(f.store.read(sha256(mirrored)) == mirrored);
  CHECK(fs::is_empty(f.store.folder("partial")));
  CHECK(f.downloader.calls == Calls{{f.a, 0}});
  CHECK(f.run().digest == sha256(mirrored));
  CHECK(f.downloader.calls.size() == 1);
}

TEST_CASE("mirrors are tried in order, the archive last and dated") {
  FetchFixture f;
  f.mirrors.archive = "http://archive.example/${repository}/${timestamp}/";
  const std::string archive = "http://archive.example/debian/20251115T083311Z/pool/x.deb";
  f.downloader.answers[f.a] = {missing()};
  f.downloader.answers[f.b] = {broken("", false)};
  f.downloader.answers[archive] = {whole(mirrored)};
  f.run();
  CHECK(f.downloader.calls == Calls{{f.a, 0}, {f.b, 0}, {archive, 0}});
  CHECK(f.store.has(sha256(mirrored)));

  f.mirrors.archive = "http://archive.example/${date}";
  f.request.sha256 = sha256("other");
  CHECK(contains(failure([&] { f.run(); }), "archive-mirror"));
}

TEST_CASE("a package that has left every mirror: the message says how to go on") {
  FetchFixture f;
  f.downloader.answers[f.a] = {missing()};
  f.downloader.answers[f.b] = {missing()};
  const std::string text = failure([&] { f.run(); });
  INFO(text);
  CHECK(contains(text, "x=1:amd64"));
  CHECK(contains(text, "pool/x.deb"));
  CHECK(contains(text, "k8simg lock --update"));
  CHECK(f.downloader.calls == Calls{{f.a, 0}, {f.b, 0}});
  // A mirror that could not be reached may still have the file.
  f.downloader.answers[f.b] = {broken("", false)};
  CHECK_FALSE(contains(failure([&] { f.run(); }), "lock --update"));
}

TEST_CASE("altered bytes never enter the store and are not asked for twice") {
  FetchFixture f;
  std::string altered = mirrored;
  altered[5] ^= 1;
  f.downloader.answers[f.a] = {whole(altered)};
  f.downloader.answers[f.b] = {whole(altered)};
  const std::string text = failure([&] { f.run(); });
  INFO(text);
  CHECK(contains(text, "SHA-256 " + sha256(altered).hex() + ", the lock says " + sha256(mirrored).hex()));
  CHECK_FALSE(contains(text, "lock --update"));
  CHECK(f.downloader.calls == Calls{{f.a, 0}, {f.b, 0}});
  CHECK_FALSE(f.store.has(sha256(altered)));
  CHECK_FALSE(f.store.has(sha256(mirrored)));
  CHECK_FALSE(fs::exists(f.partial()));
  f.downloader.answers[f.b] = {whole(mirrored)};
  f.run();
  CHECK(f.store.read(sha256(mirrored)) == mirrored);
}

TEST_CASE("a wrong size is said as such") {
  FetchFixture f;
  f.mirrors.bases["debian"].pop_back();
  f.downloader.answers[f.a] = {whole(mirrored + "x")};
  CHECK(contains(failure([&] { f.run(); }),
                 std::to_string(mirrored.size() + 1) + " bytes, the lock says " + std::to_string(mirrored.size())));
  f.downloader.answers[f.a] = {whole(mirrored.substr(1))};
  CHECK(contains(failure([&] { f.run(); }), std::to_string(mirrored.size() - 1) + " bytes"));
  CHECK(f.downloader.calls.size() == 2);
  CHECK_FALSE(f.store.has(sha256(mirrored)));
}

TEST_CASE("a cut line is taken up where it stopped, within one build and by the next") {
  FetchFixture f;
  f.downloader.answers[f.a] = {broken(mirrored.substr(0, 10), true), broken(mirrored.substr(10, 5), false)};
  f.downloader.answers[f.b] = {missing()};
  CHECK(contains(failure([&] { f.run(); }), "resumed by the next build"));
  CHECK(f.downloader.calls == Calls{{f.a, 0}, {f.a, 10}, {f.b, 15}});
  CHECK(read_file(f.partial()) == mirrored.substr(0, 15));
  f.downloader.answers[f.a] = {whole(mirrored)};
  f.run();
  CHECK(f.downloader.calls.back() == std::pair<std::string, std::uint64_t>{f.a, 15});
  CHECK(f.store.read(sha256(mirrored)) == mirrored);
}

TEST_CASE("a damaged part is found out and fetched anew, once") {
  FetchFixture f;
  write_file_atomically(f.partial(), "not what it was");
  f.downloader.answers[f.a] = {whole(mirrored)};
  f.run();
  CHECK(f.downloader.calls == Calls{{f.a, 15}, {f.a, 0}});
  CHECK(f.store.read(sha256(mirrored)) == mirrored);

  FetchFixture g;
  write_file_atomically(g.partial(), "not what it was");
  g.mirrors.bases["debian"].pop_back();
  g.downloader.answers[g.a] = {whole(std::string(mirrored.size(), 'x'))};
  CHECK(contains(failure([&] { g.run(); }), "SHA-256"));
  CHECK(g.downloader.calls == Calls{{g.a, 15}, {g.a, 0}});
}

TEST_CASE("a part that is too long begins again at byte 0") {
  FetchFixture f;
  write_file_atomically(f.partial(), mirrored + " and more");
  f.downloader.answers[f.a] = {whole(mirrored)};
  f.run();
  CHECK(f.downloader.calls == Calls{{f.a, 0}});
  CHECK(f.store.read(sha256(mirrored)) == mirrored);
}

TEST_CASE("what may pass is tried four times, what may not once; faults of our own are not hidden") {
  FetchFixture f;
  f.mirrors.bases["debian"].pop_back();
  f.downloader.answers[f.a] = {broken("", true)};
  const auto before = std::chrono::steady_clock::now();
  CHECK(contains(failure([&] { f.run(); }), "the line is cut"));
  CHECK(f.downloader.calls.size() == 4);
  CHECK(std::chrono::steady_clock::now() - before > 5s);  // 0.25, 1 and 4 seconds between them

  f.downloader.answers[f.a] = {[](int, std::uint64_t) -> std::optional<std::uint64_t> {
    throw Error(ErrorKind::Internal, "no room on the disk");
  }};
  try {
    f.run();
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Internal);
    CHECK(error.message() == "no room on the disk");
  }
}

TEST_CASE("a stop request ends the wait before a retry") {
  FetchFixture f;
  std::stop_source source;
  f.downloader.answers[f.a] = {broken("", true), broken("", true),
                               [&](int, std::uint64_t) -> std::optional<std::uint64_t> {
                                 source.request_stop();
                                 throw Error(ErrorKind::Fetch, "the line is cut", "retryable");
                               }};
  const auto before = std::chrono::steady_clock::now();
  try {
    f.run(source.get_token());
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Interrupted);
  }
  CHECK(std::chrono::steady_clock::now() - before < 4s);  // the third wait alone would take that long
  CHECK(f.downloader.calls.size() == 3);
}

TEST_CASE("a stop request ends the wait for another build that fetches the same") {
  FetchFixture f;
  const FileLock other =
      FileLock::wait(f.store.folder("partial") / (f.request.sha256.hex() + ".lock"), FileLock::Mode::Exclusive);
  std::stop_source source;
  std::atomic<bool> interrupted = false;
  std::jthread build([&] {
    try {
      f.run(source.get_token());
    } catch (const Error& error) {
      interrupted = error.kind() == ErrorKind::Interrupted;
    }
  });
  std::this_thread::sleep_for(100ms);
  source.request_stop();
  for (int i = 0; i < 50 && !interrupted; ++i) std::this_thread::sleep_for(100ms);
  CHECK(interrupted);
  if (!interrupted) std::_Exit(1);  // the thread would wait forever
  CHECK(f.downloader.calls.empty());
}

TEST_CASE("many who want the same blob download it once") {
  FetchFixture f;
  f.downloader.answers[f.a] = {[](int fd, std::uint64_t offset) {
    std::this_thread::sleep_for(100ms);
    return whole(mirrored)(fd, offset);
  }};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 6; ++i) threads.emplace_back([&] { f.run(); });
  }
  CHECK(f.downloader.calls.size() == 1);
  CHECK(f.store.read(sha256(mirrored)) == mirrored);
  CHECK(fs::is_empty(f.store.folder("partial")));
}

TEST_CASE("a repository without a mirror is named with the ways to give one") {
  FetchFixture f;
  f.request.repository = "raspi";
  const std::string text = failure([&] { f.run(); });
  CHECK(contains(text, "no mirror is known for repository raspi"));
  CHECK(contains(text, "--mirror raspi=URL"));
}

TEST_CASE("texts: the first mirror that has it, nothing when none has, an error when one could not be asked") {
  FetchFixture f;
  const auto get = [&] { return fetch_text(f.downloader, f.mirrors, "debian", "dists/x", 1 << 20, f.folder.path()); };
  const std::string a = "http://a.example/debian/dists/x", b = "http://b.example/debian/dists/x";
  f.downloader.answers[a] = {missing()};
  f.downloader.answers[b] = {whole("index")};
  CHECK(get() == "index");
  f.downloader.answers[b] = {missing()};
  CHECK(get() == std::nullopt);
  f.downloader.answers[a] = {broken("par", false)};
  f.downloader.answers[b] = {whole("index")};
  CHECK(get() == "index");
  f.downloader.answers[b] = {missing()};
  CHECK(contains(failure([&] { get(); }), "--mirror"));
}

TEST_CASE("a download may have the size that the lock says, and no more") {
  FetchFixture f;
  f.downloader.answers[f.a] = {[&](int, std::uint64_t) -> std::optional<std::uint64_t> {
    throw Error(ErrorKind::Fetch, "is longer than it may be");
  }};
  f.downloader.answers[f.b] = {[&](int fd, std::uint64_t offset) -> std::optional<std::uint64_t> {
    CHECK(offset == 0);
    write_all(fd, mirrored, "test");
    return mirrored.size();
  }};
  CHECK(fetch(f.store, f.downloader, f.mirrors, f.request).digest == sha256(mirrored));
  CHECK(f.downloader.limits == std::vector<std::uint64_t>{mirrored.size(), mirrored.size()});
}

TEST_CASE("a path is encoded for its URL, and Debian's paths stay as they are") {
  FetchFixture f;
  const auto url_of = [&](const std::string& path) {
    f.downloader.calls.clear();
    f.downloader.answers["http://a.example/debian/" + path] = {missing()};
    const std::string base = "http://a.example/debian";
    f.mirrors.bases["debian"] = {base};
    try {
      fetch_text(f.downloader, f.mirrors, "debian", path, 1 << 20, f.folder.path());
    } catch (const Error&) {
      // Nobody expected the encoded URL: it was asked for all the same.
    }
    return f.downloader.calls.at(0).first.substr(base.size() + 1);
  };
  for (const char* plain : {"pool/main/g/g++/libstdc++6_14.2.0-1~deb13u1_amd64.deb", "dists/trixie/InRelease"})
    CHECK(url_of(plain) == plain);
  CHECK(url_of("foo_1%3a2_amd64.deb") == "foo_1%253a2_amd64.deb");
  CHECK(url_of("a b#c?d\xe9.deb") == "a%20b%23c%3Fd%E9.deb");
}
