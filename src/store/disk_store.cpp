// The store on disk: blobs named by their digest, records as small files. Complete files are renamed into place.
//
// A record is first written into this boot's folder below pending/. Until the machine stops, written data can be read
// back even if the process is killed. sync() flushes the filesystem and then renames records into steps/, so the blobs
// of a record in steps/ survive a power cut.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "store/disk_state.hpp"
#include "store/file_name.hpp"
#include "store/record.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {
namespace {

constexpr std::string_view version_prefix = "k8simg-store ";
constexpr std::string_view version_line = "k8simg-store 1\n";
constexpr std::size_t spill_bytes = 1 << 20;  // a blob up to this size stays in memory until commit()
constexpr unsigned blob_mode = 0555;

// Changes the mode only if necessary (umask, other owner): fchmod costs more than fstat.
void set_blob_mode(int fd, const fs::path& name_for_errors) {
  struct stat info {};
  if (::fstat(fd, &info) == 0 && (info.st_mode & 07777) == blob_mode) return;
  if (::fchmod(fd, blob_mode) != 0) throw_errno("cannot set the mode of", name_for_errors.string(), errno);
}

fs::path below(const fs::path& folder, const Digest& digest) {
  const std::string hex = digest.hex();
  return folder / hex.substr(0, 2) / hex.substr(2);
}

// This boot of the machine, as "HOST.BOOT".
std::string this_boot() {
  struct utsname name {};
  ::uname(&name);
  const std::string host = file_name_of(replace_all(name.nodename, ".", "_")) + ".";
  try {
    return host + std::string(trim(read_file("/proc/sys/kernel/random/boot_id")));
  } catch (const Error&) {  // boots cannot be told apart: keep the records of this process only
    return host + std::to_string(::getpid()) + "-" +
           std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  }
}

// Removes the permissions of others. Group permissions stay, since they may be set on purpose.
void keep_to_owner(const fs::path& root) {
  struct stat info {};
  if (::stat(root.c_str(), &info) != 0 || info.st_uid != ::geteuid() || (info.st_mode & 07) == 0) return;
  if (::chmod(root.c_str(), info.st_mode & 07770) != 0) throw_errno("cannot set the mode of", root.string(), errno);
}

void check_version(const fs::path& root) {
  const fs::path file = root / "version";
  if (!fs::exists(file)) {
    // Never use a folder that contains other files. "lock" and the version's temporary file come from another process
    // that creates the same store now.
    for (const auto& entry : fs::directory_iterator(root)) {
      const std::string name = entry.path().filename().string();
      if (name == "lock" || name.starts_with(".tmp-")) continue;
      if (fs::exists(file)) break;
      throw Error(
          ErrorKind::Usage,
          root.string() + " is not empty and is not a k8simg store (it has \"" + name + "\" but no version file)",
          "choose another folder with --store or K8SIMG_STORE");
    }
    AtomicFile out(file, 0644, true);
    out.write(version_line);
    out.commit();
    return;
  }
  // Symlinks are refused: cleaning scratch or garbage would remove the contents of their targets. The store may be part
  // of a foreign project.
  const auto refuse_links = [](const fs::path& folder) {
    for (const auto& entry : fs::directory_iterator(folder))
      if (entry.is_symlink())
        throw Error(ErrorKind::Usage, entry.path().string() + " is a symbolic link, which a store does not have",
                    "remove the link, or choose another folder with --store or K8SIMG_STORE");
  };
  refuse_links(root);
  for (const char* name :
       {"blobs", "steps", "last", "checkouts", "scratch", "logs", "partial", "cache", "pending", "quarantine"})
    if (fs::is_directory(root / name)) refuse_links(root / name);
  const std::string text = read_file(file);
  if (text == version_line) return;
  if (text.starts_with(version_prefix)) {
    const std::string number(trim(std::string_view(text).substr(version_prefix.size())));
    if (!number.empty() && number.find_first_not_of("0123456789") == std::string::npos)
      throw Error(ErrorKind::Usage,
                  "the store " + root.string() + " has format " + number + "; this k8simg knows format 1",
                  "use the k8simg that made it, or another folder with --store or K8SIMG_STORE");
  }
  throw Error(ErrorKind::Usage, file.string() + " does not say which format the store has",
              "if the folder is a k8simg store, put \"" + std::string(trim(version_line)) +
                  "\" into that file; else choose another with --store");
}

}  // namespace

