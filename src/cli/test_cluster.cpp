// `k8simg test --cluster A,B`: boots several built disk images on one private network. The first makes a cluster, the
// others join it.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>

#include "cli/guest_test.hpp"
#include "process/sandbox.hpp"
#include "report/output.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace k8simg {

namespace {

// The first machine is the DHCP server of the others, but not a router (systemd-network-generator(8),
// systemd.network(5)).
constexpr const char* first_network =
    "[Match]\nType=ether\nKind=!*\n[Network]\nAddress=192.168.7.1/"
    "24\nDHCPServer=yes\n[DHCPServer]\nEmitRouter=no\nEmitDNS=no\nEmitNTP=no\n";
// A node stops its pods before it powers off.
constexpr int grace_seconds = 600;
constexpr int loss_seconds = 60;

/// A copy of the guest's disk with another node.toml on the boot partition.
std::filesystem::path disk_with_node_file(const Guest& guest, const std::filesystem::path& scratch,
                                          const std::string& node_file, std::stop_token stop) {
  const auto& files = guest.image.config.boot_files;
  if (std::none_of(files.begin(), files.end(), [](const BootFile& file) { return file.path == "node.toml"; })) {
    throw Error(ErrorKind::Usage, guest.name + " has no node.toml on its boot partition, so it cannot be configured",
                "extend the defconfig kubernetes");
  }
  write_file_atomically(scratch / "node.toml", node_file);
  copy_sparse(guest.image.disk, scratch / "disk.img");
  Command command = sandbox(
      {.root = guest.image.tools,
       .argv = {"/usr/bin/mcopy", "-o", "-i", fmt::format("/build/disk.img@@{}", guest.image.boot_partition.start),
                "/build/node.toml", "::node.toml"},
       .environment = {},
       .binds = {{scratch, "/build", true}},
       .extra_arguments = {}});
  command.log = scratch / "node-file.log";
  run_checked(system_runner(), command, "writing node.toml to a copy of " + guest.name, stop);
  return scratch / "disk.img";
}

/// A machine of the cluster, which runs in its own thread.
struct Member {
  Guest guest;
  std::filesystem::path scratch;
  std::string firmware;
  std::shared_future<GuestBoot> boot;
  bool ended() const { return boot.valid() && boot.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }
  /// Whether it has stalled or QEMU did not start, so that others cannot use it.
  bool lost() const {
    if (!ended()) return false;
    try {
      return !boot.get().result.stalled.empty();
    } catch (const std::exception&) {
      return true;
    }
  }
};

}  // namespace

