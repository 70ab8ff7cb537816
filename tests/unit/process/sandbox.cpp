// Tests the sandbox: bwrap's argument vector, the view of a sandboxed program, and errors.
#include "process/sandbox.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "support/catch.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

using namespace k8simg;

namespace {

/// Sets a variable during the lifetime of the object.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = ::getenv(name)) old_ = old;
    value != nullptr ? ::setenv(name, value, 1) : ::unsetenv(name);
  }
  ~Variable() { old_ ? ::setenv(name_, old_->c_str(), 1) : ::unsetenv(name_); }
  Variable(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

bool has(const std::vector<std::string>& argv, const std::vector<std::string>& part) {
  return std::search(argv.begin(), argv.end(), part.begin(), part.end()) != argv.end();
}

/// Makes a root with the mount points, for the host's programs and libraries. Returns their binds.
std::vector<SandboxBind> make_root(const fs::path& root) {
  for (const std::string& point : sandbox_mount_points()) {
    const fs::path path = root / point;
    if (point.ends_with('/')) {
      fs::create_directories(path);
    } else {
      fs::create_directories(path.parent_path());
      write_file_atomically(path, "");
    }
  }
  std::vector<SandboxBind> binds;
  for (const char* name : {"usr", "bin", "sbin", "lib", "lib64", "lib32"}) {
    const fs::path host = fs::path("/") / name;
    if (fs::is_symlink(host)) {
      fs::create_symlink(fs::read_symlink(host), root / name);
    } else if (fs::is_directory(host)) {
      fs::create_directory(root / name);
      binds.push_back({host, host.string()});
    }
  }
  return binds;
}

bool can_sandbox() {
  static const std::string reason = [] {
    try {
      check_sandbox(system_runner());
      return std::string();
    } catch (const Error& error) {
      return error.describe();
    }
  }();
  if (!reason.empty()) WARN("no sandbox on this machine, so not checked: " << reason);
  return reason.empty();
}

struct Ran {
  CommandResult result;
  std::string log;
};

Ran run_inside(SandboxCommand command, const std::string& script) {
  const TempDir folder(fs::temp_directory_path(), "sandbox");
  fs::create_directory(folder.path() / "root");
  command.root = folder.path() / "root";
  const std::vector<SandboxBind> binds = make_root(command.root);
  command.binds.insert(command.binds.end(), binds.begin(), binds.end());
  command.argv = {"sh", "-c", script};
  Command wrapped = sandbox(command);
  wrapped.capture_stdout = true;
  wrapped.log = folder.path() / "log";
  Ran ran{system_runner().run(wrapped), {}};
  ran.log = read_file(wrapped.log);
  return ran;
}

class FailingRunner final : public CommandRunner {
 public:
  bool found = true;
  CommandResult run(const Command& command, std::stop_token) override {
    if (!found) throw Error(ErrorKind::Internal, "cannot run bwrap: not found in PATH (/bin)");
    write_file_atomically(command.log, "bwrap: No permissions to create new namespace\n");
    return {.exit_code = 1};
  }
};

}  // namespace

