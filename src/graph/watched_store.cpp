// A queue between a step and the thread that verifies the values it uses.
#include "graph/watched_store.hpp"

namespace k8simg {

void Taken::add(const Value& value) {
  {
    std::lock_guard guard(mutex_);
    values_.push_back(value);
  }
  changed_.notify_one();
}

void Taken::close() {
  {
    std::lock_guard guard(mutex_);
    closed_ = true;
  }
  changed_.notify_one();
}

std::optional<Value> Taken::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return closed_ || !values_.empty(); });
  if (values_.empty()) return std::nullopt;
  const Value value = values_.front();
  values_.pop_front();
  return value;
}

std::filesystem::path WatchedStore::path(const Digest& digest) const {
  auto file = store_.path(digest);
  taken_.add({.kind = ValueKind::Blob, .digest = digest});
  return file;
}

}  // namespace k8simg
