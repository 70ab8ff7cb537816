// Checks that a filesystem is suitable for a store.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "store/disk_state.hpp"
#include "util/error.hpp"

namespace k8simg {

// Checked at each start, in the process's scratch folder: the store may have been moved or mounted differently.
void check_filesystem(const fs::path& root, const fs::path& scratch) {
  const std::string store = "the store " + root.string() + " is on a filesystem that ";
  const std::string elsewhere = "choose a folder on a local disk with --store or K8SIMG_STORE";
  struct statvfs info {};
  if (::statvfs(root.c_str(), &info) == 0 && (info.f_flag & ST_NOEXEC) != 0)
    throw Error(ErrorKind::Usage, store + "is mounted noexec, and the build's tools are run from there",
                elsewhere + ", or mount it with the option exec");

  const fs::path link = scratch / "Probe";
  if (::symlink("target", link.c_str()) != 0 && errno != EEXIST)
    throw Error(ErrorKind::Usage, store + "has no symbolic links (such as SMB shares and FAT), which packages contain",
                elsewhere);
  struct stat other {};
  const bool blind = ::lstat((scratch / "pROBE").c_str(), &other) == 0;
  ::unlink(link.c_str());
  if (blind)
    throw Error(ErrorKind::Usage, store + "ignores case in names, and Linux' source has names that differ only in case",
                elsewhere);
}

}  // namespace k8simg
