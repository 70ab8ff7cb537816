// Tries to create a sandbox on this machine, and names the setting to change when that fails.
#include <fmt/format.h>

#include "process/sandbox.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

/// The setting's value; empty if this kernel does not have it.
std::string setting(const fs::path& file) {
  try {
    return std::string(trim(read_file(file)));
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

std::string explain_sandbox_failure(const std::string& output, const fs::path& proc_sys) {
  // A setting of Debian and some hardened kernels.
  if (setting(proc_sys / "kernel/unprivileged_userns_clone") == "0")
    return "User namespaces are switched off for ordinary users (kernel.unprivileged_userns_clone=0): "
           "run `sudo sysctl kernel.unprivileged_userns_clone=1`.";
  if (setting(proc_sys / "user/max_user_namespaces") == "0")
    return "No user namespaces are allowed (user.max_user_namespaces=0): "
           "run `sudo sysctl user.max_user_namespaces=15000`.";
  if (setting(proc_sys / "kernel/apparmor_restrict_unprivileged_userns") == "1")
    return "AppArmor keeps ordinary users from using user namespaces (kernel.apparmor_restrict_unprivileged_userns=1): "
           "give bwrap an AppArmor profile that allows `userns`, or run "
           "`sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`.";
  if (output.find("mount proc") != std::string::npos)
    return "This looks like a container whose /proc is masked: start it with unmasked system paths "
           "(`--security-opt systempaths=unconfined`), or build outside of it.";
  if (output.find("namespace") != std::string::npos || output.find("Operation not permitted") != std::string::npos)
    return "The kernel refused a user namespace, though its settings allow them: a container or a seccomp filter may "
           "be "
           "in the way (for a container: `--security-opt seccomp=unconfined --security-opt apparmor=unconfined`).";
  return {};
}

void check_sandbox(CommandRunner& runner) {
  const TempDir folder(fs::temp_directory_path(), "k8simg-sandbox");
  // sandbox() cannot be used: the host's root filesystem, used instead of a tools tree, lacks the mount points /in and
  // /build.
  Command command;
  command.argv = {"bwrap",
                  "--unshare-all",
                  "--die-with-parent",
                  "--new-session",
                  "--cap-drop",
                  "ALL",
                  "--uid",
                  "1000",
                  "--gid",
                  "1000",
                  "--ro-bind",
                  "/",
                  "/",
                  "--dev",
                  "/dev",
                  "--proc",
                  "/proc",
                  "--tmpfs",
                  "/tmp",
                  "--",
                  "/bin/true"};
  command.environment = {{"PATH", "/usr/local/bin:/usr/bin:/bin"}, {"LC_ALL", "C"}};
  command.log = folder.path() / "log";
  command.timeout_seconds = 60;
  CommandResult result;
  try {
    result = runner.run(command);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Internal) throw;
    throw Error(ErrorKind::Usage, "build steps need bubblewrap: " + error.message(),
                "Install it: `sudo apt-get install bubblewrap`.");
  }
  if (result.exit_code == 0) return;
  const std::string output(trim(tail_of(command.log, 10)));
  std::string hint = explain_sandbox_failure(output);
  if (hint.empty()) hint = "Try to run it yourself: " + quote_argv(command.argv);
  throw Error(ErrorKind::Usage,
              fmt::format("bubblewrap cannot make a sandbox on this machine{}{}", output.empty() ? "" : ": ", output),
              std::move(hint));
}

}  // namespace k8simg
