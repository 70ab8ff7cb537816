// Opens built disk images, and describes machines for guest/.
#include "cli/machine.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "disk/raspberrypi.hpp"
#include "guest/devices.hpp"
#include "tree/archive.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

BuiltImage open_image(Session& session, const std::string& defconfig, const std::string& verb) {
  BuiltImage built{.config = session.config(defconfig)};
  session.need_machine(built.config, verb);
  const auto folder = session.output(defconfig);
  built.disk = folder / built.config.disk.file;
  const auto manifest_file = folder / "manifest.json";
  if (!std::filesystem::exists(built.disk) || !std::filesystem::exists(manifest_file)) {
    throw Error(ErrorKind::Usage, fmt::format("{} is not built: {} does not exist", defconfig, built.disk.string()),
                fmt::format("run `k8simg build {}` first", defconfig));
  }
  const auto manifest = nlohmann::json::parse(read_file(manifest_file), nullptr, false);
  if (!manifest.is_object() || !manifest.contains("kernel"))
    throw Error(ErrorKind::Usage, manifest_file.string() + " is damaged",
                fmt::format("remove it and run `k8simg build {}`", defconfig));
  built.kernel_release = manifest.value("kernel", "");
  built.epoch = manifest.value("source_date_epoch", std::int64_t{0});
  built.size = std::filesystem::file_size(built.disk);
  built.boot_partition = {.start = 0,
                          .kernel = {},
                          .dtb = built.config.qemu.dtb,
                          .cmdline = "cmdline.txt",
                          .more_cmdline = built.config.qemu.extra_cmdline,
                          .cmdline_limit = kernel_command_line_size(built.config.arch.kernel)};
  for (const auto& file : built.config.boot_files) {
    if (file.from == "kernel") built.boot_partition.kernel = file.path;
  }
  const auto disk = manifest.value("disk", nlohmann::json::object());
  built.sector_size = disk.value("sector_size", std::uint64_t{512});
  for (const auto& partition : disk.value("partitions", nlohmann::json::array())) {
    if (filesystem(partition.value("filesystem", "")).firmware_reads)
      built.boot_partition.start = partition.value("start", std::uint64_t{0});
    else
      built.root_size = partition.value("size", std::uint64_t{0});
  }

  const Lock lock = session.lock(defconfig);
  Pipeline pipeline = session.pipeline(built.config, lock);
  const OutputRef& qemu = tools_of(pipeline, built.config, "qemu");
  const auto values = session.build(pipeline, defconfig, {qemu, pipeline.rootfs});
  built.tools = checkout(session.store(), values.at(qemu));
  built.root = get_tree(session.store(), values.at(pipeline.rootfs).digest);
  return built;
}

void add_devices(CLI::App& verb, Devices& devices) {
  verb.add_option("--disk", devices.disk,
                  "the disk's controller, instead of the board's: " + join(disk_controllers(), ", "))
      ->check(CLI::IsMember(disk_controllers()));
  verb.add_option("--network-card", devices.network_card,
                  "the network card, instead of the board's: a device of QEMU such as e1000, rtl8139, usb-net");
}

void use_devices(Machine& machine, const Devices& devices) {
  if (!devices.disk.empty()) use_disk(machine, devices.disk);
  if (!devices.network_card.empty()) use_network_card(machine, devices.network_card);
}

std::vector<std::string> firmware_of(const BuiltImage& image, const std::vector<std::string>& chosen) {
  std::vector<std::string> list = chosen.empty() ? image.config.qemu.firmware : chosen;
  if (image.sector_size == 512) return list;
  const bool asked = std::find(chosen.begin(), chosen.end(), "bios") != chosen.end();
  std::erase(list, "bios");
  if (asked || list.empty()) {
    throw Error(ErrorKind::Usage,
                fmt::format("a BIOS cannot start from {}, whose sectors have {} bytes", image.disk.filename().string(),
                            image.sector_size),
                list.empty() ? "give the board another qemu.firmware, or set disk.sector-size = 512"
                             : "choose another firmware, or set disk.sector-size = 512");
  }
  return list;
}

bool choose_kvm(Session& session, const Machine& machine, const std::filesystem::path& tools,
                const std::filesystem::path& scratch, const std::string& wish) {
  if (wish == "tcg") return false;
  if (wish == "kvm") return true;
  std::string why_not;
  if (probe_kvm(system_runner(), machine, tools, scratch, why_not)) return true;
  session.reporter().message("emulating the processor (TCG), which is slow: " + why_not);
  return false;
}

}  // namespace k8simg
