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
constexpr std::string_view name_of(ValueKind kind) { return kind == ValueKind::Tree ? "tree" : "blob"; }

/// An output of a step: the edges of the step graph carry values.
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

/// Inputs and outputs of one run of a step. Stored under the step's key.
struct StepRecord {
  Digest key;
  std::string step;  ///< id, such as "kernel/build"
  Digest action;     ///< hash of the action alone, so that an explanation can tell changed code from changed inputs
  std::vector<RecordedInput> inputs;
  std::map<std::string, Value> outputs;
  double seconds = 0;
};

/// Receives bytes. Only commit() stores the blob; after it the writer can be used for the next blob.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  virtual void write(std::string_view bytes) = 0;
  virtual Value commit() = 0;
};

/// The result of checking a blob's bytes.
enum class Condition {
  Whole,    ///< the bytes have the SHA-256 that the blob is named after
  Missing,  ///< no file, or an empty file whose digest is not that of no bytes
  Damaged   ///< different, truncated or unreadable bytes
};

/// Read-only queries for planning. They do not read blobs; only `Store::check` does.
class StoreView {
 public:
  virtual ~StoreView() = default;
  virtual bool has(const Digest& digest) const = 0;
  virtual bool has(const Value& value) const = 0;  ///< the blob is there and has the value's size
  virtual std::optional<StepRecord> find_record(const Digest& key) const = 0;
  /// The newest record of this step of this defconfig, used to explain why a step runs again.
  virtual std::optional<StepRecord> last_record(const std::string& defconfig, const std::string& step) const = 0;
};

/// Safe for concurrent use by threads and processes. A blob returned by a put is whole: a damaged blob with the same
/// digest is replaced.
class Store : public StoreView {
 public:
  virtual std::unique_ptr<BlobWriter> writer() = 0;
  Value put(std::string_view bytes, ValueKind kind = ValueKind::Blob);
  /// Stores a file: renamed when `move` and on the same filesystem, otherwise copied with its holes.
  virtual Value put_file(const std::filesystem::path& file, bool move = false) = 0;
  /// The blob's bytes. Error{Internal} when it is missing or damaged.
  virtual std::string read(const Digest& digest) const = 0;
  /// A read-only file with mode 0555 (executable so that checkouts can be hard links). The bytes are not verified here
  /// (see `check`); the graph verifies the bytes that a step uses before it records the step.
  virtual std::filesystem::path path(const Digest& digest) const = 0;
  /// Reports that a value's bytes are used without `path`, through an existing checkout.
  virtual void note_taken(const Value&) {}
  /// Hashes the blob. Blobs that this object wrote or hashed before are not read again.
  virtual Condition check(const Digest& digest) const = 0;
  /// Moves a blob into the quarantine, so that the next put of the same bytes writes it again. A missing blob is no
  /// error.
  virtual void quarantine(const Digest& digest) = 0;
  /// The same for any file or folder of the store; `name`: its name in the quarantine.
  virtual void set_aside(const std::filesystem::path& path, const std::string& name) = 0;
  virtual void save_record(const std::string& defconfig, const StepRecord& record) = 0;
  /// Makes blobs and records durable: after a power cut, every record that is found has its blobs.
  virtual void sync() = 0;
  virtual bool has_folders() const = 0;  ///< whether `path` and `folder` work
  /// A folder of the store for derived data: "checkouts", "scratch", "logs", "partial" (downloads), "cache/NAME".
  virtual std::filesystem::path folder(const std::string& name) const = 0;
};

/// The store on disk. Layout (format version 1):
///   version            "k8simg-store 1\n"; a newer number is refused with Error{Usage} that names the folder
///   blobs/ab/cdef...   files, 0555
///   steps/ab/cdef...   StepRecord as JSON, by key; written after the blobs of its outputs
///   pending/HOST.BOOT/ab/cdef...  records of this boot that sync() has not made durable yet.
///                      They are valid until the machine stops; those of earlier boots are removed.
///   last/DEFCONFIG/STEP  key of the newest record (slashes of the id become "__")
///   quarantine/        damaged blobs and checkouts, until gc
///   checkouts/ scratch/ logs/ partial/ cache/
///   lock               shared lock held by every user, exclusive by gc
/// The folder has mode 0700: blobs contain the files of overlays, which may be passphrases and keys.
class DiskStore : public Store {
 public:
  /// Error{Usage} for an unsuitable folder: another format, or a filesystem mounted noexec or without symlinks.
  explicit DiskStore(std::filesystem::path root);
  ~DiskStore() override;

  const std::filesystem::path& root() const;
  bool has(const Digest& digest) const override;
  bool has(const Value& value) const override;
  std::optional<StepRecord> find_record(const Digest& key) const override;
  std::optional<StepRecord> last_record(const std::string& defconfig, const std::string& step) const override;
  std::unique_ptr<BlobWriter> writer() override;
  Value put_file(const std::filesystem::path& file, bool move) override;
  std::string read(const Digest& digest) const override;
  std::filesystem::path path(const Digest& digest) const override;
  Condition check(const Digest& digest) const override;
  void quarantine(const Digest& digest) override;
  void set_aside(const std::filesystem::path& path, const std::string& name) override;
  void save_record(const std::string& defconfig, const StepRecord& record) override;
  void sync() override;
  bool has_folders() const override { return true; }
  std::filesystem::path folder(const std::string& name) const override;

  /// All blobs and records, in no particular order. Error{Internal} when a folder cannot be read.
  std::vector<Digest> blobs() const;
  /// Skips records that cannot be parsed; Error{Internal} for one that cannot be read.
  std::vector<StepRecord> records() const;
  void drop_record(const Digest& key);

  struct Collected {
    std::uint64_t blobs = 0, bytes = 0, records = 0, checkouts = 0;
  };
  /// Removes what no kept record refers to, and the quarantine. `references`: the blobs that a tree names. Takes the
  /// exclusive lock; Error{Usage} if a build uses the store. If records or the pointers to them cannot be read, it
  /// removes nothing and throws Error{Internal}.
  Collected collect(const std::function<std::vector<Digest>(const Value&)>& references,
                    const std::vector<Digest>& extra_roots = {}, bool dry_run = false);

 private:
  struct State;
  class Writer;
  std::unique_ptr<State> state_;
};

/// A store in memory, for tests. path() and folder() throw Error{Internal}.
class MemoryStore : public Store {
 public:
  MemoryStore();
  ~MemoryStore() override;
  bool has(const Digest& digest) const override;
  bool has(const Value& value) const override;
  std::optional<StepRecord> find_record(const Digest& key) const override;
  std::optional<StepRecord> last_record(const std::string& defconfig, const std::string& step) const override;
  std::unique_ptr<BlobWriter> writer() override;
  Value put_file(const std::filesystem::path& file, bool move) override;
  std::string read(const Digest& digest) const override;
  std::filesystem::path path(const Digest& digest) const override;
  Condition check(const Digest& digest) const override;
  void quarantine(const Digest& digest) override;
  void set_aside(const std::filesystem::path& path, const std::string& name) override;
  void save_record(const std::string& defconfig, const StepRecord& record) override;
  void sync() override {}
  bool has_folders() const override { return false; }
  std::filesystem::path folder(const std::string& name) const override;

  /// Simulates a disk error: the blob has other bytes under its digest.
  void damage(const Digest& digest, std::string bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace k8simg
