// Common parts of the rules: a view of the image, and the list of findings. Private to the folder.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "preflight/preflight.hpp"

namespace k8simg::rules {

/// The settings of /usr/share/k8simg/node.json, which k8simg-node reads too. Default values without the file.
struct NodeProgram {
  std::string kubernetes_version;          ///< of the new cluster; "": the component's version
  std::set<std::string> ignored;           ///< kubeadm's checks, in lower case as kubeadm compares them
  std::set<std::string> unsupported_etcd;  ///< architectures (GOARCH) for which ETCD_UNSUPPORTED_ARCH is set
  bool bears_swap = false;                 ///< the kubelet runs with swap
};
constexpr const char* node_program_file = "/usr/share/k8simg/node.json";
NodeProgram read_node_program(const std::string& text);  ///< Error{Usage} if it is invalid

/// The image, with queries for rules.
class Image {
 public:
  explicit Image(const PreflightInputs& inputs);

  const PreflightInputs& in;
  const Config& config;
  const Tree& root;
  const bool control_plane;
  const std::map<std::string, std::string> kernel;  ///< .config: symbol → value
  const NodeProgram node;

  /// A file of the root filesystem, symlinks resolved; nullopt if it does not exist. `path` begins with a slash.
  std::optional<std::string> text(const std::string& path) const;
  bool exists(const std::string& path) const;
  bool has_symbol(const std::string& symbol) const;  ///< y or m; with the CONFIG_ prefix
  const ComponentConfig* component(const std::string& name) const;
  /// The path of the first kubelet configuration file that contains `words`; "" if there is none.
  std::string first_that_says(const std::string& words) const;
};

/// A systemd unit at the first boot.
struct Unit {
  std::string path;  ///< "/usr/lib/systemd/system/kubelet.service"; "" if there is none
  bool masked = false;
  bool starts = false;   ///< another unit wants it
  bool enabled = false;  ///< `systemctl is-enabled` returns 0: `starts`, or no [Install] section
};
Unit find_unit(const Image& image, const std::string& name);

/// Collects findings. The functions are named after the severity; `kubeadm` is kubeadm's result.
class Findings {
 public:
  void ok(const std::string& check, const std::string& looked_at, const std::string& says,
          std::optional<Severity> kubeadm = Severity::Ok);
  void warning(const std::string& check, const std::string& looked_at, const std::string& says,
               const std::string& action, std::optional<Severity> kubeadm = Severity::Warning);
  void error(const std::string& check, const std::string& looked_at, const std::string& says, const std::string& action,
             std::optional<Severity> kubeadm = Severity::Error);
  std::vector<Finding> list;
};
/// For checks that kubeadm does not have, or whose result cannot be predicted.
constexpr std::optional<Severity> not_kubeadm = std::nullopt;

void machine(const Image& image, Findings& findings);     ///< NumCPU, Mem, etcd's architectures
void versions(const Image& image, Findings& findings);    ///< KubernetesVersion, KubeletVersion
void free_paths(const Image& image, Findings& findings);  ///< FileAvailable, DirAvailable
void services(const Image& image, Findings& findings);    ///< CRI, ContainerRuntimeVersion, Service-kubelet, Firewalld
void swap(const Image& image, Findings& findings);        ///< Swap
void programs(const Image& image, Findings& findings);    ///< FileExisting
void host_name(const Image& image, Findings& findings);   ///< Hostname
void console(const Image& image, Findings& findings);     ///< whether the kernel has consoles for the keymap
void settings(const Image& image, Findings& findings);    ///< FileContent
void kernel(const Image& image, Findings& findings);      ///< SystemVerification
void container_runtime(const Image& image, Findings& findings);
void images(const Image& image, Findings& findings);     ///< ImagePull
void manifests(const Image& image, Findings& findings);  ///< what the node applies, and its images

/// The references of the preloaded images; empty if there are none.
std::vector<std::string> carried(const Image& image);
constexpr const char* image_list = "/usr/share/k8simg/images.list";

}  // namespace k8simg::rules
