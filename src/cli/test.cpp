// `k8simg test NAME`: boots the built image by each firmware that the board names and checks it from the inside.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/machine.hpp"
#include "cli/preflight.hpp"
#include "cli/verbs.hpp"
#include "oci/archive.hpp"
#include "pipeline/images.hpp"
#include "run/checks.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace k8simg {

namespace {

constexpr const char* test_image = "k8simg.local/check:1";
constexpr const char* container_program = "opt/cni/bin/loopback";  // the smallest static program of ours

/// An image whose only file is a static program of the root filesystem.
std::filesystem::path container_archive(Session& session, const BuiltImage& image) {
  const Node* program = image.root.find(container_program);
  if (!program) return {};
  Tree layer;
  layer.set("loopback", *program);
  const Tree layout = make_oci_layout(session.store(), {{.reference = test_image, .architecture = image.config.arch.go, .variant = oci_variant(image.config.arch.go, image.config.arch.goarm),
                                                            .layers = {layer}, .entrypoint = {"/loopback"}}}, image.epoch);
  const Value archive = make_oci_archive(session.store(), layout, image.epoch);
  return session.store().path(archive.digest);
}

/// Every program of the node that can say its version: the components' own checks, for what is installed, and the OCI runtime.
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

/// What the pod of --ready is made of, out of the image itself: CoreDNS is its one program that answers whoever asks.
std::string ready_image(const Config& config) {
  const std::string program = config.node_role == "single" ? "coredns" : "pause";
  if (const std::string reference = image_of(config, program); !reference.empty()) return reference;
  throw Error(ErrorKind::Usage, fmt::format("no component makes an image of {}, which --ready starts as a pod", program), fmt::format("add {} to components.enable", program));
}

nlohmann::json to_json(const std::string& firmware, const GuestReport& report, const CommandResult& result) {
  nlohmann::json checks = nlohmann::json::array();
  for (const auto& check : report.checks) checks.push_back({{"name", check.name}, {"ok", check.ok}, {"detail", check.detail}});
  nlohmann::json processes = nlohmann::json::array();
  for (const auto& process : report.processes) processes.push_back({{"name", process.name}, {"count", process.count}, {"rss_kib", process.rss_kib}, {"pss_kib", process.pss_kib}});
  return {{"processes", processes}, {"firmware", firmware}, {"ok", report.ok()}, {"finished", report.finished}, {"timed_out", result.timed_out}, {"seconds", result.seconds}, {"checks", checks}, {"figures", report.figures}};
}

void print_report(const std::string& firmware, const GuestReport& report, const CommandResult& result, const std::filesystem::path& console) {
  for (const auto& check : report.checks) fmt::print("{} {:<4}  {:<24} {}\n", firmware, check.ok ? "ok" : "FAIL", check.name, check.detail);
  for (const auto& [name, value] : report.figures) fmt::print("{} {:<30} {}\n", firmware, name, value);
  for (const auto& process : report.processes) {
    if (process.pss_kib < 1024) continue;
    fmt::print("{} process {:<22} {:>6.1f} MiB, {:.1f} resident{}\n", firmware, process.name, static_cast<double>(process.pss_kib) / 1024, static_cast<double>(process.rss_kib) / 1024,
               process.count > 1 ? fmt::format(", {} of them", process.count) : "");
  }
  if (!report.finished) {
    fmt::print("{} FAIL  the checks did not come to their end ({}); the console's last lines:\n{}\n", firmware, result.timed_out ? "timed out" : fmt::format("QEMU ended with {}", result.exit_code), tail_of(console, 40));
  }
}

}  // namespace

