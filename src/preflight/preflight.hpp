// What kubeadm's preflight and the container runtime would say on the machine, said of the image before it is written
// to a disk.
//
// Sources: kubeadm 1.37 (cmd/kubeadm/app/preflight, its names of checks and what each looks at), system-validators 1.12
// (cgroup controllers, kernel versions; kernel symbols stand in kernel-fragments/requirements.toml), etcd 3.7
// (architectures), containerd 2.3 (config.toml, version 3).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "tree/tree.hpp"

namespace k8simg {

enum class Severity { Ok, Warning, Error };
const char* severity_name(Severity severity);  ///< "ok", "warning", "error"

struct Finding {
  Severity severity = Severity::Ok;
  std::string check;  ///< kubeadm's own name of it: "NumCPU", "FileContent--proc-sys-net-ipv4-ip_forward"; ours are in
                      ///< small letters
  std::string looked_at;  ///< file, key or option
  std::string says;       ///< what was found there
  std::string action;     ///< what to do; "" when it is well
  /// What kubeadm itself would say under that name before a cluster is made; nullopt: it does not look, or the image
  /// cannot tell.
  std::optional<Severity> kubeadm;
};

struct PreflightInputs {
  const Config& config;
  const Store& store;         ///< holds the trees' files
  const Tree& root;           ///< root filesystem
  const Tree& boot;           ///< boot partition: the kernel's command line
  std::string kernel_config;  ///< the finished .config
  std::vector<std::string>
      kubeadm_images;            ///< what the image's kubeadm asks for, one reference each; empty: it was not asked
  int cpus = 0, memory_mib = 0;  ///< of the machine that it is to run on
  std::string machine;           ///< where these two were read: "hardware of board pc"
};

/// Every rule, in kubeadm's order; one Finding for each thing that it looked at. What the node's own kubeadm
/// configuration ignores (ignorePreflightErrors) is a warning here, with kubeadm's verdict as it would be otherwise.
std::vector<Finding> preflight(const PreflightInputs& inputs);

/// The names in kubeadm's lines, "ERROR NumCPU" or "WARNING Swap", sorted, each once. Images are asked for when all
/// else is well: an error before that hides ImagePull.
std::vector<std::string> kubeadm_verdicts(const std::vector<Finding>& findings);

/// Whether the node makes a control plane (`kubeadm init`), or what a worker makes (`kubeadm join`), which a kubelet
/// alone needs as well.
bool makes_control_plane(const Config& config);

/// The version of the cluster that the node would make: what node.json says, else that of the component kubernetes; ""
/// without either.
std::string cluster_version(const Store& store, const Tree& root, const Config& config);

/// Where a unit's PATH finds a program (systemd.exec(5)), links followed; nullopt when it is not there or cannot be
/// executed.
std::optional<std::string> program_path(const Tree& root, const std::string& program);

}  // namespace k8simg
