// The checks that run inside a booted image: a script passed through a systemd credential, and its report on the
// console.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace k8simg {

/// The expected properties of the guest.
struct Expectations {
  std::string kernel;                              ///< uname -r
  std::string firmware;                            ///< "bios", "uefi" or "kernel"
  std::int64_t earliest_time = 0;                  ///< minimum of the clock
  bool router = true;                              ///< the network has a default route
  std::string no_network;                          ///< why there is no network, whose checks are then skipped; or ""
  std::uint64_t root_bytes = 0;                    ///< minimum size of the grown root filesystem
  std::uint64_t sector_size = 512;                 ///< bytes of a logical sector of the disk
  bool protective_mbr_active = false;              ///< the active flag in the protective MBR
  std::vector<std::vector<std::string>> versions;  ///< {program, argument..., text that it must print}
  std::string script_drive;                        ///< the guest's name of the script's drive: "vdb"
  std::string container_drive;                     ///< the name of the drive with the container image's archive
  std::string container_image;                     ///< reference in that archive; "" for none
  std::string container_says;                      ///< expected output of the container
  /// What to wait for: a cluster on one machine with working pods; a standalone kubelet with its static pod; or a
  /// worker of another machine's cluster, until its pod is deleted.
  enum class Ready { No, Cluster, Standalone, Worker };
  Ready ready = Ready::No;
  /// Number of other machines that join this cluster once GuestReport::join is reported; their pods are checked.
  int workers = 0;
  bool move_clock = false;  ///< a cluster: the guest's clock moves two years in steps, and the node stays Ready
  std::vector<std::string> skip_units;  ///< units of the image that are not started
  std::string ready_image;  ///< the preloaded image of a pod: CoreDNS for a cluster, pause for a standalone kubelet
  enum class Preflight { Init, Join };
  Preflight preflight = Preflight::Init;  ///< which of kubeadm's two preflights
  /// The exact, sorted results expected before there is a cluster, such as "ERROR NumCPU" or "WARNING Swap". nullopt:
  /// kubeadm's preflight is not run.
  std::optional<std::vector<std::string>> preflight_verdicts;
  /// The image has all container images of a control plane: kubeadm's list is compared with them.
  bool kubeadm_images = false;
};

/// Memory, and processor time since their start, of all processes with one name. pss: shared pages are divided among
/// the processes (proc_pid_smaps(5)).
struct ProcessUse {
  std::string name;
  int count = 0;
  std::uint64_t rss_kib = 0, pss_kib = 0;
  double cpu_seconds = 0;
};
struct CheckResult {
  std::string name;
  bool ok = false;
  std::string detail;    ///< what was found, or why the check was skipped
  bool skipped = false;  ///< neither passed nor failed
};
struct GuestReport {
  std::vector<CheckResult> checks;
  std::map<std::string, double> figures;  ///< "boot_seconds", "memory_used_mib", "memory_available_mib", ...
  std::vector<ProcessUse> processes;      ///< after everything was started, sorted by size
  /// The values for a worker's node.toml, once there is a cluster. `server`: "10.0.2.15:6443".
  struct Join {
    std::string server, ca_cert_hash, token;
  };
  std::optional<Join> join;
  bool finished = false;  ///< the script ended, and no result was lost
  bool ok() const;        ///< it finished, checks passed, and none failed
  int skipped() const;    ///< number of skipped checks
};

/// The text of checks.bash, which the build embeds.
std::string_view check_functions();
/// `expectations` as variables of checks.bash.
std::string check_values(const Expectations& expectations);
/// The script: values, functions, `main`. It is passed on a separate drive: it is too long for a command line, and not
/// every machine has SMBIOS.
std::string check_script(const Expectations& expectations);
/// Credentials for guest/qemu.hpp: the unit that runs the script, and a drop-in for multi-user.target.
std::map<std::string, std::string> check_credentials(const Expectations& expectations);
/// Parses the report's lines in the console output.
GuestReport read_report(std::string_view console);

}  // namespace k8simg