void add_test(CLI::App& app, Options& options, Verb& run) {
  auto* verb = app.add_subcommand("test", "boot the built image in QEMU and check it from the inside");
  struct Chosen { std::string name, accel = "auto"; std::vector<std::string> firmware; int timeout = 0; bool ready = false; };
  auto chosen = std::make_shared<Chosen>();
  verb->add_option("defconfig", chosen->name, "its name")->required();
  verb->add_option("--firmware", chosen->firmware, "bios, uefi or kernel (default: all that the board names)");
  verb->add_option("--timeout", chosen->timeout, "seconds for each boot (default: 900, with --ready 2400)")->check(CLI::PositiveNumber);
  verb->add_flag("--ready", chosen->ready, "let the image make a node of itself, wait until it is Ready, ask a pod by its service's name, restart it, and ask again");
  verb->add_option("--accel", chosen->accel, "auto, kvm or tcg")->check(CLI::IsMember({"auto", "kvm", "tcg"}));
  verb->add_option("--lock", options.lock_file, "the lock that the image was built with, if not defconfigs/NAME.lock");
  verb->add_flag("--json", options.json, "as JSON");
  verb->callback([=, &run] {
    run = [=](Session& session) {
      const BuiltImage image = open_image(session, chosen->name, "test");
      const Machine machine = machine_of(image.config.qemu);
      const auto archive = container_archive(session, image);
      const auto logs = session.store().folder("logs") / chosen->name;
      std::filesystem::create_directories(logs);
      bool kvm = false;
      {
        const TempDir scratch(session.store().folder("scratch"), "kvm");
        kvm = choose_kvm(session, machine, image.tools, scratch.path(), chosen->accel);
      }
      constexpr std::uint64_t disk_size = 4ull << 30;
      // Other partitions may have been given most of the room.
      const auto& partitions = image.config.disk.partitions;
      const bool shared = std::any_of(partitions.begin(), partitions.end(), [](const PartitionConfig& partition) { return partition.create_on_device; });
      if (chosen->ready && image.config.node_role != "single" && image.config.node_role != "standalone") {
        throw Error(ErrorKind::Usage, fmt::format("{} makes no node of itself that could become Ready alone", chosen->name), "set node.role to \"single\" or \"standalone\"");
      }
      std::vector<std::string> firmware_list = chosen->firmware.empty() ? image.config.qemu.firmware : chosen->firmware;
      // The way that it starts does not change what it becomes; the second boot is of the same disk.
      if (chosen->ready) firmware_list = {firmware_list.front(), firmware_list.front()};
      bool again = false;
      // kubeadm looks at a machine that is no node yet.
      std::optional<std::vector<std::string>> verdicts;
      if (!chosen->ready && program_path(image.root, "kubeadm")) verdicts = kubeadm_verdicts(run_preflight(session, image.config, PreflightMachine::Qemu));
      const TempDir scratch(session.store().folder("scratch"), "test");
      nlohmann::json reports = nlohmann::json::array();
      bool all_ok = true;
      for (const std::string& firmware : firmware_list) {
        if (firmware == "kernel") {
          session.reporter().message(fmt::format("QEMU runs no firmware of this board: it starts {} and {} from the boot partition itself. Not shown: the firmware's own start, config.txt and its device tree "
                                                 "choice, radios, clocks, GPIO; config.txt and cmdline.txt were checked when the image was built.",
                                                 image.boot_partition.kernel, image.boot_partition.dtb));
        }
        session.reporter().message(fmt::format("booting {} by {}{}", image.disk.filename().string(), firmware, again ? ", for the second time" : ""));
        Expectations expect{.kernel = image.kernel_release, .firmware = firmware, .earliest_time = image.epoch, .root_bytes = shared ? image.root_size : disk_size - (disk_size >> 3), .versions = versions(image)};
        expect.script_drive = drive_name(machine, 0), expect.container_drive = drive_name(machine, 1);
        if (!archive.empty()) expect.container_image = test_image, expect.container_says = "CNI";
        expect.kubeadm_images = image.config.images_preload && !image_of(image.config, "etcd").empty();
        expect.preflight_verdicts = verdicts;
        expect.preflight = makes_control_plane(image.config) ? Expectations::Preflight::Init : Expectations::Preflight::Join;
        if (!chosen->ready) {
          // Making a node takes longer than all checks together.
          if (!image.config.node_role.empty()) expect.skip_units = {"k8simg-images.service", "k8simg-node.service"};
        } else {
          expect.ready = image.config.node_role == "single" ? Expectations::Ready::Cluster : Expectations::Ready::Standalone;
          expect.ready_image = ready_image(image.config);
          if (again) expect.versions.clear(), expect.container_image.clear();
        }
        const auto script = scratch.path() / "checks";
        write_file_atomically(script, check_script(expect));
        std::filesystem::resize_file(script, 1 << 16);  // a drive has whole sectors
        Boot boot{.tools = image.tools, .image = image.disk, .scratch = scratch.path(), .firmware = parse_firmware(firmware), .boot_partition = image.boot_partition, .disk_size = disk_size, .kvm = kvm,
                  .credentials = check_credentials(expect), .timeout_seconds = static_cast<double>(chosen->timeout ? chosen->timeout : chosen->ready ? 2400 : 900), .again = again};
        boot.drives.push_back(script);
        if (!archive.empty()) boot.drives.push_back(archive);
        const CommandResult result = run_machine(system_runner(), machine, boot, session.stop());
        const auto console = logs / fmt::format("console-{}{}.log", firmware, again ? "-again" : "");
        again = chosen->ready;
        std::error_code none;
        std::filesystem::copy_file(scratch.path() / "console.log", console, std::filesystem::copy_options::overwrite_existing, none);
        if (none) throw Error(ErrorKind::Step, fmt::format("QEMU did not start (exit code {})", result.exit_code), tail_of(scratch.path() / "qemu.log", 20));
        const GuestReport report = read_report(read_file(console));
        all_ok = all_ok && report.ok();
        if (session.options().json) reports.push_back(to_json(firmware, report, result));
        else print_report(firmware, report, result, console);
      }
      if (session.options().json) fmt::print("{}\n", nlohmann::json{{"name", chosen->name}, {"accelerator", kvm ? "kvm" : "tcg"}, {"boots", reports}}.dump(2));
      else fmt::print("{}\n", all_ok ? "all checks passed" : "some checks failed");
      return all_ok ? 0 : static_cast<int>(ErrorKind::Step);
    };
  });
}

}  // namespace k8simg
