// Node rules: processors, memory, versions, names, and paths that kubeadm writes.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "preflight/rules.hpp"
#include "util/text.hpp"

namespace k8simg::rules {

namespace {

// kubeadm's constants ControlPlaneNumCPU and ControlPlaneMem (MB of 2^20 bytes, compared with the kernel's total).
constexpr int least_processors = 2, least_memory = 1700;
// Memory used by firmware and kernel: 52 of 2048 MiB on a PC, 93 of 1024 MiB on a Raspberry Pi 3.
constexpr int kept_memory = 200;

/// "v1.37.1" → {1, 37}; {0, 0} if it is not a version.
std::pair<int, int> minor_version(const std::string& version) {
  const auto parts = split(without_v(version), '.');
  int major = 0, minor = 0;
  if (parts.size() < 2) return {0, 0};
  std::from_chars(parts[0].data(), parts[0].data() + parts[0].size(), major);
  std::from_chars(parts[1].data(), parts[1].data() + parts[1].size(), minor);
  return {major, minor};
}

/// On other architectures etcd exits unless ETCD_UNSUPPORTED_ARCH names them.
bool etcd_supports(const std::string& goarch) {
  return goarch == "amd64" || goarch == "arm64" || goarch == "ppc64le" || goarch == "s390x";
}

}  // namespace

void machine(const Image& image, Findings& findings) {
  if (!image.control_plane) {
    findings.ok("machine", image.in.machine,
                fmt::format("{} processors, {} MiB: kubeadm sets no minimum for role \"{}\"", image.in.cpus,
                            image.in.memory_mib, image.config.node_role),
                not_kubeadm);
    return;
  }
  const std::string processors = fmt::format("{} processor{}, kubeadm requires {}", image.in.cpus,
                                             image.in.cpus == 1 ? "" : "s", least_processors);
  if (image.in.cpus < least_processors)
    findings.error("NumCPU", image.in.machine, processors, "set node.role to \"worker\" or \"standalone\"");
  else
    findings.ok("NumCPU", image.in.machine, processors);

  const std::string memory = fmt::format("{} MiB, kubeadm requires {}", image.in.memory_mib, least_memory);
  if (image.in.memory_mib < least_memory)
    findings.error("Mem", image.in.machine, memory, "set node.role to \"worker\" or \"standalone\"");
  else if (image.in.memory_mib < least_memory + kept_memory)
    findings.warning("Mem", image.in.machine, memory + ", of which firmware and kernel use some",
                     "check MemTotal on the machine", not_kubeadm);
  else
    findings.ok("Mem", image.in.machine, memory);

  const std::string& architecture = image.config.arch.go;
  if (etcd_supports(architecture)) {
    findings.ok("etcd-architecture", "arch.go", fmt::format("etcd runs on {}", architecture), not_kubeadm);
  } else if (image.node.unsupported_etcd.contains(architecture)) {
    findings.warning("etcd-architecture", node_program_file,
                     fmt::format("etcd does not officially support {}; ETCD_UNSUPPORTED_ARCH is set", architecture),
                     "set node.role to \"worker\" if the cluster matters", not_kubeadm);
  } else {
    findings.error(
        "etcd-architecture", "arch.go", fmt::format("etcd does not start on {}", architecture),
        fmt::format("name it in unsupportedEtcdArchitectures of {}, or set node.role to \"worker\"", node_program_file),
        not_kubeadm);
  }
}

void versions(const Image& image, Findings& findings) {
  const ComponentConfig* component = image.component("kubernetes");
  const std::string cluster = cluster_version(image.in.store, image.root, image.config);
  const auto kubelet = program_path(image.root, "kubelet");
  if (!kubelet) {
    const std::string action = "enable the component kubernetes";
    findings.error("KubeletVersion", "PATH", "there is no kubelet", action);
    findings.error("SystemVerification", "PATH", "there is no kubelet whose version can be read", action);
    return;
  }
  if (!component) {
    findings.warning("kubernetes-version", *kubelet, "belongs to no component, so its version is unknown",
                     "enable the component kubernetes", not_kubeadm);
    return;
  }
  const auto [major, minor] = minor_version(component->version);
  const auto wanted = minor_version(cluster);
  const std::string says = fmt::format("kubelet and kubeadm {}, cluster {}", component->version, cluster);
  const std::string where = component->folder.string() + "/component.toml";
  const std::string action =
      fmt::format("set kubernetesVersion in {} to the component's version, or remove it", node_program_file);
  if (image.control_plane) {
    if (wanted > std::pair(major, minor))
      findings.warning("KubernetesVersion", where, says + ": kubeadm is older", action);
    else if (cluster != component->version)
      findings.error("KubernetesVersion", where, says + ": the images have the component's version", action,
                     Severity::Ok);
    else
      findings.ok("KubernetesVersion", where, says);
  }
  // `kubeadm join` does not compare versions.
  if (image.control_plane && std::pair(major, minor) > wanted)
    findings.error("KubeletVersion", where, says + ": the kubelet is newer", action);
  else
    findings.ok("KubeletVersion", where, says);
}

void free_paths(const Image& image, Findings& findings) {
  std::vector<std::string> files{"/etc/kubernetes/kubelet.conf", "/etc/kubernetes/bootstrap-kubelet.conf",
                                 "/etc/kubernetes/pki/ca.crt"};
  if (image.control_plane) {
    files.clear();
    for (const char* program : {"kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"})
      files.push_back(fmt::format("/etc/kubernetes/manifests/{}.yaml", program));
  }
  const std::string action = "remove it from the overlay: kubeadm writes it";
  for (const auto& file : files) {
    const std::string check = "FileAvailable-" + replace_all(file, "/", "-");
    if (image.exists(file))
      findings.error(check, file, "already exists in the image", action);
    else
      findings.ok(check, file, "does not exist yet");
  }
  if (!image.control_plane) return;
  if (image.root.children("var/lib/etcd").empty())
    findings.ok("DirAvailable--var-lib-etcd", "/var/lib/etcd", "is empty or does not exist yet");
  else
    findings.error("DirAvailable--var-lib-etcd", "/var/lib/etcd", "is not empty",
                   "remove it from the overlay: etcd needs an empty folder");
}

void host_name(const Image& image, Findings& findings) {
  const std::string& name = image.config.rootfs.hostname;
  const auto is_alphanumeric = [](unsigned char c) { return std::isalnum(c) != 0; };
  const bool valid = !name.empty() && name.size() <= 63 && is_alphanumeric(static_cast<unsigned char>(name.front())) &&
                     is_alphanumeric(static_cast<unsigned char>(name.back())) &&
                     std::all_of(name.begin(), name.end(), [&](unsigned char c) {
                       return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
                     });
  if (!valid) {
    findings.warning("Hostname", "system.hostname", fmt::format("\"{}\" is not a valid node name", name),
                     "letters, digits and - , 63 at most");
    return;
  }
  for (const auto& line : split(image.text("/etc/hosts").value_or(""), '\n')) {
    const auto words = split_words(line.substr(0, line.find('#')));
    if (words.size() < 2 || std::find(words.begin() + 1, words.end(), name) == words.end()) continue;
    findings.ok("Hostname", "/etc/hosts", fmt::format("\"{}\" is {}", name, words.front()));
    return;
  }
  // systemd-resolved resolves the machine's own name, if it is used.
  const Node* resolver = image.root.find("etc/resolv.conf");
  if (resolver && resolver->type == NodeType::Symlink &&
      resolver->target.ends_with("systemd/resolve/stub-resolv.conf") &&
      find_unit(image, "systemd-resolved.service").starts) {
    findings.ok("Hostname", "/etc/resolv.conf", fmt::format("systemd-resolved answers for \"{}\"", name));
    return;
  }
  findings.warning("Hostname", "/etc/hosts", fmt::format("no file resolves \"{}\"", name),
                   "add it to /etc/hosts with 127.0.1.1");
}

}  // namespace k8simg::rules
