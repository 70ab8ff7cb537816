// Opens built images and describes machines for run/.
#include "cli/machine.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

BuiltImage open_image(Session& session, const std::string& defconfig) {
  BuiltImage built{.config = session.config(defconfig)};
  const auto folder = session.output(defconfig);
  built.disk = folder / built.config.disk.file;
  const auto manifest_file = folder / "manifest.json";
  if (!std::filesystem::exists(built.disk) || !std::filesystem::exists(manifest_file)) {
    throw Error(ErrorKind::Usage, fmt::format("{} is not built: there is no {}", defconfig, built.disk.string()), fmt::format("run `k8simg build {}` first", defconfig));
  }
  const auto manifest = nlohmann::json::parse(read_file(manifest_file), nullptr, false);
  if (!manifest.is_object() || !manifest.contains("kernel")) throw Error(ErrorKind::Usage, manifest_file.string() + " is damaged", fmt::format("remove it and run `k8simg build {}`", defconfig));
  built.kernel_release = manifest.value("kernel", "");
  built.epoch = manifest.value("source_date_epoch", std::int64_t{0});
  built.size = std::filesystem::file_size(built.disk);

  const Lock lock = load_lock(session.lock_file(defconfig));
  Pipeline pipeline = session.pipeline(built.config, lock);
  const auto values = session.build(pipeline, defconfig, {pipeline.tools, pipeline.rootfs});
  built.tools = checkout(session.store(), values.at(pipeline.tools));
  built.root = get_tree(session.store(), values.at(pipeline.rootfs).digest);
  return built;
}

Machine machine_of(const QemuConfig& qemu) {
  return {.binary = qemu.binary, .model = qemu.machine, .cpu = qemu.cpu, .memory_mib = qemu.memory_mib, .cpus = qemu.cpus, .arguments = qemu.arguments, .uefi_code = qemu.uefi_code, .uefi_vars = qemu.uefi_vars};
}

bool choose_kvm(Session& session, const Machine& machine, const std::filesystem::path& tools, const std::filesystem::path& scratch, const std::string& wish) {
  if (wish == "tcg") return false;
  if (wish == "kvm") return true;
  std::string why_not;
  if (probe_kvm(system_runner(), machine, tools, scratch, why_not)) return true;
  session.reporter().message("emulating the processor (TCG), which is slow: " + why_not);
  return false;
}

}  // namespace k8simg
