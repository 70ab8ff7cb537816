// Opens guests, boots them and prints reports.
#include "cli/guest_test.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "disk/formats.hpp"
#include "oci/archive.hpp"
#include "pipeline/images.hpp"
#include "report/output.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

constexpr const char* test_image = "k8simg.local/check:1";
constexpr const char* container_program = "opt/cni/bin/loopback";  // the smallest static program of the components

/// An archive of a container image whose only file is a static program of the root filesystem.
std::filesystem::path container_archive(Session& session, const BuiltImage& image) {
  const Node* program = image.root.find(container_program);
  if (!program) return {};
  Tree layer;
  layer.set("loopback", *program);
  const Tree layout = make_oci_layout(session.store(),
                                      {{.reference = test_image,
                                        .architecture = image.config.arch.go,
                                        .variant = oci_variant(image.config.arch.go, image.config.arch.goarm),
                                        .layers = {layer},
                                        .entrypoint = {"/loopback"}}},
                                      image.epoch);
  const Value archive = make_oci_archive(session.store(), layout, image.epoch);
  return session.store().path(archive.digest);
}

/// Commands that print versions, with the expected text: the checks of installed components, and the OCI runtime.
std::vector<std::vector<std::string>> versions(const BuiltImage& image) {
  std::vector<std::vector<std::string>> list;
  for (const auto& component : image.config.components) {
    for (const auto& binary : component.binaries) {
      for (const auto& check : binary.checks) {
        const std::string name = check.argv0.empty() ? binary.name : check.argv0;
        std::string path;
        if (binary.install.substr(binary.install.rfind('/') + 1) == name) path = binary.install;
        for (const auto& link : binary.links) {
          if (link.substr(link.rfind('/') + 1) == name) path = link;
        }
        if (path.empty() || path.starts_with("/opt/cni/")) continue;
        std::vector<std::string> words{path};
        words.insert(words.end(), check.argv.begin(), check.argv.end());
        words.push_back(check.expect);
        list.push_back(std::move(words));
      }
    }
  }
  if (image.root.find("usr/bin/crun")) list.push_back({"/usr/bin/crun", "--version", "crun version"});
  return list;
}

/// The reference of the container image that runs `program`; "" for none.
std::string image_of(const Config& config, const std::string& program) {
  for (const auto& component : config.components) {
    for (const auto& each : component.images) {
      if (each.programs.front() == program) return image_reference(component, each);
    }
  }
  return "";
}

constexpr std::uint64_t disk_size = 4ull << 30;

}  // namespace

Guest open_guest(Session& session, const std::string& name, const std::string& accel, const Devices& devices) {
  Guest guest{.name = name,
              .image = open_image(session, name, "test"),
              .machine = {},
              .kvm = false,
              .conversion = {},
              .conversion_format = {},
              .container = {}};
  guest.machine = guest.image.config.qemu;
  use_devices(guest.machine, devices);
  guest.container = container_archive(session, guest.image);
  const TempDir scratch(session.store().folder("scratch"), "kvm");
  guest.kvm = choose_kvm(session, guest.machine, guest.image.tools, scratch.path(), accel);
  return guest;
}

void use_format(Guest& guest, const std::string& format) {
  const OutputFormat& handler = output_format(format);
  const auto file = guest.image.disk.parent_path() / handler.file(guest.image.disk.filename().string());
  if (handler.rules.kind != OutputKind::Conversion || !std::filesystem::exists(file)) {
    throw Error(ErrorKind::Usage, fmt::format("{} is not built as {}", guest.name, format),
                fmt::format("add \"{}\" to disk.formats and run `k8simg build {}`", format, guest.name));
  }
  guest.conversion = file, guest.conversion_format = format;
}

std::string ready_image(const Config& config, bool in_cluster) {
  const std::string program = in_cluster ? "coredns" : "pause";
  if (const std::string reference = image_of(config, program); !reference.empty()) return reference;
  throw Error(ErrorKind::Usage,
              fmt::format("no component makes a container image of {}, which the test runs as a pod", program),
              fmt::format("add a component with {} to components.enable", program));
}

bool carries_control_plane(const Config& config) { return config.images_preload && !image_of(config, "etcd").empty(); }

Expectations expectations_of(const Guest& guest, const std::string& firmware) {
  const Config& config = guest.image.config;
  // Other partitions may have most of the space.
  const auto& partitions = config.disk.partitions;
  const bool shared = std::any_of(partitions.begin(), partitions.end(),
                                  [](const PartitionConfig& partition) { return partition.create_on_device; });
  Expectations expect{.kernel = guest.image.kernel_release,
                      .firmware = firmware,
                      .earliest_time = guest.image.epoch,
                      .root_bytes = shared ? guest.image.root_size : disk_size - (disk_size >> 3),
                      .sector_size = guest.image.sector_size,
                      .protective_mbr_active = config.disk.protective_mbr_active,
                      .versions = versions(guest.image)};
  expect.no_network = guest.machine.no_network;
  expect.script_drive = drive_name(guest.machine, 0), expect.container_drive = drive_name(guest.machine, 1);
  if (!guest.container.empty()) expect.container_image = test_image, expect.container_says = "CNI";
  expect.kubeadm_images = carries_control_plane(config);
  return expect;
}

