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
  std::string step;  ///< id, such as "kernel/build"
  Digest action;     ///< hash of the action alone, so that an explanation can tell recipe from inputs
  std::vector<RecordedInput> inputs;
  std::map<std::string, Value> outputs;
  double seconds = 0;
};

/// Receives bytes; the blob enters the store on commit(), and not at all otherwise. After commit() the writer is ready
/// for the next blob.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  virtual void write(std::string_view bytes) = 0;
  virtual Value commit() = 0;
};

/// What a look at a blob's bytes found.
enum class Condition {
  Whole,    ///< the bytes have the SHA-256 that the blob is named after
  Missing,  ///< no file, or an empty one under another name than that of no bytes
  Damaged   ///< other bytes, fewer bytes, or bytes that cannot be read
};

/// What planning may ask; nothing here changes the store. No question but `Store::check` reads a blob's bytes.
class StoreView {
 public:
  virtual ~StoreView() = default;
  virtual bool has(const Digest& digest) const = 0;
  virtual bool has(const Value& value) const = 0;  ///< the blob is there and has the value's size
  virtual std::optional<StepRecord> find_record(const Digest& key) const = 0;
  /// The newest record of this step of this defconfig: what a plan explains a change against.
  virtual std::optional<StepRecord> last_record(const std::string& defconfig, const std::string& step) const = 0;
};

/// Safe to use from many threads and by many processes at once. What a put returns is whole: a damaged blob of the same
/// name is replaced.
class Store : public StoreView {
 public:
  virtual std::unique_ptr<BlobWriter> writer() = 0;
  Value put(std::string_view bytes, ValueKind kind = ValueKind::Blob);
  /// Takes a file in: renamed when `move` and on the same filesystem, copied (holes kept) otherwise.
  virtual Value put_file(const std::filesystem::path& file, bool move = false) = 0;
  /// The blob's bytes. Error{Internal} when it is absent or damaged.
  virtual std::string read(const Digest& digest) const = 0;
  /// Read-only file, mode 0555 (executable so that checkouts can be hard links). Its bytes are not verified here: see
  /// `check`. Those that a step takes are, by the graph, before the step is recorded.
  virtual std::filesystem::path path(const Digest& digest) const = 0;
  /// Says that somebody takes a value's bytes by another way than `path`: a checkout that was there already.
  virtual void note_taken(const Value&) {}
  /// Hashes the blob, once for each object of this class: what it wrote or hashed before is not read again.
  virtual Condition check(const Digest& digest) const = 0;
  /// Takes a blob out of use, so that the next put of the same bytes writes them anew. A missing blob is no error.
  virtual void quarantine(const Digest& digest) = 0;
  /// The same for any file or folder of the store; `name`: what it is called in the quarantine.
  virtual void set_aside(const std::filesystem::path& path, const std::string& name) = 0;
  virtual void save_record(const std::string& defconfig, const StepRecord& record) = 0;
  /// Makes blobs and records durable: after a power cut, no record that is found refers to a blob that was lost.
  virtual void sync() = 0;
  virtual bool has_folders() const = 0;  ///< whether `path` and `folder` work
  /// A folder of the store for derived data: "checkouts", "scratch", "logs", "partial" (downloads), "cache/NAME".
  virtual std::filesystem::path folder(const std::string& name) const = 0;
};

/// The store on disk. Layout (format version 1):
///   version            "k8simg-store 1\n"; a newer number is refused with Error{Usage} that names the folder
///   blobs/ab/cdef...   files, 0555
///   steps/ab/cdef...   StepRecord as JSON, by key; the blobs of its outputs were on the disk before it
///   pending/HOST.BOOT/ab/cdef...  records of this start of this machine that sync() has not made durable yet.
///                      They hold until the machine stops; those of an earlier start are dropped.
///   last/DEFCONFIG/STEP  key of the newest record (slashes of the id become "__")
///   quarantine/        damaged blobs and checkouts, until gc
///   checkouts/ scratch/ logs/ partial/ cache/
///   lock               shared lock held by every user, exclusive by gc
/// The folder is for its owner alone (0700): blobs hold what overlays hold, passphrases and keys too.
class DiskStore : public Store {
 public:
  /// Error{Usage} for a folder that cannot be a store: another format, or a filesystem that runs no programs or has no
  /// symbolic links.
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
  /// Records that cannot be parsed are left out; Error{Internal} for one that cannot be read.
  std::vector<StepRecord> records() const;
  void drop_record(const Digest& key);

  struct Collected {
    std::uint64_t blobs = 0, bytes = 0, records = 0, checkouts = 0;
  };
  /// Removes what no kept record reaches, and the quarantine. `references`: the blobs that a tree blob names.
  /// Takes the exclusive lock; Error{Usage} if a build holds the store. Error{Internal}, and nothing is removed, when
  /// records or the pointers to them cannot be read.
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

  /// As a disk may: the blob has other bytes from now on, under its old name.
  void damage(const Digest& digest, std::string bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace k8simg
