// Private scratch folders of running processes, and the removal of those whose process has ended.
#include <unistd.h>

#include "store/disk_state.hpp"

namespace k8simg {
namespace {

TempDir make_folder(const fs::path& parent) { return TempDir(parent, std::to_string(::getpid())); }

}  // namespace

// The folder is locked while scratch/lock is held, so that no other process takes a new folder for an abandoned one.
ScratchFolder::ScratchFolder(const fs::path& parent)
    : folder_([&] {
        fs::create_directories(parent);
        return make_folder(parent);
      }()) {
  {
    const FileLock all = FileLock::wait(parent / "lock", FileLock::Mode::Exclusive);
    // Another process may have removed the folder before scratch/lock was taken.
    fs::create_directories(folder_.path());
    held_ = FileLock::wait(folder_.path() / "held", FileLock::Mode::Exclusive);
    bury_the_dead(parent);
  }
  remove_all_forced(folder_.path() / "dead");
}

// Renames abandoned folders into our own, which is quick. Their removal, maybe gigabytes, then happens without the
// lock. If this process is killed, the next one removes them with our folder.
void ScratchFolder::bury_the_dead(const fs::path& parent) {
  std::error_code ignored;
  const fs::path grave = folder_.path() / "dead";
  for (const auto& entry : fs::directory_iterator(parent, ignored)) {
    if (entry.path() == folder_.path() || !entry.is_directory(ignored)) continue;
    try {
      const auto lock = FileLock::try_lock(entry.path() / "held", FileLock::Mode::Exclusive);
      if (!lock) continue;
      fs::create_directories(grave);
      fs::rename(entry.path(), grave / entry.path().filename(), ignored);
    } catch (const std::exception&) {
      continue;  // not accessible, for example owned by another user: skip it
    }
  }
}

}  // namespace k8simg