GuestBoot boot_guest(const Guest& guest, const Expectations& expectations, const std::string& firmware, Boot boot,
                     const std::filesystem::path& console, std::stop_token stop) {
  const auto script = boot.scratch / "checks";
  write_file_atomically(script, check_script(expectations));
  std::filesystem::resize_file(script, 1 << 16);  // the size of a drive is a multiple of the sector size
  boot.tools = guest.image.tools, boot.boot_partition = guest.image.boot_partition, boot.kvm = guest.kvm,
  boot.disk_size = disk_size, boot.sector_size = guest.image.sector_size, boot.conversion = guest.conversion,
  boot.conversion_format = guest.conversion_format;
  if (boot.image.empty()) boot.image = guest.image.disk;
  boot.firmware = parse_firmware(firmware);
  boot.credentials.merge(check_credentials(expectations));
  boot.drives.push_back(script);
  if (!guest.container.empty()) boot.drives.push_back(guest.container);
  GuestBoot done{.name = guest.name,
                 .firmware = firmware,
                 .kvm = guest.kvm,
                 .report = {},
                 .result = run_machine(system_runner(), guest.machine, boot, stop),
                 .console = console};
  std::filesystem::create_directories(console.parent_path());
  if (std::filesystem::exists(boot.scratch / "console.log")) {
    copy_sparse(boot.scratch / "console.log", console, 0644);
  } else {
    Error error(ErrorKind::Step,
                fmt::format("{}: QEMU did not start (exit code {})", guest.name, done.result.exit_code));
    if (!done.result.message.empty()) error.add_context("messages of QEMU:\n" + done.result.message);
    throw error;
  }
  done.report = read_report(read_file(console));
  return done;
}

std::string boots_as_json(const std::vector<GuestBoot>& boots) {
  nlohmann::json list = nlohmann::json::array();
  for (const auto& boot : boots) {
    nlohmann::json checks = nlohmann::json::array(), processes = nlohmann::json::array();
    for (const auto& check : boot.report.checks)
      checks.push_back({{"name", check.name}, {"ok", check.ok}, {"skipped", check.skipped}, {"detail", check.detail}});
    for (const auto& process : boot.report.processes) {
      processes.push_back({{"name", process.name},
                           {"count", process.count},
                           {"rss_kib", process.rss_kib},
                           {"pss_kib", process.pss_kib},
                           {"cpu_seconds", process.cpu_seconds}});
    }
    list.push_back({{"name", boot.name},
                    {"firmware", boot.firmware},
                    {"accelerator", boot.kvm ? "kvm" : "tcg"},
                    {"ok", boot.report.ok()},
                    {"finished", boot.report.finished},
                    {"timed_out", boot.result.timed_out},
                    {"stalled", boot.result.stalled},
                    {"qemu", boot.report.finished ? "" : boot.result.message},
                    {"seconds", boot.result.seconds},
                    {"checks", checks},
                    {"figures", boot.report.figures},
                    {"processes", processes}});
  }
  // A line of the console may be cut in the middle of a character, and may not be UTF-8.
  return nlohmann::json{{"boots", list}}.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string why_unfinished(const GuestBoot& boot) {
  const MachineResult& result = boot.result;
  if (boot.report.finished) return "";
  std::string text = "the checks did not finish: ";
  if (!result.stalled.empty())
    text += "the guest has stalled: " + result.stalled;
  else if (result.timed_out)
    text += fmt::format("they took longer than {}", format_duration(result.seconds));
  else
    text += fmt::format("QEMU ended with {}", result.exit_code);
  if (!result.message.empty()) text += "\nmessages of QEMU:\n" + result.message;
  const std::string last = tail_of(boot.console, 40);
  return text + (last.empty() ? "\nthe console is empty" : "\nthe console's last lines:\n" + last);
}

void print_boot(const std::string& title, const GuestBoot& boot) {
  const auto& [name, firmware, kvm, report, result, console] = boot;
  for (const auto& check : report.checks) {
    const char* result = check.skipped ? "skip" : check.ok ? "ok" : "FAIL";
    print_out(fmt::format("{} {:<4}  {:<24} {}\n", title, result, check.name, check.detail));
  }
  for (const auto& [figure, value] : report.figures) print_out(fmt::format("{} {:<30} {}\n", title, figure, value));
  for (const auto& process : report.processes) {
    if (process.pss_kib < 1024) continue;
    print_out(fmt::format("{} process {:<22} {:>6.1f} MiB, {:.1f} resident, {:.1f} s of processor time{}\n", title,
                          process.name, static_cast<double>(process.pss_kib) / 1024,
                          static_cast<double>(process.rss_kib) / 1024, process.cpu_seconds,
                          process.count > 1 ? fmt::format(", {} of them", process.count) : ""));
  }
  // Once more at the end, where they are seen.
  for (const auto& check : report.checks)
    if (!check.ok)
      print_out(fmt::format("{} {}: {}: {}\n", title, check.skipped ? "skipped" : "failed", check.name, check.detail));
  if (const std::string why = why_unfinished(boot); !why.empty()) print_out(fmt::format("{} FAIL  {}\n", title, why));
}

std::string not_shown(const Guest& guest, const std::string& firmware) {
  if (firmware != "kernel") return "";
  return fmt::format(
      "QEMU cannot run the firmware of {}: it starts {} and {} from the boot partition directly. Not tested: the start "
      "of the firmware, config.txt and its choice of device tree, radios, clocks, GPIO; config.txt "
      "and cmdline.txt were checked when the image was built.",
      guest.name, guest.image.boot_partition.kernel, guest.image.boot_partition.dtb);
}

}  // namespace k8simg
