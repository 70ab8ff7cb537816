// Garbage collection: keeps what the newest records of each defconfig refer to, and removes the rest.
#include <sys/stat.h>

#include <set>
#include <unordered_set>

#include "store/disk_state.hpp"
#include "store/record.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {
namespace {

// Visits the files below a folder that may be missing. Other failures are errors: blobs whose references were not seen
// would be removed.
template <class Iterator>
void each_entry(const fs::path& folder, const std::function<void(const fs::directory_entry&)>& visit) {
  std::error_code error;
  Iterator entry(folder, error);
  if (error == std::errc::no_such_file_or_directory) return;
  for (; !error && entry != Iterator(); entry.increment(error)) visit(*entry);
  if (error)
    throw Error(
        ErrorKind::Internal, "cannot read the folder " + folder.string() + " of the store: " + error.message(),
        "nothing was removed; make it readable for you (a run with sudo may have made files that belong to root)");
}

std::set<Digest> last_keys(const fs::path& folder) {
  std::set<Digest> keys;
  each_entry<fs::recursive_directory_iterator>(folder, [&](const fs::directory_entry& entry) {
    if (!entry.is_regular_file()) return;
    if (const auto key = Digest::parse(trim(read_file(entry.path())))) keys.insert(*key);
  });
  return keys;
}

// The disk space that the file uses: holes of disk images use none.
std::uint64_t bytes_on_disk(const fs::path& file) {
  struct stat info {};
  if (::lstat(file.c_str(), &info) != 0) return 0;
  return std::min<std::uint64_t>(info.st_size, static_cast<std::uint64_t>(info.st_blocks) * 512);
}

}  // namespace

void each_digest_file(const fs::path& folder, const std::function<void(const Digest&, const fs::path&)>& visit) {
  each_entry<fs::directory_iterator>(folder, [&](const fs::directory_entry& shelf) {
    if (!shelf.is_directory()) return;
    each_entry<fs::directory_iterator>(shelf.path(), [&](const fs::directory_entry& entry) {
      const auto digest = Digest::parse(shelf.path().filename().string() + entry.path().filename().string());
      if (digest) visit(*digest, entry.path());
    });
  });
}

DiskStore::Collected DiskStore::collect(const std::function<std::vector<Digest>(const Value&)>& references,
                                        const std::vector<Digest>& extra_roots, bool dry_run) {
  State& state = *state_;
  const fs::path lock_file = state.root / "lock";
  state.lock.reset();
  auto exclusive = FileLock::try_lock(lock_file, FileLock::Mode::Exclusive);
  // Takes the shared lock again at the end, also after an exception.
  struct Restore {
    State& state;
    std::optional<FileLock>& exclusive;
    const fs::path& lock_file;
    ~Restore() {
      exclusive.reset();
      try {
        state.lock = FileLock::wait(lock_file, FileLock::Mode::Shared);
      } catch (const Error&) {  // the store's folder was removed
      }
      std::lock_guard guard(state.mutex);
      state.records.clear();
    }
  } restore{state, exclusive, lock_file};
  if (!exclusive)
    throw Error(ErrorKind::Usage, "the store " + state.root.string() + " is in use by a build",
                "run gc again when it is done");

  const std::set<Digest> kept_records = last_keys(state.root / "last");
  std::unordered_set<Digest> kept(extra_roots.begin(), extra_roots.end());
  std::unordered_set<Digest> trees;  // of all records: they are removed before the blobs that they name
  std::unordered_set<Digest> walked;
  const auto keep = [&](const Value& value) {
    kept.insert(value.digest);
    if (value.kind != ValueKind::Tree || !has(value.digest) || !walked.insert(value.digest).second) return;
    for (const Digest& digest : references(value)) kept.insert(digest);
  };

  std::vector<fs::path> dead_records;
  const auto look_at_record = [&](const Digest& key, const fs::path& file) {
    const auto record = record_from_json(read_file(file));
    const bool keeps = record && record->key == key && kept_records.contains(key);
    if (!keeps) dead_records.push_back(file);
    if (!record) return;
    const auto visit = [&](const Value& value) {
      if (value.kind == ValueKind::Tree) trees.insert(value.digest);
      if (keeps) keep(value);
    };
    // Inputs too: a package fetched for another defconfig may not have a record here.
    for (const auto& input : record->inputs) visit(input.value);
    for (const auto& [name, value] : record->outputs) visit(value);
  };
  each_digest_file(state.root / "steps", look_at_record);
  each_digest_file(state.root / "pending" / state.boot, look_at_record);

  for (const Digest& root : extra_roots)
    if (trees.contains(root)) keep({ValueKind::Tree, root, 0});

  Collected collected;
  std::vector<fs::path> dead_trees, dead_blobs;
  each_digest_file(state.root / "blobs", [&](const Digest& digest, const fs::path& file) {
    if (kept.contains(digest)) return;
    (trees.contains(digest) ? dead_trees : dead_blobs).push_back(file);
    collected.blobs++;
    collected.bytes += bytes_on_disk(file);
  });
  std::vector<fs::path> dead_checkouts;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(state.root / "checkouts", error)) {
    const auto digest = Digest::parse(entry.path().filename().string());
    if (!digest || !kept.contains(*digest)) dead_checkouts.push_back(entry.path());
  }
  collected.records = dead_records.size();
  collected.checkouts = dead_checkouts.size();
  if (dry_run) return collected;

  // In this order the store stays consistent if the process is killed: no record without its outputs, no tree without
  // its files.
  for (const auto& file : dead_records) fs::remove(file, error);
  for (const auto& folder : dead_checkouts) remove_all_forced(folder);
  for (const auto& file : dead_trees) fs::remove(file, error);
  for (const auto& file : dead_blobs) fs::remove(file, error);
  remove_all_forced(state.root / "quarantine");
  return collected;
}

}  // namespace k8simg
