// `k8simg test NAME`: boots the built disk image with each firmware of the board and runs checks in the guest.
// `--cluster`: several images on one network.
#include <fmt/format.h>

#include <algorithm>

#include "cli/guest_test.hpp"
#include "cli/preflight.hpp"
#include "cli/verbs.hpp"
#include "report/output.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

struct Chosen {
  std::string name, accel = "auto", format;
  std::vector<std::string> firmware, cluster;
  Devices devices;
  int timeout = 0;
  bool ready = false, move_clock = false;
  double timeout_seconds() const {
    return timeout ? timeout : move_clock ? 7200 : ready || !cluster.empty() ? 2400 : 900;
  }
};

/// Whether no check of any boot failed. `skipped`: the number of checks that were not made.
bool test_machine(Session& session, const Chosen& chosen, int& skipped) {
  Guest guest = open_guest(session, chosen.name, chosen.accel, chosen.devices);
  if (!chosen.format.empty()) use_format(guest, chosen.format);
  const Config& config = guest.image.config;
  if (chosen.ready && config.node_role != "single" && config.node_role != "standalone") {
    throw Error(ErrorKind::Usage,
                fmt::format("{} does not become a node that is Ready without other machines", chosen.name),
                "set node.role to \"single\" or \"standalone\"");
  }
  if (chosen.ready && config.node_role != "single" && !guest.machine.no_network.empty()) {
    throw Error(ErrorKind::Usage,
                fmt::format("{} does not become a node in QEMU, because the machine has no network: {}", chosen.name,
                            guest.machine.no_network),
                "only the role \"single\" needs no network");
  }
  if (chosen.move_clock && config.node_role != "single") {
    throw Error(ErrorKind::Usage, fmt::format("{} does not make a cluster with certificates to renew", chosen.name),
                "set node.role to \"single\"");
  }
  std::vector<std::string> firmware_list = firmware_of(guest.image, chosen.firmware);
  // The firmware does not affect the node, so only one is used. The second boot uses the same disk.
  if (chosen.ready) firmware_list = {firmware_list.front(), firmware_list.front()};
  // A second boot would begin at the time of the computer, two years before the end of the first boot.
  if (chosen.move_clock) firmware_list.pop_back();
  // kubeadm's checks are for a machine that is not a node yet.
  std::optional<std::vector<std::string>> verdicts;
  if (!chosen.ready && program_path(guest.image.root, "kubeadm"))
    verdicts = kubeadm_verdicts(run_preflight(session, config, PreflightMachine::Qemu));
  const TempDir scratch(session.store().folder("scratch"), "test");
  std::vector<GuestBoot> boots;
  bool again = false;
  for (const std::string& firmware : firmware_list) {
    if (const std::string note = not_shown(guest, firmware); !note.empty()) session.reporter().message(note);
    const auto& booted = guest.conversion.empty() ? guest.image.disk : guest.conversion;
    session.reporter().message(
        fmt::format("booting {} by {}{}", booted.filename().string(), firmware, again ? ", for the second time" : ""));
    Expectations expect = expectations_of(guest, firmware);
    expect.preflight_verdicts = verdicts;
    expect.preflight = makes_control_plane(config) ? Expectations::Preflight::Init : Expectations::Preflight::Join;
    if (!chosen.ready) {
      // Creating a node takes longer than all checks.
      if (!config.node_role.empty()) expect.skip_units = {"k8simg-images.service", "k8simg-node.service"};
    } else {
      const bool cluster = config.node_role == "single";
      expect.ready = cluster ? Expectations::Ready::Cluster : Expectations::Ready::Standalone;
      expect.ready_image = ready_image(config, cluster);
      expect.router = false;
      expect.move_clock = chosen.move_clock;
      if (again) expect.versions.clear(), expect.container_image.clear();
    }
    const auto console =
        session.store().folder("logs") / chosen.name /
        fmt::format("console-{}{}{}.log", firmware, again ? "-again" : "", chosen.move_clock ? "-clock" : "");
    Boot boot;
    boot.scratch = scratch.path(), boot.timeout_seconds = chosen.timeout_seconds(), boot.again = again,
    boot.isolated = chosen.ready;
    GuestBoot done = boot_guest(guest, expect, firmware, boot, console, session.stop());
    again = chosen.ready;
    skipped += done.report.skipped();
    if (!session.options().json) print_boot(firmware, done);
    boots.push_back(std::move(done));
  }
  if (session.options().json) print_out(fmt::format("{}\n", boots_as_json(boots)));
  return std::all_of(boots.begin(), boots.end(), [](const GuestBoot& boot) { return boot.report.ok(); });
}

}  // namespace

void add_test(CLI::App& app, Options& options, Verb& run) {
  auto* verb = app.add_subcommand("test", "boot the built image in QEMU and check it from the inside");
  auto chosen = std::make_shared<Chosen>();
  auto* name = verb->add_option("defconfig", chosen->name, "name");
  verb->add_option("--firmware", chosen->firmware, "bios, uefi or kernel (default: all of the board)")->needs(name);
  add_devices(*verb, chosen->devices);
  verb->add_option("--format", chosen->format, "boot the disk in this published format, such as qcow2")->needs(name);
  verb->add_option("--timeout", chosen->timeout,
                   "seconds for each boot (default: 900, with --ready or --cluster 2400, with --move-clock 7200)")
      ->check(CLI::PositiveNumber);
  auto* ready =
      verb->add_flag("--ready", chosen->ready,
                     "wait until the image is a Ready node, send a request to a pod by the name of its service, "
                     "restart the machine, and repeat the request")
          ->needs(name);
  verb->add_flag(
          "--move-clock", chosen->move_clock,
          "with --ready: instead of the restart, move the machine's clock two years in steps; certificates must be "
          "renewed, and the node must stay Ready")
      ->needs(ready);
  auto* cluster = verb->add_option("--cluster", chosen->cluster,
                                   "NAME,NAME...: the first makes a cluster, the others join it on a private network, "
                                   "and their pods connect to each other")
                      ->delimiter(',')
                      ->expected(1, 16)
                      ->excludes(name);
  verb->add_option("--accel", chosen->accel, "auto, kvm or tcg")->check(CLI::IsMember({"auto", "kvm", "tcg"}));
  verb->add_option("--lock", options.lock_file, "the lock of the built image, if not defconfigs/NAME.lock")
      ->excludes(cluster);
  verb->add_flag("--json", options.json, "print JSON");
  verb->callback([=, &run] {
    if (chosen->name.empty() && chosen->cluster.empty()) throw CLI::RequiredError("defconfig or --cluster");
    run = [=](Session& session) {
      int skipped = 0;
      const bool all_ok = chosen->cluster.empty()
                              ? test_machine(session, *chosen, skipped)
                              : test_cluster(session, {.names = chosen->cluster,
                                                       .accel = chosen->accel,
                                                       .timeout_seconds = chosen->timeout_seconds()});
      const std::string also = skipped == 0 ? "" : fmt::format(", {} skipped", skipped);
      if (!session.options().json)
        print_out(fmt::format("{}{}\n", all_ok ? "all checks passed" : "some checks failed", also));
      return all_ok ? 0 : static_cast<int>(ErrorKind::Step);
    };
  });
}

}  // namespace k8simg
