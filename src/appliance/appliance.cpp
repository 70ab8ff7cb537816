// Builds and caches the appliance with supermin, in a sandbox that provides a kernel and modules where supermin expects
// them.
#include <fcntl.h>
#include <fmt/format.h>
#include <guestfs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "appliance/appliance.hpp"
#include "process/sandbox.hpp"
#include "util/digest.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

constexpr const char* supermin = "/usr/bin/supermin";

struct Kernel {
  std::string version;
  fs::path image, modules;
};

Kernel find_kernel(const fs::path& tools) {
  const std::string prefix = "vmlinuz-";
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(tools / "boot", missing)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix)) continue;
    Kernel kernel{.version = name.substr(prefix.size()), .image = entry.path(), .modules = {}};
    kernel.modules = tools / "usr/lib/modules" / kernel.version;
    if (fs::is_directory(kernel.modules)) return kernel;
  }
  throw Error(ErrorKind::Usage, "the tools tree has no kernel to boot libguestfs with",
              "add linux-image-cloud-amd64 to tools.appliance.packages of the defconfig, and run `k8simg lock NAME`");
}

/// The folder with supermin's input files, where libguestfs looks for it.
fs::path recipe_folder() {
  const std::unique_ptr<guestfs_h, decltype(&guestfs_close)> handle(guestfs_create_flags(GUESTFS_CREATE_NO_ENVIRONMENT),
                                                                    &guestfs_close);
  if (!handle) throw Error(ErrorKind::Internal, "libguestfs cannot make a handle");
  const fs::path folder = fs::path(guestfs_get_path(handle.get())) / "supermin.d";
  if (!fs::is_directory(folder) || !fs::exists(supermin)) {
    throw Error(ErrorKind::Usage,
                fmt::format("libguestfs is not complete here: {} or {} is missing", folder.string(), supermin),
                "install the package libguestfs0 with all that it depends on");
  }
  return folder;
}

std::string fingerprint(const fs::path& file) {
  struct stat info {};
  if (stat(file.c_str(), &info) != 0) return "-";
  return fmt::format("{}:{}.{}", info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

/// The cache key of the appliance: the tools tree, whose checkout has its digest as name, supermin's input files, and
/// the machine's packages.
std::string appliance_key(const fs::path& tools, const fs::path& recipe) {
  std::string text = tools.filename().string() + " " + fingerprint("/var/lib/dpkg/status");
  for (const char* name :
       {"base.tar.gz", "daemon.tar.gz", "excludefiles", "hostfiles", "init.tar.gz", "packages", "udev-rules.tar.gz"})
    text += " " + fingerprint(recipe / name);
  return sha256(text).hex().substr(0, 12);
}

/// Modules for the appliance: a writable folder for depmod's files, with the tools tree's folders mounted over empty
/// ones. Files of a checkout are hard links to blobs of the store. They are never linked into or mounted in a writable
/// folder, since a program could then change their mode and contents.
struct Modules {
  fs::path folder;
  std::vector<SandboxBind> mounted;  ///< `inside` is relative to `folder`

  std::vector<SandboxBind> below(const std::string& place) const {
    std::vector<SandboxBind> binds = mounted;
    for (SandboxBind& bind : binds) bind.inside = place + "/" + bind.inside;
    return binds;
  }
};

Modules prepare_modules(CommandRunner& runner, const fs::path& tools, const Kernel& kernel, const fs::path& base,
                        const fs::path& log, const std::stop_token& stop) {
  const std::string place = "usr/lib/modules/" + kernel.version;
  Modules modules{.folder = base / place, .mounted = {}};
  fs::create_directories(modules.folder);
  fs::create_directory_symlink("usr/lib", base / "lib");  // depmod uses either, depending on its version
  for (const auto& entry : fs::directory_iterator(kernel.modules)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_symlink()) continue;  // symlinks to the headers
    if (entry.is_directory()) {
      fs::create_directory(modules.folder / name);
      modules.mounted.push_back({entry.path(), name});
    } else {
      fs::copy_file(entry.path(), modules.folder / name);
    }
  }
  std::vector<SandboxBind> binds = modules.below("/out/" + place);
  binds.push_back({base, "/out", true});
  Command command = sandbox({.root = tools,
                             .argv = {"/usr/sbin/depmod", "-b", "/out", kernel.version},
                             .environment = {},
                             .working_folder = "/tmp",
                             .binds = std::move(binds)});
  command.log = log;
  run_checked(runner, command, "depmod of libguestfs' kernel", stop);
  // depmod's exit code is 0 even if it could read no module.
  const std::string said = fs::exists(log) ? read_file(log) : "";
  if (const auto at = said.find("depmod: ERROR: "); at != std::string::npos)
    throw Error(ErrorKind::Step,
                fmt::format("depmod of libguestfs' kernel failed: {}", said.substr(at, said.find('\n', at) - at)),
                fmt::format("the whole log is {}", log.string()));
  return modules;
}

/// Binds the contents of the host's `folder` except `left_out`.
void add_children(std::vector<std::string>& argv, const fs::path& folder, const std::string& left_out) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string path = entry.path().string();
    if (path == left_out) continue;
    if (entry.is_symlink())
      argv.insert(argv.end(), {"--symlink", fs::read_symlink(entry.path()).string(), path});
    else
      argv.insert(argv.end(), {"--ro-bind-try", path, path});
  }
}

