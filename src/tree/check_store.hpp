// Checks every blob, record and checkout of a store: `k8simg store check`.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "store/store.hpp"

namespace k8simg {

struct StoreFinding {
  enum class Kind { Blob, Record, Checkout };
  Kind kind = Kind::Blob;
  Digest digest;     ///< of the blob, the record's key, or the checkout's tree
  std::string text;  ///< a message: what it is, and what is wrong with it
};

struct StoreCheck {
  std::uint64_t blobs = 0, bytes = 0, records = 0, checkouts = 0;  ///< numbers of what was checked
  std::vector<StoreFinding> findings;
};

/// Hashes all blobs (with `threads` threads), checks that the outputs of all records and the files of their trees
/// exist, and compares all checkouts with their trees. With `repair`, damaged blobs and checkouts are moved into the
/// quarantine, and records with incomplete outputs are removed, so that the next build makes them again. Findings name
/// a blob by its step and path if a record has them. `progress(done, total)` in bytes. Error{Interrupted} after a stop
/// request.
StoreCheck check_store(DiskStore& store, bool repair, int threads,
                       const std::function<void(std::uint64_t, std::uint64_t)>& progress, std::stop_token stop = {});

}  // namespace k8simg
