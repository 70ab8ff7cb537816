// The checks that run inside a booted image: a script handed over as a systemd credential, its report read from the
// console.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace k8simg {

/// What the guest is held against.
struct Expectations {
  std::string kernel;                              ///< uname -r
  std::string firmware;                            ///< "bios", "uefi" or "kernel"
  std::int64_t earliest_time = 0;                  ///< the clock must not be before this
  bool router = true;                              ///< the network offers a way out
  std::uint64_t root_bytes = 0;                    ///< the root filesystem must have grown to at least this
  std::vector<std::vector<std::string>> versions;  ///< {program, argument..., text that it must print}
  std::string script_drive;                        ///< the guest's name of the drive with the script: "vdb"
  std::string container_drive;                     ///< that of the drive with the archive of the container's image
  std::string container_image;                     ///< reference in that archive; "" for none
  std::string container_says;                      ///< what the container prints
  /// What it is waited for: a cluster on one machine whose pods run and answer, a kubelet that runs a pod of its own, a
  /// node of another machine's cluster, which runs a pod as long as that wants it to.
  enum class Ready { No, Cluster, Standalone, Worker };
  Ready ready = Ready::No;
  /// Other machines that join this cluster: GuestReport::join says when they can, and their pods are asked.
  int workers = 0;
  bool move_clock = false;  ///< a cluster: the guest's clock moves two years in steps, and the node stays Ready
  std::vector<std::string> skip_units;  ///< are not started, though the image would
  std::string ready_image;  ///< the preloaded image of a pod: CoreDNS for a cluster, pause for a kubelet of its own
  enum class Preflight { Init, Join };
  Preflight preflight = Preflight::Init;  ///< which of kubeadm's two preflights
  /// What it must say before there is a cluster, "ERROR NumCPU" or "WARNING Swap", sorted: no more and no less.
  /// nullopt: it is not asked.
  std::optional<std::vector<std::string>> preflight_verdicts;
  /// The image says that it carries everything for a control plane: kubeadm's own list is compared with it.
  bool kubeadm_images = false;
};

/// What the processes of one name hold in memory and have taken of the processors since they started. pss: pages that
/// processes share are divided among them (proc_pid_smaps(5)).
struct ProcessUse {
  std::string name;
  int count = 0;
  std::uint64_t rss_kib = 0, pss_kib = 0;
  double cpu_seconds = 0;
};
struct CheckResult {
  std::string name;
  bool ok = false;
  std::string detail;
};
struct GuestReport {
  std::vector<CheckResult> checks;
  std::map<std::string, double> figures;  ///< "boot_seconds", "memory_used_mib", "memory_available_mib", ...
  std::vector<ProcessUse> processes;      ///< when everything had been started, largest first
  /// What a worker's node.toml needs, once there is a cluster. `server`: "10.0.2.15:6443".
  struct Join {
    std::string server, ca_cert_hash, token;
  };
  std::optional<Join> join;
  bool finished = false;  ///< the script came to its end, and every result it gave is here
  bool ok() const;
};

/// The functions of checks.bash, which the build embeds.
std::string_view check_functions();
/// What `expectations` says, as variables of checks.bash.
std::string check_values(const Expectations& expectations);
/// The script: values, functions, `main`. It is handed over on a drive of its own: a command line has no room for it,
/// and not every machine has SMBIOS.
std::string check_script(const Expectations& expectations);
/// Credentials for run/qemu.hpp: the unit that runs the script, and its place in multi-user.target.
std::map<std::string, std::string> check_credentials(const Expectations& expectations);
/// Finds the report's lines among all else that the console shows.
GuestReport read_report(std::string_view console);

}  // namespace k8simg
