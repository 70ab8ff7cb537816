// What DiskStore keeps in memory and how it lays out its folder: private to the store, shared with garbage collection.
#pragma once

#include <atomic>
#include <mutex>
#include <unordered_map>

#include "store/store.hpp"
#include "util/file.hpp"

namespace k8simg {

/// A private folder scratch/PID-.../ whose lock is held while this object lives. Opening one removes those of dead processes.
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
  std::optional<FileLock> lock;            // shared, except during collect()
  std::optional<ScratchFolder> scratch;
  std::atomic<std::uint64_t> next_name{0};  // for files in scratch

  mutable std::mutex mutex;                // guards `records`
  mutable std::unordered_map<Digest, StepRecord> records;  // those already read: a plan and its run ask for the same ones

  fs::path blob_path(const Digest& digest) const;
  fs::path record_path(const Digest& key) const;
  fs::path last_path(const std::string& defconfig, const std::string& step) const;
  fs::path new_scratch_file();

  /// Bytes of the blob, nullopt when it is not there. A file of no bytes under another name than that of no bytes is what a power
  /// cut can leave behind: not there.
  std::optional<std::uint64_t> blob_size(const Digest& digest) const;
  bool holds(const Value& value) const;
  /// Renames a finished scratch file to its blob's name.
  void place(const fs::path& file, const Value& value);
  void write_small_file(const fs::path& target, std::string_view bytes);
  std::optional<StepRecord> read_record(const Digest& key) const;  ///< past the memory
};

}  // namespace k8simg
