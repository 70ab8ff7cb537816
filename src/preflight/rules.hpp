// What the rules share: a view of the image, and the list that they write into. Private to the folder.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "preflight/preflight.hpp"

namespace k8simg::rules {

/// What the image says that its node does: /usr/share/k8simg/node.json, which k8simg-node reads as well. Nothing
/// without the file.
struct NodeProgram {
  std::string kubernetes_version;          ///< of the cluster that is made; "": the component's
  std::set<std::string> ignored;           ///< kubeadm's checks, in small letters as kubeadm compares them
  std::set<std::string> unsupported_etcd;  ///< architectures, as Go names them, that etcd is told to run on
  bool bears_swap = false;                 ///< the kubelet runs beside swap
};
constexpr const char* node_program_file = "/usr/share/k8simg/node.json";
NodeProgram read_node_program(const std::string& text);  ///< throws Error{Usage} when it is not as it should be

/// The image as a rule asks about it.
class Image {
 public:
  explicit Image(const PreflightInputs& inputs);

  const PreflightInputs& in;
  const Config& config;
  const Tree& root;
  const bool control_plane;
  const std::map<std::string, std::string> kernel;  ///< .config: symbol → value
  const NodeProgram node;

  /// A file of the root filesystem, links followed; nullopt when there is none. `path` begins with a slash, as people
  /// write it.
  std::optional<std::string> text(const std::string& path) const;
  bool exists(const std::string& path) const;
  bool has_symbol(const std::string& symbol) const;  ///< y or m; with the CONFIG_ prefix
  const ComponentConfig* component(const std::string& name) const;
  /// The kubelet's configuration files that the image could have: the path of the first that says `words`, "" for none.
  std::string first_that_says(const std::string& words) const;
};

/// A systemd unit as the first boot finds it.
struct Unit {
  std::string path;  ///< "/usr/lib/systemd/system/kubelet.service"; "" when there is none
  bool masked = false;
  bool starts = false;   ///< something wants it
  bool enabled = false;  ///< what `systemctl is-enabled` answers with 0: `starts`, or nothing to enable (no [Install])
};
Unit find_unit(const Image& image, const std::string& name);

/// Collects findings; the functions are named after the severity, the verdict after what kubeadm says.
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
/// For checks that are not kubeadm's, or that the image cannot answer for it.
constexpr std::optional<Severity> not_kubeadm = std::nullopt;

void machine(const Image& image, Findings& findings);     ///< NumCPU, Mem, etcd's architectures
void versions(const Image& image, Findings& findings);    ///< KubernetesVersion, KubeletVersion
void free_paths(const Image& image, Findings& findings);  ///< FileAvailable, DirAvailable
void services(const Image& image, Findings& findings);    ///< CRI, ContainerRuntimeVersion, Service-kubelet, Firewalld
void swap(const Image& image, Findings& findings);        ///< Swap
void programs(const Image& image, Findings& findings);    ///< FileExisting
void host_name(const Image& image, Findings& findings);   ///< Hostname
void settings(const Image& image, Findings& findings);    ///< FileContent
void kernel(const Image& image, Findings& findings);      ///< SystemVerification
void container_runtime(const Image& image, Findings& findings);
void images(const Image& image, Findings& findings);  ///< ImagePull

}  // namespace k8simg::rules