/// supermin requires /lib/modules, which a machine without a kernel (a container) does not have, so it runs in a view
/// of the host with an empty one: as uid 0 of a user namespace, without privileges outside, and without network. The
/// kernel can only be passed through environment variables.
Command supermin_command(const Kernel& kernel, const Modules& modules, const fs::path& recipe, const fs::path& out) {
  std::vector<std::string> argv{"bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--uid", "0", "--gid",
                                "0"};
  for (const char* top : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
    if (fs::is_symlink(top)) argv.insert(argv.end(), {"--symlink", fs::read_symlink(top).string(), top});
  }
  for (const char* bound : {"/etc", "/var"}) argv.insert(argv.end(), {"--ro-bind", bound, bound});
  add_children(argv, "/usr", "/usr/lib");
  add_children(argv, "/usr/lib", "/usr/lib/modules");
  // Folders of Debian's base-files: supermin visits each path of a package.
  for (const char* empty :
       {"/usr/lib/modules", "/boot", "/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/sys"})
    argv.insert(argv.end(), {"--dir", empty});
  argv.insert(argv.end(), {"--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--ro-bind", kernel.image.string(),
                           "/tmp/vmlinuz", "--ro-bind", modules.folder.string(), "/tmp/modules"});
  for (const SandboxBind& bind : modules.below("/tmp/modules"))
    argv.insert(argv.end(), {"--ro-bind", bind.host.string(), bind.inside});
  argv.insert(argv.end(), {"--bind", out.string(), "/tmp/out", "--clearenv"});
  const std::vector<std::pair<std::string, std::string>> environment{
      {"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"},
      {"LC_ALL", "C.UTF-8"},
      {"HOME", "/tmp"},
      {"TMPDIR", "/tmp/out"},
      {"TAR_OPTIONS", "--no-same-owner"},  // the archives have owners that do not exist in the namespace
      {"SUPERMIN_KERNEL", "/tmp/vmlinuz"},
      {"SUPERMIN_KERNEL_VERSION", kernel.version},
      {"SUPERMIN_MODULES", "/tmp/modules"}};
  for (const auto& [name, value] : environment) argv.insert(argv.end(), {"--setenv", name, value});
  argv.insert(argv.end(), {"--", supermin, "--build", "--verbose", "-f", "ext2", "--copy-kernel", recipe.string(), "-o",
                           "/tmp/out/appliance"});
  return {.argv = std::move(argv), .environment = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}}};
}

/// Builds the appliance in `folder` of the cache and replaces what is there. The caller has the cache's lock.
void build_appliance(CommandRunner& runner, const fs::path& tools, const Kernel& kernel, const fs::path& recipe,
                     const fs::path& folder, const fs::path& scratch,
                     const std::function<void(const std::string&)>& progress, const std::stop_token& stop) {
  progress(fmt::format("building libguestfs' appliance with kernel {}", kernel.version));
  const fs::path cache = folder.parent_path(), log = cache / "appliance.log";
  fs::remove(log);
  const TempDir work(scratch, "appliance");
  fs::create_directories(work.path() / "modules");
  fs::create_directories(work.path() / "out");
  const Modules modules = prepare_modules(runner, tools, kernel, fs::absolute(work.path()) / "modules", log, stop);
  Command command = supermin_command(kernel, modules, recipe, fs::absolute(work.path()) / "out");
  command.log = log;
  run_checked(runner, command, "supermin, which builds libguestfs' appliance", stop);
  const fs::path made = work.path() / "out/appliance";
  // libguestfs recognises a fixed appliance by this file.
  write_file_atomically(
      made / "README.fixed",
      "An appliance of libguestfs, built by supermin for k8simg. It may be removed: it is built again.\n");
  // The name promises complete files, also after a power failure.
  if (::syncfs(Fd::open(made, O_RDONLY | O_DIRECTORY).get()) != 0) throw_errno("cannot write", made.string(), errno);
  // Removes older appliances with this kernel.
  for (const auto& entry : fs::directory_iterator(cache)) {
    if (entry.path().filename().string().starts_with(kernel.version + "-")) remove_all_forced(entry.path());
  }
  fs::rename(made, folder);
}

}  // namespace

Appliance prepare_appliance(CommandRunner& runner, const fs::path& tools, const fs::path& cache,
                            const fs::path& scratch, bool kvm, const std::function<void(const std::string&)>& progress,
                            std::stop_token stop) {
  const Kernel kernel = find_kernel(tools);
  const fs::path recipe = recipe_folder();
  const std::string name = kernel.version + "-" + appliance_key(tools, recipe);
  fs::create_directories(cache);
  Appliance appliance{
      .folder = fs::absolute(cache) / name, .scratch = fs::absolute(scratch), .kvm = kvm, .rebuild = {}};
  const auto build = [=, &runner, &progress, folder = appliance.folder] {
    build_appliance(runner, tools, kernel, recipe, folder, scratch, progress, stop);
  };
  const FileLock lock = FileLock::wait(cache / "lock", FileLock::Mode::Exclusive);
  if (!fs::exists(appliance.folder / "README.fixed")) {
    build();
  } else {
    appliance.rebuild = [build, cache] {
      const FileLock lock = FileLock::wait(cache / "lock", FileLock::Mode::Exclusive);
      build();
    };
  }
  return appliance;
}

}  // namespace k8simg
