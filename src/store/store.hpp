// The store: bytes named by their SHA-256, and the records of steps that were run.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "util/digest.hpp"

namespace k8simg {

enum class ValueKind { Blob, Tree };  ///< Tree: the blob is a serialised tree (tree/tree.hpp) that names further blobs

/// What flows along the edges of the step graph.
struct Value {
  ValueKind kind = ValueKind::Blob;
  Digest digest;
  std::uint64_t size = 0;  ///< bytes of the blob itself
  bool operator==(const Value&) const = default;
};

struct RecordedInput {
  std::string name;
  Value value;
};

/// What one run of a step took and gave. Stored under the step's key.
struct StepRecord {
  Digest key;
  std::string step;                        ///< id, such as "kernel/build"
  Digest action;                           ///< hash of the action alone, so that an explanation can tell recipe from inputs
  std::vector<RecordedInput> inputs;
  std::map<std::string, Value> outputs;
  double seconds = 0;
};

/// Receives bytes; the blob enters the store on commit(), and not at all otherwise. After commit() the writer is ready for the next blob.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  virtual void write(std::string_view bytes) = 0;
  virtual Value commit() = 0;
};

/// What planning may ask; nothing here changes the store.
class StoreView {
 public:
  virtual ~StoreView() = default;
  virtual bool has(const Digest& digest) const = 0;
  virtual std::optional<StepRecord> find_record(const Digest& key) const = 0;
  /// The newest record of this step of this defconfig: what a plan explains a change against.
  virtual std::optional<StepRecord> last_record(const std::string& defconfig, const std::string& step) const = 0;
};

/// Safe to use from many threads and by many processes at once.
class Store : public StoreView {
 public:
  virtual std::unique_ptr<BlobWriter> writer() = 0;
  Value put(std::string_view bytes, ValueKind kind = ValueKind::Blob);
  /// Takes a file in: renamed when `move` and on the same filesystem, copied (holes kept) otherwise.
  virtual Value put_file(const std::filesystem::path& file, bool move = false) = 0;
  virtual std::string read(const Digest& digest) const = 0;            ///< Error{Internal} when absent
  /// Read-only file, mode 0555 (executable so that checkouts can be hard links).
  virtual std::filesystem::path path(const Digest& digest) const = 0;
  virtual void save_record(const std::string& defconfig, const StepRecord& record) = 0;
  /// A folder of the store for derived data: "checkouts", "scratch", "logs", "partial" (downloads), "cache/NAME".
  virtual std::filesystem::path folder(const std::string& name) const = 0;
};

/// The store on disk. Layout (format version 1):
///   version            "k8simg-store 1\n"; a newer number is refused with Error{Usage} that names the folder
///   blobs/ab/cdef...   files, 0555
///   steps/ab/cdef...   StepRecord as JSON, by key
///   last/DEFCONFIG/STEP  key of the newest record (slashes of the id become "__")
///   checkouts/ scratch/ logs/ partial/ cache/
///   lock               shared lock held by every user, exclusive by gc
class DiskStore : public Store {
 public:
  explicit DiskStore(std::filesystem::path root);
  ~DiskStore() override;

  const std::filesystem::path& root() const;
  bool has(const Digest& digest) const override;
  std::optional<StepRecord> find_record(const Digest& key) const override;
  std::optional<StepRecord> last_record(const std::string& defconfig, const std::string& step) const override;
  std::unique_ptr<BlobWriter> writer() override;
  Value put_file(const std::filesystem::path& file, bool move) override;
  std::string read(const Digest& digest) const override;
  std::filesystem::path path(const Digest& digest) const override;
  void save_record(const std::string& defconfig, const StepRecord& record) override;
  std::filesystem::path folder(const std::string& name) const override;

  struct Collected { std::uint64_t blobs = 0, bytes = 0, records = 0, checkouts = 0; };
  /// Removes what no kept record reaches. `keep`: which records stay (those that are some defconfig's last are offered).
  /// `references`: the blobs that a tree blob names. Takes the exclusive lock; Error{Usage} if a build holds the store.
  Collected collect(const std::function<std::vector<Digest>(const Value&)>& references,
                    const std::vector<Digest>& extra_roots = {}, bool dry_run = false);

 private:
  struct State;
  class Writer;
  std::unique_ptr<State> state_;
};

/// The twin for tests: no disk. path() and folder() throw Error{Internal}.
class MemoryStore : public Store {
 public:
  MemoryStore();
  ~MemoryStore() override;
  bool has(const Digest& digest) const override;
  std::optional<StepRecord> find_record(const Digest& key) const override;
  std::optional<StepRecord> last_record(const std::string& defconfig, const std::string& step) const override;
  std::unique_ptr<BlobWriter> writer() override;
  Value put_file(const std::filesystem::path& file, bool move) override;
  std::string read(const Digest& digest) const override;
  std::filesystem::path path(const Digest& digest) const override;
  void save_record(const std::string& defconfig, const StepRecord& record) override;
  std::filesystem::path folder(const std::string& name) const override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace k8simg