bool test_cluster(Session& session, const ClusterTest& test) {
  if (test.names.size() < 2)
    throw Error(ErrorKind::Usage, "a cluster for --cluster has two machines or more",
                "name them: --cluster pc,raspberrypi0");
  const TempDir scratch(session.store().folder("scratch"), "cluster");
  const auto network = scratch.path() / "network";
  std::filesystem::create_directory(network);
  std::vector<Member> members;
  for (const auto& name : test.names) {
    Member member{.guest = open_guest(session, name, test.accel),
                  .scratch = scratch.path() / std::to_string(members.size()),
                  .firmware = {},
                  .boot = {}};
    member.firmware = firmware_of(member.guest.image, {}).front();
    if (!member.guest.machine.no_network.empty()) {
      throw Error(ErrorKind::Usage,
                  fmt::format("{} cannot be part of a cluster in QEMU, because the machine has no network: {}", name,
                              member.guest.machine.no_network),
                  "leave it out of --cluster");
    }
    if (const std::string note = not_shown(member.guest, member.firmware); !note.empty())
      session.reporter().message(note);
    std::filesystem::create_directory(member.scratch);
    members.push_back(std::move(member));
  }
  if (!carries_control_plane(members.front().guest.image.config)) {
    throw Error(
        ErrorKind::Usage,
        fmt::format("{} does not contain the container images of a control plane, and no registry can be reached",
                    test.names.front()),
        "the first defconfig needs images.preload and the whole component kubernetes");
  }

  std::stop_source ending;
  struct AtEnd {
    std::stop_source& source;
    ~AtEnd() { source.request_stop(); }
  } at_end{ending};
  const std::stop_callback interrupted(session.stop(), [&] { ending.request_stop(); });
  const auto start = [&](std::size_t index, const std::string& node_file) {
    Member& member = members[index];
    const bool first = index == 0;
    Expectations expect = expectations_of(member.guest, member.firmware);
    expect.versions.clear(), expect.container_image.clear();  // `test NAME` checks these
    expect.router = false;
    expect.ready = first ? Expectations::Ready::Cluster : Expectations::Ready::Worker;
    if (first) expect.workers = static_cast<int>(members.size()) - 1;
    expect.ready_image = ready_image(member.guest.image.config, true);
    Boot boot;
    boot.scratch = member.scratch, boot.timeout_seconds = test.timeout_seconds;
    boot.image = disk_with_node_file(member.guest, member.scratch, node_file, ending.get_token());
    boot.lan = Lan{.folder = network, .machine = static_cast<int>(index), .machines = static_cast<int>(members.size())};
    if (first) boot.credentials["network.network.10-cluster"] = first_network;
    const auto console =
        session.store().folder("logs") / member.guest.name / fmt::format("console-cluster-{}.log", index + 1);
    session.reporter().message(fmt::format("booting {} as a {}", member.guest.name, first ? "cluster" : "worker"));
    member.boot = std::async(std::launch::async, [&member, expect, boot, console, stop = ending.get_token()] {
      return boot_guest(member.guest, expect, member.firmware, boot, console, stop);
    });
  };

  start(0, "role = \"single\"\n");
  int since_first_end = 0, since_loss = 0;
  const auto running = [](const Member& member) { return member.boot.valid() && !member.ended(); };
  while (std::any_of(members.begin(), members.end(), running)) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const auto console = members.front().scratch / "console.log";
    if (!members[1].boot.valid() && std::filesystem::exists(console)) {
      if (const auto join = read_report(read_file(console)).join; join) {
        for (std::size_t i = 1; i < members.size(); ++i) {
          start(i, fmt::format("role = \"worker\"\nserver = \"{}\"\ntoken = \"{}\"\nca-cert-hash = \"{}\"\n",
                               join->server, join->token, join->ca_cert_hash));
        }
      }
    }
    // Machines normally end together. Some time after the first has ended, the others are stopped.
    if (std::any_of(members.begin(), members.end(), [](const Member& member) { return member.ended(); }) &&
        ++since_first_end > grace_seconds)
      ending.request_stop();
    // The same applies after a machine was lost. Another may have stalled with it, and must be reported too.
    if (std::any_of(members.begin(), members.end(), [](const Member& member) { return member.lost(); }) &&
        ++since_loss > loss_seconds)
      ending.request_stop();
  }

  bool all_ok = true;
  std::vector<GuestBoot> boots;
  for (auto& member : members) {
    if (!member.boot.valid()) {
      session.reporter().message(fmt::format("{} was not started: there was no cluster to join", member.guest.name));
      all_ok = false;
      continue;
    }
    GuestBoot done;
    try {
      done = member.boot.get();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::Interrupted || session.stop().stop_requested()) throw;
      // It was stopped because another machine had ended. Its report is what it printed until then.
      done = {.name = member.guest.name,
              .firmware = member.firmware,
              .kvm = member.guest.kvm,
              .report = read_report(read_file(member.scratch / "console.log")),
              .result = {},
              .console = member.scratch / "console.log"};
      done.result.stalled = "another machine of the cluster had ended, so this one was ended too";
    }
    all_ok = all_ok && done.report.ok();
    if (!session.options().json) print_boot(done.name, done);
    boots.push_back(std::move(done));
  }
  if (session.options().json) print_out(fmt::format("{}\n", boots_as_json(boots)));
  return all_ok;
}

}  // namespace k8simg
