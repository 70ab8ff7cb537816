// Hashes what steps take out of the store. Private to the graph.
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

/// Something that is not what it is named after.
struct Damage {
  Digest digest;  ///< of a blob; of a tree when its checkout differs
  Condition condition = Condition::Damaged;
  bool checkout = false;  ///< the blobs are whole, the folder made of them is not
  std::string name;       ///< for people: "package/systemd: usr/bin/systemctl"
};

/// Each value is looked at until it was found whole once, and each blob is hashed at most once; a blob that this
/// process wrote is not read again. Safe to use from many threads: who asks for a value that is being looked at waits
/// for the result.
class Verification {
 public:
  explicit Verification(Store& store) : store_(store) {}

  /// The blob and, of a tree, its files and its checkout, if there is one. `name` is for people. Returns what is not
  /// whole; after a stop request, what was found until then.
  std::vector<Damage> check(const std::string& name, const Value& value, const std::stop_token& stop);

 private:
  struct Known {
    std::mutex mutex;  // held while somebody looks
    bool whole = false;
  };

  Store& store_;
  std::mutex mutex_;  // guards the map
  std::map<std::pair<Digest, ValueKind>, std::shared_ptr<Known>> known_;
};

}  // namespace k8simg
