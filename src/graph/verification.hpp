// Verifies the blobs that steps use. Private to the graph.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "store/store.hpp"

namespace k8simg {

/// A missing or damaged blob, or a checkout that differs from its tree.
struct Damage {
  Digest digest;  ///< of the blob, or of the tree if its checkout differs
  Condition condition = Condition::Damaged;
  bool checkout = false;  ///< the blobs are whole, but the checkout is not
  std::string name;       ///< shown in messages: "package/systemd: usr/bin/systemctl"
};

/// Each value is checked until it was found whole, and each blob is hashed at most once; blobs written by this process
/// are not read again. Thread-safe: a second check of the same value waits for the first.
class Verification {
 public:
  explicit Verification(Store& store) : store_(store) {}

  /// Checks the blob; for a tree also its files and its checkout, if any. `name` is shown in messages. Returns the
  /// damage; after a stop request, only what was found so far.
  std::vector<Damage> check(const std::string& name, const Value& value, const std::stop_token& stop);

 private:
  struct Known {
    std::mutex mutex;  // held during a check
    bool whole = false;
  };

  Store& store_;
  std::mutex mutex_;  // guards the map
  std::map<std::pair<Digest, ValueKind>, std::shared_ptr<Known>> known_;
};

}  // namespace k8simg
