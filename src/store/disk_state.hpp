// The state and folder layout of DiskStore: private to the store, shared with garbage collection.
#pragma once

#include <atomic>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "store/store.hpp"
#include "util/file.hpp"

namespace k8simg {

/// A private folder scratch/PID-.../ with a lock that is held while this object exists. The constructor removes folders
/// of processes that have ended.
class ScratchFolder {
 public:
  explicit ScratchFolder(const fs::path& parent);
  const fs::path& path() const { return folder_.path(); }

 private:
  void bury_the_dead(const fs::path& parent);

  TempDir folder_;
  std::optional<FileLock> held_;
};

struct DiskStore::State {
  explicit State(fs::path store_root);

  fs::path root;
  std::optional<FileLock> lock;  // shared, except during collect()
  std::optional<ScratchFolder> scratch;
  std::atomic<std::uint64_t> next_name{0};  // for files in scratch

  std::string boot;  // this boot of the machine: the name of its folder in pending/

  mutable std::mutex mutex;                                // guards the members below
  mutable std::unordered_map<Digest, StepRecord> records;  // cache: planning and running read the same records
  mutable std::unordered_set<Digest> whole;                // blobs that this process wrote or hashed
  bool pending = false;                                    // there are records that sync() has not made durable

  fs::path blob_path(const Digest& digest) const;
  fs::path record_path(const Digest& key) const;
  fs::path pending_path(const Digest& key) const;
  fs::path last_path(const std::string& defconfig, const std::string& step) const;
  fs::path new_scratch_file();

  /// Size of the blob in bytes; nullopt when it is missing. An empty file counts as missing unless the digest is that
  /// of no bytes: a power cut can leave such files.
  std::optional<std::uint64_t> blob_size(const Digest& digest) const;
  bool knows_whole(const Digest& digest) const;
  Condition check(const Digest& digest) const;
  /// Whether the store has these bytes. A damaged blob is moved into the quarantine.
  bool holds(const Value& value);
  /// Renames a complete scratch file with a verified digest to its blob's name.
  void place(const fs::path& file, const Value& value);
  void set_aside(const fs::path& path, const std::string& name);
  /// Removes the pending records of earlier boots: their blobs may not have reached the disk.
  void drop_old_records();
  void write_small_file(const fs::path& target, std::string_view bytes);
  std::optional<StepRecord> read_record(const Digest& key) const;  ///< reads from disk, not from the cache
};

/// Calls `visit(digest, path)` for every blob or record file below a folder; other files are ignored. A missing folder
/// has none. Error{Internal} if the folder cannot be read.
void each_digest_file(const fs::path& folder, const std::function<void(const Digest&, const fs::path&)>& visit);

/// Error{Usage} when a filesystem is not suitable for a store: mounted noexec, without symlinks, or case-insensitive.
void check_filesystem(const fs::path& root, const fs::path& scratch);

}  // namespace k8simg