DiskStore::State::State(fs::path store_root) : root(std::move(store_root)) {
  try {
    // Creates the store with mode 0700; its parents get the default mode.
    if (root.has_parent_path()) fs::create_directories(root.parent_path());
    if (::mkdir(root.c_str(), 0700) != 0 && !fs::is_directory(root)) fs::create_directories(root);
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorKind::Usage, "cannot make the store " + root.string() + ": " + error.code().message(),
                "choose another folder with --store or K8SIMG_STORE");
  }
  root = fs::absolute(root).lexically_normal();
  check_version(root);
  keep_to_owner(root);
  lock = FileLock::wait(root / "lock", FileLock::Mode::Shared);
  for (const char* name : {"blobs", "steps", "last"}) fs::create_directories(root / name);
  scratch.emplace(root / "scratch");
  check_filesystem(root, scratch->path());
  boot = this_boot();
  drop_old_records();
}

fs::path DiskStore::State::blob_path(const Digest& digest) const { return below(root / "blobs", digest); }
fs::path DiskStore::State::record_path(const Digest& key) const { return below(root / "steps", key); }
fs::path DiskStore::State::pending_path(const Digest& key) const { return below(root / "pending" / boot, key); }

void DiskStore::State::drop_old_records() {
  std::error_code none;
  const std::string machine = boot.substr(0, boot.find('.') + 1);
  for (const auto& entry : fs::directory_iterator(root / "pending", none)) {
    const std::string name = entry.path().filename().string();
    if (name == boot)
      pending = true;
    else if (name.starts_with(machine))
      remove_all_forced(entry.path());
  }
}

fs::path DiskStore::State::last_path(const std::string& defconfig, const std::string& step) const {
  return root / "last" / file_name_of(defconfig) / file_name_of(step);
}

fs::path DiskStore::State::new_scratch_file() { return scratch->path() / ("file-" + std::to_string(next_name++)); }

