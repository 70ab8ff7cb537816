// Gathers what the preflight rules look at.
#include "cli/preflight.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "component/steps.hpp"
#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

/// `kubeadm config images list` of the very program in the image; empty when there is none.
std::vector<std::string> ask_kubeadm(Session& session, const Config& config, const Tree& root, const fs::path& tools,
                                     const std::string& version) {
  const auto path = program_path(root, "kubeadm");
  if (!path) return {};
  check_sandbox(system_runner());
  std::vector<std::string> argv = k8simg::run_program(config.arch.go, "kubeadm", "/in/kubeadm");
  argv.insert(argv.end(), {"config", "images", "list", "--kubernetes-version", version});
  Command command = sandbox({.root = tools,
                             .argv = argv,
                             .working_folder = "/tmp",
                             .binds = {{session.store().path(root.find(path->substr(1))->content), "/in/kubeadm"}}});
  const auto logs = session.store().folder("logs") / config.name;
  fs::create_directories(logs);
  command.log = logs / "kubeadm-images.log";
  command.capture_stdout = true;
  command.timeout_seconds = 300;
  const CommandResult result = run_checked(system_runner(), command, "kubeadm config images list", session.stop());
  std::vector<std::string> references = split_words(result.output);
  if (references.empty())
    throw Error(ErrorKind::Step, fmt::format("{} of {} names no images", *path, config.name),
                "its words are in " + command.log.string());
  return references;
}

}  // namespace

std::vector<Finding> run_preflight(Session& session, const Config& config, PreflightMachine machine) {
  session.need_machine(config, "check");
  const Lock lock = session.lock(config.name);
  Pipeline pipeline = session.pipeline(config, lock);
  const OutputRef& programs = tools_of(pipeline, config, "programs");
  const OutputRef kernel_config = pipeline.artifacts.at("kernel.config");
  const auto values = session.build(pipeline, config.name, {programs, pipeline.rootfs, pipeline.boot, kernel_config});
  Store& store = session.store();
  const Tree root = get_tree(store, values.at(pipeline.rootfs).digest),
             boot = get_tree(store, values.at(pipeline.boot).digest);

  PreflightInputs inputs{.config = config,
                         .store = store,
                         .root = root,
                         .boot = boot,
                         .kernel_config = store.read(values.at(kernel_config).digest)};
  inputs.cpus = config.qemu.cpus, inputs.memory_mib = config.qemu.memory_mib,
  inputs.machine = fmt::format("[qemu] of board {}", config.board);
  const HardwareConfig& hardware = config.hardware;
  if (machine == PreflightMachine::Smallest && (hardware.cpus || hardware.memory_mib)) {
    inputs.cpus = config.smallest_cpus();
    inputs.memory_mib = config.smallest_memory_mib();
    inputs.machine = fmt::format("[hardware] of board {}", config.board);
  }
  inputs.kubeadm_images =
      ask_kubeadm(session, config, root, checkout(store, values.at(programs)), cluster_version(store, root, config));
  return preflight(inputs);
}

}  // namespace k8simg
