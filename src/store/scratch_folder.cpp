// Private scratch folders of live processes, and the removal of those whose process died.
#include <unistd.h>

#include "store/disk_state.hpp"

namespace k8simg {
namespace {

TempDir make_folder(const fs::path& parent) { return TempDir(parent, std::to_string(::getpid())); }

}  // namespace

// A folder is made and locked while scratch/lock is held, so that nobody can take a new one for a dead one.
ScratchFolder::ScratchFolder(const fs::path& parent)
    : folder_([&] {
        fs::create_directories(parent);
        return make_folder(parent);
      }()) {
  {
    const FileLock all = FileLock::wait(parent / "lock", FileLock::Mode::Exclusive);
    // Another process may have removed the folder between its making and our taking of the lock.
    fs::create_directories(folder_.path());
    held_ = FileLock::wait(folder_.path() / "held", FileLock::Mode::Exclusive);
    bury_the_dead(parent);
  }
  remove_all_forced(folder_.path() / "dead");
}

// Moves them into our own folder, which is quick; the removal of what may be gigabytes then happens without the lock,
// and whoever finds our own folder dead finishes it.
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
      continue;  // not ours to judge (another user's): it only costs space
    }
  }
}

}  // namespace k8simg
