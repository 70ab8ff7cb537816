// Parses the command line, and converts Ctrl-C to a stop request and errors to messages and exit codes.
#include "cli/main_program.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>
#include <thread>

#include "cli/verbs.hpp"
#include "report/output.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace fs = std::filesystem;

namespace {

/// Waits for SIGINT and SIGTERM in a thread: the first requests a stop of all steps, the second ends the program
/// immediately.
class SignalWatch {
 public:
  SignalWatch() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    thread_ = std::jthread([this](std::stop_token ended) {
      while (!ended.stop_requested()) {
        const timespec patience{.tv_sec = 0, .tv_nsec = 100'000'000};
        if (sigtimedwait(&set_, nullptr, &patience) < 0) continue;
        if (source_.stop_requested()) _exit(static_cast<int>(ErrorKind::Interrupted));
        source_.request_stop();
      }
    });
  }
  std::stop_token token() const { return source_.get_token(); }

 private:
  sigset_t set_{};
  std::stop_source source_;
  std::jthread thread_;
};

/// Ensures that the folder for temporary files exists, as the C++ library and libguestfs require. Returns a warning, or
/// "".
std::string use_existing_temporary_folder() {
  std::string warning;
  for (const char* name : {"TMPDIR", "TMP", "TEMP", "TEMPDIR"}) {
    const char* chosen = ::getenv(name);
    if (chosen == nullptr) continue;
    std::error_code error;
    if (fs::is_directory(chosen, error) && ::access(chosen, W_OK | X_OK) == 0) continue;
    if (*chosen != '\0') warning = fmt::format("{}={} is not a writable folder: it is ignored", name, chosen);
    ::unsetenv(name);
  }
  return warning;
}

int run_program(int argc, char** argv) {
  Options options;
  Verb run;
  CLI::App app("k8simg builds bootable disk images for small Kubernetes machines.", "k8simg");
  app.require_subcommand(1);
  app.set_version_flag("--version", program_version());
  app.add_option("--project", options.project, "folder with boards/ and defconfigs/ (K8SIMG_PROJECT)");
  app.add_option("--store", options.store, "content-addressed store (K8SIMG_STORE; default PROJECT/output/store)");
  app.add_option("--output", options.output, "folder for output/NAME/ (default PROJECT/output)");
  app.add_option("--mirror", options.mirrors, "URL or REPOSITORY=URL, repeatable (K8SIMG_MIRROR)")->take_all();
  app.add_option("--tools-lock", options.tools_lock_file,
                 "lock of the build tools (default PROJECT/defconfigs/tools.lock)");
  app.add_option("--progress", options.progress, "auto, plain, json or none")
      ->check(CLI::IsMember({"auto", "plain", "json", "none"}));
  app.add_option("-j,--jobs", options.jobs, "cores to use (default: all)")->check(CLI::PositiveNumber);
  app.fallthrough();
  for (const auto add :
       {add_list, add_show, add_lock, add_plan, add_build, add_check, add_binaries, add_images, add_release, add_tree,
        add_why, add_run, add_test, add_verify, add_flash, add_node_config, add_gc, add_store})
    add(app, options, run);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, err;
    const int code = app.exit(error, out, err);
    print_out(out.str());
    print_error(err.str());
    return code == 0 ? 0 : static_cast<int>(ErrorKind::Usage);
  }
  const std::string warning = use_existing_temporary_folder();
  const SignalWatch signals;
  Session session(options, signals.token());
  if (!warning.empty()) session.reporter().warning(warning);
  return run(session);
}

}  // namespace

int main_program(int argc, char** argv) {
  try {
    return run_program(argc, argv);
  } catch (const Error& error) {
    print_error(fmt::format("k8simg: {}\n", error.describe()));
    return static_cast<int>(error.kind());
  } catch (const fs::filesystem_error& error) {
    const std::string hint = errno_hint(error.path1().string(), error.code().value());
    print_error(fmt::format("k8simg: {}\n{}{}", error.what(), hint, hint.empty() ? "" : "\n"));
    return static_cast<int>(ErrorKind::Internal);
  } catch (const std::bad_alloc&) {
    print_error("k8simg: out of memory\n");
    return static_cast<int>(ErrorKind::Internal);
  } catch (const std::exception& error) {
    print_error(fmt::format("k8simg: {}\n", error.what()));
    return static_cast<int>(ErrorKind::Internal);
  }
}

}  // namespace k8simg
