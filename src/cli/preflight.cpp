// Builds the inputs of the preflight and runs it.
#include "cli/preflight.hpp"

#include <fmt/format.h>

#include "preflight/kubeadm_images.hpp"
#include "tree/archive.hpp"
#include "util/file.hpp"

namespace k8simg {

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
  const fs::path logs = store.folder("logs") / config.name;
  fs::create_directories(logs);
  inputs.kubeadm_images = kubeadm_images(system_runner(), store, root, config, checkout(store, values.at(programs)),
                                         logs / "kubeadm-images.log", session.stop());
  return preflight(inputs);
}

}  // namespace k8simg
