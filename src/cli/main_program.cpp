// Parses the command line, turns Ctrl-C into a stop request and errors into messages and exit codes.
#include "cli/main_program.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

#include "cli/verbs.hpp"
#include "util/error.hpp"

namespace k8simg {

namespace {

/// Waits for SIGINT and SIGTERM in a thread of its own: the first asks every step to stop, the second ends the program at once.
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

}  // namespace

int main_program(int argc, char** argv) {
  Options options;
  Verb run;
  CLI::App app("k8simg builds bootable disk images for small Kubernetes machines.", "k8simg");
  app.require_subcommand(1);
  app.set_version_flag("--version", program_version());
  app.add_option("--project", options.project, "folder with boards/ and defconfigs/ (K8SIMG_PROJECT)");
  app.add_option("--store", options.store, "content-addressed store (K8SIMG_STORE; default PROJECT/output/store)");
  app.add_option("--output", options.output, "where output/NAME/ goes (default PROJECT/output)");
  app.add_option("--mirror", options.mirrors, "URL or REPOSITORY=URL, repeatable (K8SIMG_MIRROR)")->take_all();
  app.add_option("--progress", options.progress, "auto, plain, json or none")->check(CLI::IsMember({"auto", "plain", "json", "none"}));
  app.add_option("-j,--jobs", options.jobs, "cores to use (default: all)")->check(CLI::PositiveNumber);
  app.fallthrough();
  for (const auto add : {add_list, add_show, add_lock, add_plan, add_build, add_check, add_binaries, add_images, add_release, add_tree, add_run, add_test, add_verify, add_flash, add_node_config, add_gc, add_store}) add(app, options, run);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : static_cast<int>(ErrorKind::Usage);
  }
  const SignalWatch signals;
  try {
    Session session(options, signals.token());
    return run(session);
  } catch (const Error& error) {
    fmt::print(stderr, "k8simg: {}\n", error.describe());
    return static_cast<int>(error.kind());
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "k8simg: out of memory\n");
    return static_cast<int>(ErrorKind::Internal);
  } catch (const std::exception& error) {
    fmt::print(stderr, "k8simg: {}\n", error.what());
    return static_cast<int>(ErrorKind::Internal);
  }
}

}  // namespace k8simg