std::optional<std::uint64_t> DiskStore::State::blob_size(const Digest& digest) const {
  static const Digest nothing = sha256("");
  struct stat info {};
  if (::lstat(blob_path(digest).c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  if (info.st_size == 0 && digest != nothing) return std::nullopt;
  return static_cast<std::uint64_t>(info.st_size);
}

bool DiskStore::State::knows_whole(const Digest& digest) const {
  std::lock_guard guard(mutex);
  return whole.contains(digest);
}

Condition DiskStore::State::check(const Digest& digest) const {
  if (!blob_size(digest)) return Condition::Missing;
  if (knows_whole(digest)) return Condition::Whole;
  try {
    if (sha256_file(blob_path(digest)) != digest) return Condition::Damaged;
  } catch (const Error&) {  // a read error
    return Condition::Damaged;
  }
  std::lock_guard guard(mutex);
  whole.insert(digest);
  return Condition::Whole;
}

bool DiskStore::State::holds(const Value& value) {
  switch (check(value.digest)) {
    case Condition::Whole:
      return true;
    case Condition::Missing:
      return false;
    case Condition::Damaged:
      set_aside(blob_path(value.digest), value.digest.hex());
  }
  return false;
}

// Another thread or process may have stored the same blob meanwhile. Its file is replaced by one with the same bytes.
void DiskStore::State::place(const fs::path& file, const Value& value) {
  const fs::path target = blob_path(value.digest);
  if (::rename(file.c_str(), target.c_str()) != 0) {
    if (errno == ENOENT) fs::create_directories(target.parent_path());
    if (::rename(file.c_str(), target.c_str()) != 0) throw_errno("cannot rename to", target.string(), errno);
  }
  std::lock_guard guard(mutex);
  whole.insert(value.digest);
}

// ENOENT: another process has moved it already.
void DiskStore::State::set_aside(const fs::path& path, const std::string& name) {
  const fs::path folder = root / "quarantine";
  fs::create_directories(folder);
  const fs::path target = folder / (name + "." + std::to_string(::getpid()) + "-" + std::to_string(next_name++));
  if (::rename(path.c_str(), target.c_str()) != 0 && errno != ENOENT)
    throw_errno("cannot move into the quarantine", path.string(), errno);
}

// Uses scratch instead of AtomicFile, so that files of a killed process are removed with its scratch folder.
void DiskStore::State::write_small_file(const fs::path& target, std::string_view bytes) {
  const fs::path file = new_scratch_file();
  write_all(Fd::open(file, O_WRONLY | O_CREAT | O_EXCL, 0644).get(), bytes, file);
  fs::create_directories(target.parent_path());
  if (::rename(file.c_str(), target.c_str()) != 0) throw_errno("cannot rename to", target.string(), errno);
}

std::optional<StepRecord> DiskStore::State::read_record(const Digest& key) const {
  for (const fs::path& file : {pending_path(key), record_path(key)}) {
    if (::access(file.c_str(), R_OK) != 0) continue;
    try {
      auto record = record_from_json(read_file(file));
      if (record && record->key == key) return record;
    } catch (const Error&) {  // unreadable: the step runs again and writes a new record
    }
  }
  return std::nullopt;
}

DiskStore::DiskStore(std::filesystem::path root) : state_(std::make_unique<State>(std::move(root))) {}
DiskStore::~DiskStore() = default;

const std::filesystem::path& DiskStore::root() const { return state_->root; }

bool DiskStore::has(const Digest& digest) const { return state_->blob_size(digest).has_value(); }
bool DiskStore::has(const Value& value) const { return state_->blob_size(value.digest) == value.size; }
Condition DiskStore::check(const Digest& digest) const { return state_->check(digest); }
void DiskStore::set_aside(const std::filesystem::path& path, const std::string& name) { state_->set_aside(path, name); }

void DiskStore::quarantine(const Digest& digest) {
  {
    std::lock_guard guard(state_->mutex);
    state_->whole.erase(digest);
  }
  state_->set_aside(state_->blob_path(digest), digest.hex());
}

std::optional<StepRecord> DiskStore::find_record(const Digest& key) const {
  {
    std::lock_guard guard(state_->mutex);
    if (const auto found = state_->records.find(key); found != state_->records.end()) return found->second;
  }
  auto record = state_->read_record(key);
  if (record) {
    std::lock_guard guard(state_->mutex);
    state_->records.try_emplace(key, *record);
  }
  return record;
}

std::optional<StepRecord> DiskStore::last_record(const std::string& defconfig, const std::string& step) const {
  const fs::path file = state_->last_path(defconfig, step);
  if (::access(file.c_str(), R_OK) != 0) return std::nullopt;
  std::optional<Digest> key;
  try {
    key = Digest::parse(trim(read_file(file)));
  } catch (const Error&) {
  }
  return key ? find_record(*key) : std::nullopt;
}

// Hashes while writing. Small blobs stay in memory until commit(), because a rebuild mostly puts blobs that the store
// already has. Unpacking puts tens of thousands of blobs, so system calls are kept few.
class DiskStore::Writer : public BlobWriter {
 public:
  explicit Writer(State& state) : state_(state) {}
  ~Writer() override { drop_file(); }

  void write(std::string_view bytes) override {
    hash_.update(bytes);
    size_ += bytes.size();
    if (!fd_.valid() && buffer_.size() + bytes.size() <= spill_bytes) {
      buffer_ += bytes;
      return;
    }
    spill();
    write_all(fd_.get(), bytes, file_);
  }

  Value commit() override {
    const Value value{ValueKind::Blob, hash_.finish(), size_};
    size_ = 0;
    if (!state_.holds(value)) {
      spill();
      close_file();
      state_.place(file_, value);
      file_.clear();
    }
    drop_file();
    buffer_.clear();
    return value;
  }

 private:
  void spill() {
    if (fd_.valid()) return;
    file_ = state_.new_scratch_file();
    fd_ = Fd::open(file_, O_WRONLY | O_CREAT | O_EXCL, blob_mode);  // the mode applies to later opens
    write_all(fd_.get(), buffer_, file_);
    buffer_.clear();
  }

  void close_file() {
    set_blob_mode(fd_.get(), file_);
    // Some filesystems report a full disk only here.
    if (::close(fd_.release()) != 0 && errno != EINTR) throw_errno("cannot write", file_.string(), errno);
  }

  void drop_file() {
    fd_.reset();
    if (!file_.empty()) ::unlink(file_.c_str());
    file_.clear();
  }

  State& state_;
  Sha256 hash_;
  std::uint64_t size_ = 0;
  std::string buffer_;
  fs::path file_;
  Fd fd_;
};

std::unique_ptr<BlobWriter> DiskStore::writer() { return std::make_unique<Writer>(*state_); }

Value DiskStore::put_file(const std::filesystem::path& file, bool move) {
  struct stat info {};
  if (::lstat(file.c_str(), &info) != 0) throw_errno("cannot take into the store", file.string(), errno);
  if (!S_ISREG(info.st_mode))
    throw Error(ErrorKind::Internal, file.string() + " is not a regular file, so it cannot become a blob");

  const fs::path mine = state_->new_scratch_file();
  // A file with several hard links could be changed through another name, so it is copied.
  bool renamed = move && info.st_nlink == 1 && ::rename(file.c_str(), mine.c_str()) == 0;
  if (!renamed) copy_sparse(file, mine, 0600);
  try {
    const Fd fd = Fd::open(mine, O_RDONLY);
    struct stat taken {};
    if (::fstat(fd.get(), &taken) != 0) throw_errno("cannot read", mine.string(), errno);
    const Value value{ValueKind::Blob, sha256_file(mine), static_cast<std::uint64_t>(taken.st_size)};
    if (state_->holds(value)) {
      ::unlink(mine.c_str());
    } else {
      set_blob_mode(fd.get(), mine);
      state_->place(mine, value);
    }
    if (move && !renamed) ::unlink(file.c_str());
    return value;
  } catch (...) {
    ::unlink(mine.c_str());
    throw;
  }
}

std::string DiskStore::read(const Digest& digest) const {
  std::string bytes = read_file(path(digest));
  if (state_->knows_whole(digest)) return bytes;
  if (sha256(bytes) != digest)
    throw Error(ErrorKind::Internal, "blob " + digest.hex() + " in the store " + state_->root.string() + " is damaged",
                "run `k8simg store check --repair`, then build again");
  std::lock_guard guard(state_->mutex);
  state_->whole.insert(digest);
  return bytes;
}

std::filesystem::path DiskStore::path(const Digest& digest) const {
  if (!has(digest))
    throw Error(ErrorKind::Internal, "blob " + digest.hex() + " is not in the store " + state_->root.string());
  return state_->blob_path(digest);
}

// The record is written before the pointer. If the process is killed in between, the older pointer stays valid. A
// pointer to a missing record is ignored.
void DiskStore::save_record(const std::string& defconfig, const StepRecord& record) {
  state_->write_small_file(state_->pending_path(record.key), record_to_json(record));
  state_->write_small_file(state_->last_path(defconfig, record.step), record.key.hex() + "\n");
  std::lock_guard guard(state_->mutex);
  state_->records.insert_or_assign(record.key, record);
  state_->pending = true;
}

// Records are listed before syncfs(2), so their blobs are on the disk after it. Other processes may write records
// meanwhile.
void DiskStore::sync() {
  {
    std::lock_guard guard(state_->mutex);
    if (!std::exchange(state_->pending, false)) return;
  }
  std::vector<std::pair<Digest, fs::path>> written;
  each_digest_file(state_->root / "pending" / state_->boot,
                   [&](const Digest& key, const fs::path& file) { written.emplace_back(key, file); });
  if (written.empty()) return;
  const Fd folder = Fd::open(state_->root, O_RDONLY | O_DIRECTORY);
  if (::syncfs(folder.get()) != 0)
    throw_errno("the disk could not write all of the store", state_->root.string(), errno);
  for (const auto& [key, file] : written) {
    const fs::path target = state_->record_path(key);
    fs::create_directories(target.parent_path());
    if (::rename(file.c_str(), target.c_str()) != 0 && errno != ENOENT)
      throw_errno("cannot rename to", target.string(), errno);
  }
}

std::vector<Digest> DiskStore::blobs() const {
  std::vector<Digest> all;
  each_digest_file(state_->root / "blobs", [&](const Digest& digest, const fs::path&) { all.push_back(digest); });
  return all;
}

std::vector<StepRecord> DiskStore::records() const {
  std::vector<StepRecord> all;
  for (const fs::path& folder : {state_->root / "pending" / state_->boot, state_->root / "steps"})
    each_digest_file(folder, [&](const Digest& key, const fs::path& file) {
      auto record = record_from_json(read_file(file));
      if (record && record->key == key) all.push_back(std::move(*record));
    });
  return all;
}

void DiskStore::drop_record(const Digest& key) {
  for (const fs::path& file : {state_->pending_path(key), state_->record_path(key)})
    if (::unlink(file.c_str()) != 0 && errno != ENOENT) throw_errno("cannot remove", file.string(), errno);
  std::lock_guard guard(state_->mutex);
  state_->records.erase(key);
}

std::filesystem::path DiskStore::folder(const std::string& name) const {
  if (name == "scratch") return state_->scratch->path();  // private, and removed when the process ends
  const fs::path relative(name);
  bool escapes = name.empty() || relative.is_absolute();
  for (const auto& part : relative) escapes = escapes || part == "..";
  if (escapes) throw Error(ErrorKind::Internal, "\"" + name + "\" is not the name of a folder of the store");
  const fs::path folder = state_->root / relative;
  fs::create_directories(folder);
  return folder;
}

}  // namespace k8simg
