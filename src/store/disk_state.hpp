// What DiskStore keeps in memory and how it lays out its folder: private to the store, shared with garbage collection.
#pragma once

#include <atomic>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "store/store.hpp"
#include "util/file.hpp"

namespace k8simg {

/// A private folder scratch/PID-.../ whose lock is held while this object lives. Opening one removes those of dead
/// processes.
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

  std::string boot;  // this start of this machine: the name of its folder in pending/

  mutable std::mutex mutex;  // guards what follows
  mutable std::unordered_map<Digest, StepRecord>
      records;                               // those already read: a plan and its run ask for the same ones
  mutable std::unordered_set<Digest> whole;  // blobs that this process wrote or hashed
  bool pending = false;                      // there are records that sync() has not made durable

  fs::path blob_path(const Digest& digest) const;
  fs::path record_path(const Digest& key) const;
  fs::path pending_path(const Digest& key) const;
  fs::path last_path(const std::string& defconfig, const std::string& step) const;
  fs::path new_scratch_file();

  /// Bytes of the blob, nullopt when it is not there. A file of no bytes under another name than that of no bytes is
  /// what a power cut can leave behind: not there.
  std::optional<std::uint64_t> blob_size(const Digest& digest) const;
  bool knows_whole(const Digest& digest) const;
  Condition check(const Digest& digest) const;
  /// Whether the store has these very bytes. A damaged blob is moved into quarantine.
  bool holds(const Value& value);
  /// Renames a finished scratch file, whose bytes were hashed, to its blob's name.
  void place(const fs::path& file, const Value& value);
  void set_aside(const fs::path& path, const std::string& name);
  /// Drops the pending records of earlier starts of this machine: their blobs may not have reached the disk.
  void drop_old_records();
  void write_small_file(const fs::path& target, std::string_view bytes);
  std::optional<StepRecord> read_record(const Digest& key) const;  ///< past the memory
};

/// Calls `visit(digest, path)` for every blob or record file below a folder; files with other names are not ours. A
/// folder that is not there has none; one that cannot be read is Error{Internal}: nobody may take it for empty.
void each_digest_file(const fs::path& folder, const std::function<void(const Digest&, const fs::path&)>& visit);

/// Error{Usage} when a filesystem cannot hold a store: mounted noexec, without symbolic links, or blind to the case of
/// names.
void check_filesystem(const fs::path& root, const fs::path& scratch);

}  // namespace k8simg
