// The sandbox: a command as bubblewrap sees it, with a tools tree as its root and nothing else of the host.
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
  bool interactive = false;  ///< for a person at the terminal: no --new-session, and Command::interactive
};

/// The mount points that a tools tree must contain (empty folders, or empty files where the name ends in no slash):
/// "dev/", "proc/", "tmp/", "in/", "out/", "build/", "cache/", "run/", "sys/", "etc/hosts", "etc/resolv.conf",
/// "etc/ssl/certs/ca-certificates.crt".
const std::vector<std::string>& sandbox_mount_points();

/// Wraps into a Command for bwrap: --unshare-all, --die-with-parent, --new-session (unless interactive), read-only
/// root, /dev, /proc, tmpfs on /tmp and on /in (1 MiB) and /build (64 MiB) unless bound. Inside, the caller is uid and
/// gid 1000 on host `k8simg`, so that no program sees who builds; no capabilities unless added. `log`, timeouts etc.
/// are set by the caller on the result. The environment inside is that of the Command, and stands in no argument
/// vector, which all users of a machine can read. Binds are mounted parents first, whatever their order. With
/// `network`: what the host's environment says of proxies, certificates and Go's module proxy (GOPROXY and its kin,
/// also from the user's `go env` file) goes in; `environment` wins over it.
Command sandbox(const SandboxCommand& command);

/// Throws Error{Usage} naming the program to install or the setting to change (kernel.unprivileged_userns_clone,
/// kernel.apparmor_restrict_unprivileged_userns, user.max_user_namespaces) when bwrap cannot make a user namespace
/// here.
void check_sandbox(CommandRunner& runner);

/// What to do when bwrap said `output` and failed; empty when nothing here explains it. `proc_sys`: the folder
/// /proc/sys.
std::string explain_sandbox_failure(const std::string& output, const std::filesystem::path& proc_sys = "/proc/sys");

}  // namespace k8simg