TEST_CASE("bwrap's arguments, exactly") {
  SandboxCommand command;
  command.root = "/store/tools";
  command.argv = {"make", "bzImage"};
  command.environment = {{"SOURCE_DATE_EPOCH", "1"}, {"HOME", "/build"}};
  command.binds = {{"/host/deep", "/in/a/b", false}, {"/host/out", "/out", true}, {"/dev/kvm", "/dev/kvm", true, true}};
  const Command wrapped = sandbox(command);
  CHECK(quote_argv(wrapped.argv) ==
        "bwrap --unshare-all --die-with-parent --new-session --hostname k8simg --cap-drop ALL "
        "--uid 1000 --gid 1000 --ro-bind /store/tools / --dev /dev --proc /proc --perms 1777 --tmpfs /tmp "
        "--size 1048576 --tmpfs /in --size 67108864 --tmpfs /build "
        "--bind /host/out /out --dev-bind /dev/kvm /dev/kvm --ro-bind /host/deep /in/a/b "
        "--chdir /build -- make bzImage");
  CHECK(wrapped.environment ==
        std::map<std::string, std::string>{
            {"HOME", "/build"},
            {"LC_ALL", "C.UTF-8"},
            {"SOURCE_DATE_EPOCH", "1"},
            {"TZ", "UTC"},
            {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/go-1.26/bin"}});
}

TEST_CASE("a bound /build or /in gets no tmpfs; extra arguments come after the drop of capabilities") {
  SandboxCommand command;
  command.root = "/r";
  command.argv = {"ctr"};
  command.map_root = true;
  command.interactive = true;
  command.extra_arguments = {"--cap-add", "ALL"};
  command.binds = {{"/h/b", "/build", true}, {"/h/i", "/in"}};
  const Command wrapped = sandbox(command);
  CHECK(wrapped.interactive);
  CHECK_FALSE(has(wrapped.argv, {"--new-session"}));
  CHECK_FALSE(has(wrapped.argv, {"--tmpfs", "/build"}));
  CHECK_FALSE(has(wrapped.argv, {"--tmpfs", "/in"}));
  CHECK(has(wrapped.argv, {"--uid", "0", "--gid", "0"}));
  const auto drop = std::find(wrapped.argv.begin(), wrapped.argv.end(), "--cap-drop");
  CHECK(drop < std::find(wrapped.argv.begin(), wrapped.argv.end(), "--cap-add"));
}

TEST_CASE("without network nothing of the host's network settings goes in; with it, only they do") {
  const TempDir folder(fs::temp_directory_path());
  write_file_atomically(folder.path() / "bundle.pem", "certificates");
  fs::create_directories(folder.path() / "go");
  write_file_atomically(folder.path() / "go" / "env",
                        "# comment\nGOPROXY=https://file.example\nGOSUMDB=off\nGOFLAGS=-v\n");
  const std::string bundle = (folder.path() / "bundle.pem").string();
  const Variable certificates("SSL_CERT_FILE", bundle.c_str()),
      proxy("https_proxy",
            "http:/"
            "/alice:secret@proxy.example:3128"),
      goenv("GOENV", nullptr), xdg("XDG_CONFIG_HOME", folder.path().c_str()), goproxy("GOPROXY", nullptr),
      gosumdb("GOSUMDB", "sum.example"), secret("K8SIMG_TEST_SECRET", "1");
  SandboxCommand command;
  command.root = "/r";
  command.argv = {"go"};
  const std::string closed = quote_argv(sandbox(command).argv);
  CHECK(closed.find("example") == std::string::npos);
  CHECK(closed.find("--share-net") == std::string::npos);
  CHECK(closed.find("resolv.conf") == std::string::npos);
  CHECK(closed.find("bundle") == std::string::npos);

  command.network = true;
  const Command open = sandbox(command);
  const std::vector<std::string>& argv = open.argv;
  CHECK(has(argv, {"--unshare-all", "--share-net"}));
  CHECK(open.environment.at("https_proxy") ==
        "http:/"
        "/alice:secret@proxy.example:3128");
  CHECK(quote_argv(argv).find("secret") == std::string::npos);
  CHECK(open.environment.at("GOPROXY") == "https://file.example");
  CHECK(open.environment.at("GOSUMDB") == "sum.example");  // the environment takes precedence over the file
  CHECK(open.environment.at("SSL_CERT_FILE") == "/etc/ssl/certs/ca-certificates.crt");
  CHECK(has(argv, {"--ro-bind", bundle, "/etc/ssl/certs/ca-certificates.crt"}));
  CHECK_FALSE(open.environment.contains("GOFLAGS"));
  CHECK_FALSE(open.environment.contains("K8SIMG_TEST_SECRET"));
  if (fs::is_regular_file("/etc/resolv.conf"))
    CHECK(has(argv, {"--ro-bind", fs::canonical("/etc/resolv.conf").string(), "/etc/resolv.conf"}));

  command.environment = {{"GOPROXY", "off"}};
  CHECK(sandbox(command).environment.at("GOPROXY") == "off");
}

TEST_CASE("inside: the given environment and files, and nothing else of the host") {
  if (!can_sandbox()) return;
  const TempDir host(fs::temp_directory_path(), "host");
  write_file_atomically(host.path() / "secret", "secret");
  const Variable leak("K8SIMG_TEST_LEAK", "1");
  SandboxCommand command;
  command.environment = {{"GIVEN", "yes"}};
  const Ran ran =
      run_inside(command, "env | sort; id -u; id -g; hostname; ls /; ls -A /home /root /var /tmp /in /build " +
                              host.path().string() + " 2>&1");
  CAPTURE(ran.log);
  const std::string& output = ran.result.output;
  CHECK(output.find("GIVEN=yes\nHOME=/tmp\nLC_ALL=C.UTF-8\nPATH=/usr/local/sbin:") == 0);
  CHECK(output.find("\nPWD=/build\nTZ=UTC\n1000\n1000\nk8simg\n") != std::string::npos);
  CHECK(output.find("LEAK") == std::string::npos);
  CHECK(output.find("secret") == std::string::npos);
  for (const std::string& path :
       {std::string("/home"), std::string("/root"), std::string("/var"), host.path().string()})
    CHECK(output.find("'" + path + "': No such file or directory") != std::string::npos);
}

TEST_CASE("no user of the machine sees the environment of a sandboxed command in its arguments") {
  if (!can_sandbox()) return;
  SandboxCommand command;
  command.environment = {{"PASSWORD", "s3cret-of-a-proxy"}};
  // The host's /proc contains the sandbox's processes; the sleeping one is found by its arguments.
  const TempDir host(fs::temp_directory_path(), "host");
  command.binds = {{host.path(), "/out", true}};
  std::thread watcher([&] {
    while (!fs::exists(host.path() / "running")) std::this_thread::yield();
    std::string arguments;
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator("/proc", gone)) {
      try {
        arguments += read_file(entry.path() / "cmdline");
      } catch (const Error&) {  // not a process, or one that has ended
      }
    }
    CHECK(arguments.find("bwrap") != std::string::npos);
    CHECK(arguments.find("s3cret") == std::string::npos);
    write_file_atomically(host.path() / "seen", "");
  });
  const Ran ran = run_inside(command,
                             "test \"${PASSWORD#s3c}\" = ret-of-a-proxy && touch /out/running; while ! test -e "
                             "/out/seen; do sleep 0.01; done");
  watcher.join();
  CHECK(ran.result.exit_code == 0);
}

TEST_CASE("inside: no network device but loopback, other processes unseen, no capabilities") {
  if (!can_sandbox()) return;
  const Ran ran = run_inside({},
                             "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; "
                             "ls /proc | grep -c '^[0-9]'; grep CapEff /proc/self/status");
  CAPTURE(ran.log);
  const std::vector<std::string> lines = split(ran.result.output, '\n');
  REQUIRE(lines.size() == 4);
  CHECK(lines[0] == "lo");
  CHECK(std::stoi(lines[1]) <= 5);  // bwrap, sh and the pipe's programs
  CHECK(lines[2] == "CapEff:\t0000000000000000");
}

TEST_CASE("inside: the root is read-only, writable binds and tmpfs are not, and small is small") {
  if (!can_sandbox()) return;
  const TempDir host(fs::temp_directory_path(), "host");
  fs::create_directory(host.path() / "out");
  write_file_atomically(host.path() / "input", "input");
  SandboxCommand command;
  command.binds = {{host.path() / "input", "/in/deep/input"}, {host.path() / "out", "/out", true}};
  const Ran ran =
      run_inside(command,
                 "for f in /x /usr/x /etc/x /cache/x /in/deep/input; do touch $f 2>/dev/null && echo wrote $f; done; "
                 "cat /in/deep/input; echo result > /out/result; touch /tmp/x /build/x && echo ok; "
                 "head -c 2000000 /dev/zero > /in/large || echo full");
  CAPTURE(ran.log);
  CHECK(ran.result.output == "inputok\nfull\n");
  CHECK(read_file(host.path() / "out" / "result") == "result\n");
  CHECK_FALSE(fs::exists(host.path() / "root" / "x"));
}

TEST_CASE("inside as root: uid 0 and, when asked, its capabilities") {
  if (!can_sandbox()) return;
  SandboxCommand command;
  command.map_root = true;
  CHECK(run_inside(command, "id -u; grep CapEff /proc/self/status").result.output == "0\nCapEff:\t0000000000000000\n");
  command.extra_arguments = {"--cap-add", "CAP_SYS_ADMIN"};
  CHECK(run_inside(command, "grep CapEff /proc/self/status").result.output == "CapEff:\t0000000000200000\n");
}

TEST_CASE("exit codes come out of the sandbox, and a timeout empties it") {
  if (!can_sandbox()) return;
  CHECK(run_inside({}, "exit 9").result.exit_code == 9);
  const TempDir folder(fs::temp_directory_path(), "sandbox");
  SandboxCommand command;
  command.root = folder.path() / "root";
  command.binds = make_root(command.root);
  fs::create_directory(folder.path() / "out");
  command.binds.push_back({folder.path() / "out", "/out", true});
  // It writes forever, in its own session, and ignores TERM.
  command.argv = {
      "sh", "-c",
      "trap '' TERM; setsid sh -c 'trap \"\" TERM; while :; do date +%N > /out/beat; sleep 0.05; done' & wait; wait"};
  Command wrapped = sandbox(command);
  wrapped.timeout_seconds = 1;
  const CommandResult result = system_runner().run(wrapped);
  CHECK(result.timed_out);
  ::usleep(300'000);
  REQUIRE(fs::exists(folder.path() / "out" / "beat"));
  const std::string beat = read_file(folder.path() / "out" / "beat");
  ::usleep(300'000);
  CHECK(read_file(folder.path() / "out" / "beat") == beat);
}

TEST_CASE("a sandbox that cannot be made is a usage error that says what to do") {
  FailingRunner runner;
  const auto error_of = [&] {
    try {
      check_sandbox(runner);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::Usage);
      return error.describe();
    }
    return std::string("no error");
  };
  CHECK(error_of().find("bubblewrap cannot make a sandbox on this machine: bwrap: No permissions to create new "
                        "namespace\n") == 0);
  runner.found = false;
  CHECK(error_of() ==
        "build steps need bubblewrap: cannot run bwrap: not found in PATH (/bin)\n"
        "Install it: `sudo apt-get install bubblewrap`.");
}

TEST_CASE("the setting that blocks user namespaces is named") {
  const TempDir sys(fs::temp_directory_path());
  fs::create_directories(sys.path() / "kernel");
  fs::create_directories(sys.path() / "user");
  const auto set = [&](const char* name, const char* value) { write_file_atomically(sys.path() / name, value); };
  const std::string refused = "bwrap: No permissions to create new namespace";
  const auto said = [&](const std::string& output) { return explain_sandbox_failure(output, sys.path()); };

  CHECK(said("bwrap: something else").empty());
  CHECK(said(refused).find("seccomp") != std::string::npos);
  CHECK(said("bwrap: Can't mount proc on /newroot/proc: Operation not permitted").find("/proc is masked") !=
        std::string::npos);
  set("kernel/unprivileged_userns_clone", "1\n");
  set("user/max_user_namespaces", "95000\n");
  set("kernel/apparmor_restrict_unprivileged_userns", "1\n");
  CHECK(said(refused).find("sysctl kernel.apparmor_restrict_unprivileged_userns=0") != std::string::npos);
  set("user/max_user_namespaces", "0\n");
  CHECK(said(refused).find("sysctl user.max_user_namespaces=15000") != std::string::npos);
  set("kernel/unprivileged_userns_clone", "0\n");
  CHECK(said(refused).find("sysctl kernel.unprivileged_userns_clone=1") != std::string::npos);
}
