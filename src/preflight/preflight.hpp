// Predicts the results of kubeadm's preflight and of the container runtime from the image.
//
// Sources: kubeadm 1.37 (cmd/kubeadm/app/preflight: the checks and their names), system-validators 1.12 (cgroup
// controllers, kernel versions; kernel symbols are in kernel-fragments/requirements.toml), etcd 3.7 (architectures),
// containerd 2.3 (config.toml, version 3).
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
  std::string check;      ///< kubeadm's name, such as "NumCPU"; names of other checks are in lower case
  std::string looked_at;  ///< the checked file, key or option
  std::string says;       ///< the result
  std::string action;     ///< what to do; "" if ok
  /// kubeadm's result under that name before a cluster exists; nullopt: kubeadm does not check it, or the image cannot
  /// tell.
  std::optional<Severity> kubeadm;
};

struct PreflightInputs {
  const Config& config;
  const Store& store;                       ///< has the trees' files
  const Tree& root;                         ///< root filesystem
  const Tree& boot;                         ///< boot partition: the kernel's command line
  std::string kernel_config;                ///< the final .config
  std::vector<std::string> kubeadm_images;  ///< the images that the image's kubeadm needs; empty: unknown
  int cpus = 0, memory_mib = 0;             ///< of the target
  std::string machine;                      ///< the source of these values: "hardware of board pc"
};

/// Runs all rules in kubeadm's order; one Finding per checked object. Errors that the node's kubeadm configuration
/// ignores (ignorePreflightErrors) become warnings here, but keep kubeadm's verdict.
std::vector<Finding> preflight(const PreflightInputs& inputs);

/// The sorted, unique names in kubeadm's messages: "ERROR NumCPU" or "WARNING Swap". kubeadm checks images last: an
/// earlier error hides ImagePull.
std::vector<std::string> kubeadm_verdicts(const std::vector<Finding>& findings);

/// Whether the node creates a control plane (`kubeadm init`). Otherwise it joins as a worker (`kubeadm join`) or runs a
/// standalone kubelet.
bool makes_control_plane(const Config& config);

/// The version of the cluster that the node would create: from node.json, otherwise that of the component kubernetes;
/// "" without both.
std::string cluster_version(const Store& store, const Tree& root, const Config& config);

/// The path of a program in a unit's PATH (systemd.exec(5)), symlinks resolved; nullopt if it is missing or not
/// executable.
std::optional<std::string> program_path(const Tree& root, const std::string& program);

}  // namespace k8simg
