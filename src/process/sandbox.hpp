// The sandbox: runs a command under bubblewrap with a tools tree as its root filesystem.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "process/command.hpp"

namespace k8simg {

struct SandboxBind {
  std::filesystem::path host;  ///< folder or file
  std::string inside;  ///< absolute path in the sandbox; the mount point must exist in the tools tree or below a tmpfs
  bool writable = false;
  bool device = false;  ///< --dev-bind (for /dev/kvm)
};

struct SandboxCommand {
  std::filesystem::path root;  ///< checked-out tools tree, mounted read-only at /
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;  ///< added to the fixed one (PATH, HOME=/tmp, LC_ALL=C.UTF-8, TZ=UTC)
  std::string working_folder = "/build";
  std::vector<SandboxBind> binds;
  bool network = false;   ///< share the host's network; binds its resolv.conf and CA bundle, passes proxy variables
  bool map_root = false;  ///< run as uid 0 inside (no privilege outside)
  std::vector<std::string> extra_arguments;  ///< further bwrap arguments, such as --cap-add
  bool interactive = false;                  ///< for use at a terminal: no --new-session, and Command::interactive
};

/// The mount points that a tools tree must contain: empty folders, or empty files where the name does not end in a
/// slash.
const std::vector<std::string>& sandbox_mount_points();

/// Makes a Command that runs bwrap with --unshare-all, --die-with-parent, --new-session (unless interactive), a
/// read-only root, /dev, /proc, and tmpfs on /tmp, /in (1 MiB) and /build (64 MiB) unless bound. The user is uid and
/// gid 1000 on host `k8simg`, so that the build does not depend on the host's user; it has no capabilities unless
/// added. The caller sets `log` and timeouts on the result. The environment is passed through the Command, not through
/// arguments, which all users of the machine can read. Parents are mounted before their children. With `network`, the
/// host's settings for proxies, certificates and Go's module proxy (GOPROXY etc., also from the user's `go env` file)
/// are added; `environment` overrides them.
Command sandbox(const SandboxCommand& command);

/// Throws Error{Usage} when bwrap cannot create a user namespace. It names the program to install or the setting to
/// change (kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns, user.max_user_namespaces).
void check_sandbox(CommandRunner& runner);

/// A hint for a failure of bwrap with `output`; empty when the cause is unknown. `proc_sys`: the folder /proc/sys.
std::string explain_sandbox_failure(const std::string& output, const std::filesystem::path& proc_sys = "/proc/sys");

}  // namespace k8simg
