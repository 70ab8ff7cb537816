// System rules: units, swap, programs, and kernel settings.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "preflight/rules.hpp"
#include "preflight/sysctls.hpp"
#include "util/text.hpp"

namespace k8simg::rules {

namespace {

/// The folders of system units, by priority (systemd.unit(5)).
constexpr std::array<const char*, 3> unit_folders{"etc/systemd/system", "usr/local/lib/systemd/system",
                                                  "usr/lib/systemd/system"};

bool has_install_section(const std::string& text) {
  for (const auto& line : split(text, '\n')) {
    if (trim(line) == "[Install]") return true;
  }
  return false;
}

/// Visits the entries of X.wants, X.requires and X.upholds for all units X, in all folders.
template <class Use>
void each_wanted(const Tree& root, const Use& use) {
  for (const char* folder : unit_folders) {
    for (const auto& path : root.children(folder)) {
      if (!path.ends_with(".wants") && !path.ends_with(".requires") && !path.ends_with(".upholds")) continue;
      for (const auto& wanted : root.children(path)) use(wanted);
    }
  }
}

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

Unit find_unit(const Image& image, const std::string& name) {
  Unit unit;
  std::string content;
  for (const char* folder : unit_folders) {
    const std::string path = fmt::format("{}/{}", folder, name);
    const Node* node = image.root.find(path);
    if (!node) continue;
    unit.path = "/" + path;
    // systemd treats an empty file as masked too.
    unit.masked = (node->type == NodeType::Symlink && node->target == "/dev/null") ||
                  (node->type == NodeType::File && node->size == 0);
    content = image.text(unit.path).value_or("");
    break;
  }
  if (unit.path.empty() || unit.masked) return unit;
  each_wanted(image.root, [&](const std::string& wanted) { unit.starts = unit.starts || name_of(wanted) == name; });
  unit.enabled = unit.starts || !has_install_section(content);
  return unit;
}

void services(const Image& image, Findings& findings) {
  const Unit containerd = find_unit(image, "containerd.service");
  const std::string enable = "enable it: system.services.enable of the defconfig, or a preset in an overlay";
  const auto no_runtime = [&](const std::string& where, const std::string& says, const std::string& action) {
    findings.error("CRI", where, says, action);
    findings.error("ContainerRuntimeVersion", where, "there is no container runtime", action);
  };
  if (containerd.path.empty()) {
    no_runtime("containerd.service", "there is no such unit",
               "enable the component containerd and the overlay kubernetes");
  } else if (containerd.masked) {
    no_runtime(containerd.path, "is masked", "remove it from system.services.mask");
  } else if (!containerd.starts) {
    no_runtime(containerd.path, "does not start with the system", enable);
  } else if (!program_path(image.root, "containerd")) {
    no_runtime(containerd.path, "there is no program containerd", "enable the component containerd");
  } else {
    findings.ok("CRI", containerd.path, "starts with the system");
    const ComponentConfig* component = image.component("containerd");
    const std::string version = component ? component->version : "";
    // The kubelet gets the cgroup driver through RuntimeConfig, which containerd has since 2.0.
    if (version.starts_with("v0.") || version.starts_with("v1."))
      findings.warning("ContainerRuntimeVersion", "components/containerd",
                       "containerd " + version + " does not support RuntimeConfig", "use 2.0 or later");
    else if (!version.empty())
      findings.ok("ContainerRuntimeVersion", "components/containerd", "containerd " + version);
  }

  const Unit kubelet = find_unit(image, "kubelet.service");
  if (kubelet.path.empty())
    findings.error("Service-kubelet", "kubelet.service", "there is no such unit", "add the overlay kubernetes",
                   Severity::Warning);
  else if (kubelet.masked)
    findings.error("Service-kubelet", kubelet.path, "is masked", "remove it from system.services.mask",
                   Severity::Warning);
  else if (!kubelet.enabled)
    findings.warning("Service-kubelet", kubelet.path, "is not enabled", enable);
  else
    findings.ok("Service-kubelet", kubelet.path, "is enabled");

  const Unit firewall = find_unit(image, "firewalld.service");
  if (image.control_plane && firewall.starts)
    findings.warning("Firewalld", firewall.path, "starts with the system",
                     "open ports 6443 and 10250 in its configuration");
}

void swap(const Image& image, Findings& findings) {
  std::vector<std::string> places;
  each_wanted(image.root, [&](const std::string& wanted) {
    if (wanted.ends_with(".swap")) places.push_back("/" + wanted);
  });
  for (const auto& line : split(image.text("/etc/fstab").value_or(""), '\n')) {
    const auto words = split_words(line.substr(0, line.find('#')));
    if (words.size() >= 3 && words[2] == "swap" && (words.size() < 4 || words[3].find("noauto") == std::string::npos))
      places.push_back("/etc/fstab: " + words[0]);
  }
  if (places.empty() || !image.has_symbol("CONFIG_SWAP")) {
    findings.ok("Swap", "/etc/fstab, swap units", places.empty() ? "no swap" : "the kernel has no swap");
    return;
  }
  const std::string all = join(places, ", ");
  if (const std::string file = image.node.bears_swap ? node_program_file : image.first_that_says("failSwapOn: false");
      !file.empty()) {
    findings.warning("Swap", all, fmt::format("swap is on, and the kubelet allows it (failSwapOn: false in {})", file),
                     "none, if pods may swap or memorySwap.swapBehavior is NoSwap");
  } else {
    findings.error("Swap", all, "swap is on, and the kubelet does not start with swap",
                   "set failSwapOn: false in the kubelet's configuration, or remove the swap", Severity::Warning);
  }
}

void programs(const Image& image, Findings& findings) {
  for (const auto& [program, package] :
       {std::pair("losetup", "mount"), std::pair("mount", "mount"), std::pair("cp", "coreutils")}) {
    const std::string check = std::string("FileExisting-") + program;
    if (const auto path = program_path(image.root, program))
      findings.ok(check, *path, "is in PATH");
    else
      findings.error(check, "PATH", fmt::format("there is no {}", program),
                     fmt::format("add {} to packages.install", package));
  }
  // Further programs that kubelet, kube-proxy and network plugins need.
  std::vector<std::string> there;
  const auto need = [&](std::initializer_list<const char*> any_of, const char* why, const char* action) {
    for (const char* name : any_of) {
      if (!program_path(image.root, name)) continue;
      there.push_back(name);
      return;
    }
    findings.error("programs", "PATH",
                   fmt::format("there is no {}, which {}", join({any_of.begin(), any_of.end()}, " or "), why), action,
                   not_kubeadm);
  };
  if (!image.config.node_role.empty() && image.config.node_role != "standalone")
    need({"kubeadm"}, "makes the node", "enable the component kubernetes");
  need({"umount"}, "the kubelet needs to unmount volumes", "add mount to packages.install");
  need({"iptables", "nft"}, "the network plugins need for masquerading",
       "add iptables or nftables to packages.install");
  need({"modprobe"}, "loads br_netfilter and overlay", "add kmod to packages.install");
  if (!there.empty()) findings.ok("programs", "PATH", join(there, ", ") + " exist", not_kubeadm);
}

void console(const Image& image, Findings& findings) {
  const std::string& keymap = image.config.rootfs.keymap;
  if (keymap.empty()) return;
  if (image.has_symbol("CONFIG_VT"))
    findings.ok("keymap", "CONFIG_VT", fmt::format("keyboards have the layout {}", keymap), not_kubeadm);
  else
    findings.warning("keymap", "CONFIG_VT", "the kernel has no consoles with a keyboard: system.keymap has no effect",
                     "add CONFIG_VT=y to the kernel, or remove system.keymap", not_kubeadm);
}

void settings(const Image& image, Findings& findings) {
  const auto lines = read_sysctls(image.in.store, image.root);
  const Unit unit = find_unit(image, "systemd-sysctl.service");
  const bool applied = unit.starts && image.has_symbol("CONFIG_PROC_SYSCTL");
  const std::string nobody = applied       ? ""
                             : unit.starts ? "; the kernel has no /proc/sys"
                                           : "; systemd-sysctl.service does not start";
  const auto value_of = [&](const std::string& key) { return applied ? find_sysctl(lines, key) : std::nullopt; };
  const auto where = [](const SysctlLine& line) { return fmt::format("{}:{}", line.file, line.line); };

  // kubeadm compares only the first byte.
  const std::string forward = "FileContent--proc-sys-net-ipv4-ip_forward";
  const auto ipv4 = value_of("net.ipv4.ip_forward");
  if (ipv4 && ipv4->value.starts_with('1'))
    findings.ok(forward, where(*ipv4), "net.ipv4.ip_forward = " + ipv4->value);
  else if (ipv4)
    findings.error(forward, where(*ipv4), "net.ipv4.ip_forward = " + ipv4->value,
                   "set it to 1, in a file with a later name");
  else
    findings.error(
        forward, "sysctl.d", "no file sets net.ipv4.ip_forward" + nobody,
        "set net.ipv4.ip_forward = 1 in a sysctl.d file of an overlay, and let systemd-sysctl.service start");

  // Needed only for clusters with IPv6 networks (node.toml). The kernel copies a value of "all" to "default".
  const std::string forward6 = "FileContent--proc-sys-net-ipv6-conf-default-forwarding";
  auto ipv6 = value_of("net.ipv6.conf.default.forwarding");
  if (!ipv6) ipv6 = value_of("net.ipv6.conf.all.forwarding");
  if (!image.has_symbol("CONFIG_IPV6"))
    findings.ok(forward6, "CONFIG_IPV6", "the kernel has no IPv6", not_kubeadm);
  else if (ipv6 && ipv6->value.starts_with('1'))
    findings.ok(forward6, where(*ipv6), replace_all(ipv6->key, "/", ".") + " = " + ipv6->value, not_kubeadm);
  else
    findings.warning(forward6, ipv6 ? where(*ipv6) : "sysctl.d", "IPv6 is not forwarded" + nobody,
                     "set net.ipv6.conf.all.forwarding = 1, for clusters with IPv6 networks", not_kubeadm);

  // 1 is the kernel's default once br_netfilter is loaded.
  const auto bridge = value_of("net.bridge.bridge-nf-call-iptables");
  if (bridge && bridge->value == "0")
    findings.error("bridge-netfilter", where(*bridge), "packets between pods of one node bypass the rules of Services",
                   "set net.bridge.bridge-nf-call-iptables to 1: Services need it", not_kubeadm);
  else
    findings.ok("bridge-netfilter", bridge ? where(*bridge) : "the kernel's default",
                "packets between pods of one node pass the rules of Services", not_kubeadm);
}

}  // namespace k8simg::rules
