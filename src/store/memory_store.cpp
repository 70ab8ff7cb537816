// The store in memory, for tests.
#include <mutex>
#include <unordered_map>
#include <utility>

#include "store/store.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

struct MemoryStore::State {
  mutable std::mutex mutex;
  std::unordered_map<Digest, std::string> blobs;
  std::unordered_map<Digest, StepRecord> records;
  std::map<std::pair<std::string, std::string>, Digest> last;

  Value put(std::string bytes) {
    const Value value{ValueKind::Blob, sha256(bytes), bytes.size()};
    std::lock_guard guard(mutex);
    blobs.insert_or_assign(value.digest, std::move(bytes));
    return value;
  }
};

namespace {

// `put` moves the bytes into the store's map.
class MemoryWriter : public BlobWriter {
 public:
  explicit MemoryWriter(std::function<Value(std::string)> put) : put_(std::move(put)) {}
  void write(std::string_view bytes) override { bytes_ += bytes; }
  Value commit() override { return put_(std::exchange(bytes_, {})); }

 private:
  std::function<Value(std::string)> put_;
  std::string bytes_;
};

}  // namespace

MemoryStore::MemoryStore() : state_(std::make_unique<State>()) {}
MemoryStore::~MemoryStore() = default;

bool MemoryStore::has(const Digest& digest) const {
  std::lock_guard guard(state_->mutex);
  return state_->blobs.contains(digest);
}

bool MemoryStore::has(const Value& value) const {
  std::lock_guard guard(state_->mutex);
  const auto found = state_->blobs.find(value.digest);
  return found != state_->blobs.end() && found->second.size() == value.size;
}

std::optional<StepRecord> MemoryStore::find_record(const Digest& key) const {
  std::lock_guard guard(state_->mutex);
  const auto found = state_->records.find(key);
  if (found == state_->records.end()) return std::nullopt;
  return found->second;
}

std::optional<StepRecord> MemoryStore::last_record(const std::string& defconfig, const std::string& step) const {
  std::lock_guard guard(state_->mutex);
  const auto last = state_->last.find({defconfig, step});
  if (last == state_->last.end()) return std::nullopt;
  const auto found = state_->records.find(last->second);
  if (found == state_->records.end()) return std::nullopt;
  return found->second;
}

std::unique_ptr<BlobWriter> MemoryStore::writer() {
  return std::make_unique<MemoryWriter>([this](std::string bytes) { return state_->put(std::move(bytes)); });
}

Value MemoryStore::put_file(const std::filesystem::path& file, bool move) {
  const Value value = state_->put(read_file(file));
  if (move) std::filesystem::remove(file);
  return value;
}

std::string MemoryStore::read(const Digest& digest) const {
  std::lock_guard guard(state_->mutex);
  const auto found = state_->blobs.find(digest);
  if (found == state_->blobs.end()) throw Error(ErrorKind::Internal, "blob " + digest.hex() + " is not in the store");
  if (sha256(found->second) != digest) throw Error(ErrorKind::Internal, "blob " + digest.hex() + " is damaged");
  return found->second;
}

Condition MemoryStore::check(const Digest& digest) const {
  std::lock_guard guard(state_->mutex);
  const auto found = state_->blobs.find(digest);
  if (found == state_->blobs.end()) return Condition::Missing;
  return sha256(found->second) == digest ? Condition::Whole : Condition::Damaged;
}

void MemoryStore::quarantine(const Digest& digest) {
  std::lock_guard guard(state_->mutex);
  state_->blobs.erase(digest);
}

void MemoryStore::set_aside(const std::filesystem::path& path, const std::string&) {
  throw Error(ErrorKind::Internal, path.string() + " is not in this store, which is in memory");
}

void MemoryStore::damage(const Digest& digest, std::string bytes) {
  std::lock_guard guard(state_->mutex);
  state_->blobs.at(digest) = std::move(bytes);
}

std::filesystem::path MemoryStore::path(const Digest& digest) const {
  throw Error(ErrorKind::Internal, "blob " + digest.hex() + " has no path: this store is in memory");
}

void MemoryStore::save_record(const std::string& defconfig, const StepRecord& record) {
  std::lock_guard guard(state_->mutex);
  state_->records.insert_or_assign(record.key, record);
  state_->last.insert_or_assign({defconfig, record.step}, record.key);
}

std::filesystem::path MemoryStore::folder(const std::string& name) const {
  throw Error(ErrorKind::Internal, "there is no folder \"" + name + "\": this store is in memory");
}

}  // namespace k8simg
