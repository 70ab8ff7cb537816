// Runs kubeadm of the root filesystem and parses its list of container images.
#include "preflight/kubeadm_images.hpp"

#include <fmt/format.h>

#include <utility>

#include "component/steps.hpp"
#include "preflight/preflight.hpp"
#include "process/sandbox.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace k8simg {

std::vector<std::string> kubeadm_images(CommandRunner& runner, const Store& store, const Tree& root,
                                        const Config& config, const std::filesystem::path& tools,
                                        const std::filesystem::path& log, std::stop_token stop) {
  const auto path = program_path(root, "kubeadm");
  if (!path) return {};
  check_sandbox(runner);
  const std::string inside = "/in/kubeadm";
  std::vector<std::string> argv = run_program(config.arch.go, "kubeadm", inside);
  argv.insert(argv.end(), {"config", "images", "list", "--kubernetes-version", cluster_version(store, root, config)});
  Command command = sandbox({.root = tools,
                             .argv = argv,
                             .working_folder = "/tmp",
                             .binds = {{store.path(root.find(path->substr(1))->content), inside}}});
  command.log = log;
  command.capture_stdout = true;
  command.timeout_seconds = 300;
  const CommandResult result = run_checked(runner, command, "kubeadm config images list", std::move(stop));
  std::vector<std::string> references = split_words(result.output);
  if (references.empty())
    throw Error(ErrorKind::Step, fmt::format("{} of {} names no images", *path, config.name),
                "see its output in " + log.string());
  return references;
}

}  // namespace k8simg
