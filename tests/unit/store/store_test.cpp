// Tests the contract of Store with both implementations: blobs, records, last pointers.
#include "store/store.hpp"

#include "store/file_name.hpp"
#include "store/record.hpp"
#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

using namespace k8simg;

namespace {

StepRecord record_of(Store& store, const std::string& step) {
  StepRecord record;
  record.key = sha256("key of " + step);
  record.step = step;
  record.action = sha256("action");
  record.inputs = {{"deb", store.put("in " + step)}, {"tools", store.put("tree " + step, ValueKind::Tree)}};
  record.outputs = {{"out", store.put("out " + step)}};
  record.seconds = 1.25;
  return record;
}

bool equal(const StepRecord& a, const StepRecord& b) { return record_to_json(a) == record_to_json(b); }

void check_contract(Store& store) {
  const Value value = store.put("hello");
  CHECK(value.kind == ValueKind::Blob);
  CHECK(value.size == 5);
  CHECK(value.digest == sha256("hello"));
  CHECK(store.has(value.digest));
  CHECK(store.read(value.digest) == "hello");
  CHECK(store.put("hello") == value);
  CHECK(store.put("hello", ValueKind::Tree).kind == ValueKind::Tree);
  CHECK(store.read(store.put("").digest).empty());
  CHECK_FALSE(store.has(sha256("nobody")));
  CHECK_THROWS_AS(store.read(sha256("nobody")), Error);

  {
    auto dropped = store.writer();
    dropped->write("never committed");
  }
  CHECK_FALSE(store.has(sha256("never committed")));
  auto writer = store.writer();
  std::string all;
  for (int i = 0; i < 40; ++i) {
    const std::string part(100'000, static_cast<char>('a' + i % 26));
    writer->write(part);
    all += part;
  }
  const Value big = writer->commit();
  CHECK(big.digest == sha256(all));
  CHECK(big.size == all.size());
  CHECK(store.read(big.digest) == all);

  const TempDir folder(fs::temp_directory_path());
  write_file_atomically(folder.path() / "file", "from a file");
  CHECK(store.put_file(folder.path() / "file").digest == sha256("from a file"));
  CHECK(fs::exists(folder.path() / "file"));
  CHECK(store.put_file(folder.path() / "file", true).size == 11);
  CHECK_FALSE(fs::exists(folder.path() / "file"));
  CHECK(store.read(sha256("from a file")) == "from a file");
  CHECK_THROWS_AS(store.put_file(folder.path() / "absent"), Error);

  CHECK_FALSE(store.find_record(sha256("nokey")));
  CHECK_FALSE(store.last_record("pc", "kernel/build"));
  const StepRecord record = record_of(store, "kernel/build");
  store.save_record("pc", record);
  REQUIRE(store.find_record(record.key));
  CHECK(equal(*store.find_record(record.key), record));
  REQUIRE(store.last_record("pc", "kernel/build"));
  CHECK(store.last_record("pc", "kernel/build")->key == record.key);
  CHECK_FALSE(store.last_record("pi", "kernel/build"));
  CHECK_FALSE(store.last_record("pc", "kernel"));

  StepRecord newer = record;
  newer.key = sha256("another key");
  store.save_record("pc", newer);
  CHECK(store.last_record("pc", "kernel/build")->key == newer.key);
  CHECK(store.find_record(record.key));
}

}  // namespace

TEST_CASE("a store in memory keeps its promises") {
  MemoryStore store;
  check_contract(store);
  CHECK_THROWS_AS(store.path(sha256("hello")), Error);
  CHECK_THROWS_AS(store.folder("logs"), Error);
}

TEST_CASE("a store on disk keeps its promises") {
  const TempDir folder(fs::temp_directory_path());
  DiskStore store(folder.path() / "new" / "store");
  check_contract(store);
}

TEST_CASE("records survive the way through JSON") {
  MemoryStore store;
  StepRecord record = record_of(store, "odd \"name\"\n/\xc3\xa4");
  record.inputs[1].value.size = 0xffffffffffffffffull;
  const std::string text = record_to_json(record);
  CHECK(text.find('\n') == text.size() - 1);
  const auto back = record_from_json(text);
  REQUIRE(back);
  CHECK(equal(*back, record));
  CHECK(back->step == record.step);
  CHECK(back->inputs[1].value == record.inputs[1].value);
  CHECK(back->seconds == 1.25);
}

TEST_CASE("what is not a whole record is none") {
  MemoryStore store;
  const std::string text = record_to_json(record_of(store, "a/b"));
  for (std::size_t length = 0; length + 1 < text.size(); ++length)
    CHECK_FALSE(record_from_json(text.substr(0, length)));
  for (const char* wrong : {"null", "[]", "{}", "{\"format\":1}", "{\"format\":2}", "\xff\xfe"})
    CHECK_FALSE(record_from_json(wrong));
  // Each field in turn with a wrong type.
  for (const char* field : {"\"format\":1", "\"step\":\"a/b\"", "\"seconds\":1.25"}) {
    std::string damaged = text;
    const auto at = damaged.find(field);
    REQUIRE(at != std::string::npos);
    damaged.replace(damaged.find(':', at) + 1, std::string(field).size() - std::string(field).find(':') - 1, "[]");
    CHECK_FALSE(record_from_json(damaged));
  }
}

TEST_CASE("names become safe file names") {
  CHECK(file_name_of("kernel/build") == "kernel__build");
  CHECK(file_name_of("") == "_");
  CHECK(file_name_of("..") == "_..");
  CHECK(file_name_of("../x") == "_..__x");
}
