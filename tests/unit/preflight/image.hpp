// An image that passes all rules, which tests change.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "preflight/preflight.hpp"
#include "support/step_context.hpp"
#include "tree/tree.hpp"

namespace k8simg::test {

struct PreflightImage {
  TestContext context;
  Config config;
  Tree root, boot;
  std::string kernel_config =
      "CONFIG_IKCONFIG_PROC=y\nCONFIG_CGROUP_SCHED=y\nCONFIG_CPUSETS=y\nCONFIG_MEMCG=y\nCONFIG_CGROUP_PIDS=y\nCONFIG_"
      "CGROUP_HUGETLB=y\nCONFIG_BLK_CGROUP=y\n"
      "CONFIG_PROC_SYSCTL=y\nCONFIG_IPV6=y\nCONFIG_SWAP=y\nCONFIG_NET_NS=y\nCONFIG_VETH=y\nCONFIG_TMPFS=m\n";
  std::vector<std::string> asked{"registry.k8s.io/kube-apiserver:v1.37.1", "registry.k8s.io/kube-proxy:v1.37.1",
                                 "registry.k8s.io/pause:3.10.2"};
  int cpus = 2, memory_mib = 2048;

  PreflightImage() {
    config.name = config.board = "pc", config.rootfs.hostname = "node", config.node_role = "single";
    config.arch.go = "amd64";
    config.kernel.package = "linux-source", config.kernel.cmdline = "console=tty0 rw",
    config.kernel.requirements = "kernel-fragments/requirements.toml";
    config.kernel.required = {{{"CONFIG_NET_NS"}, {"kubeadm", "kubernetes", "runc"}, true, ""},
                              {{"CONFIG_VETH", "CONFIG_VETH_OLD"}, {"runc", "moby"}, true, "links of pods"},
                              {{"CONFIG_TMPFS"}, {"systemd"}, true, ""},
                              {{"CONFIG_AUFS_FS"}, {"kubernetes"}, false, ""}};
    config.components.resize(2);
    config.components[0].name = "kubernetes", config.components[0].version = "v1.37.1",
    config.components[0].folder = "components/kubernetes";
    config.components[1].name = "containerd", config.components[1].version = "v2.3.3";
    root.add_symlink("sbin", "usr/sbin", "package:base-files");
    root.add_directory("usr/lib/modules/6.12.117-k8simg", 0755, "kernel");
    for (const char* path :
         {"usr/local/bin/hyperkube", "usr/local/bin/containerd", "usr/local/bin/containerd-shim-runc-v2",
          "usr/bin/crun", "usr/bin/mount", "usr/bin/umount", "usr/bin/cp", "usr/sbin/losetup", "usr/sbin/modprobe",
          "usr/sbin/xtables-nft-multi", "opt/cni/bin/loopback", "opt/cni/bin/bridge", "opt/cni/bin/host-local",
          "opt/cni/bin/portmap"}) {
      file(path, "#!", 0755);
    }
    for (const char* link : {"kubelet", "kubeadm"})
      root.add_symlink(std::string("usr/local/bin/") + link, "hyperkube", "component:kubernetes");
    root.add_symlink("usr/sbin/iptables", "/etc/alternatives/iptables", "rule:alternatives");
    root.add_symlink("etc/alternatives/iptables", "/sbin/xtables-nft-multi", "rule:alternatives");
    for (const char* unit : {"kubelet.service", "containerd.service"}) {
      file(std::string("usr/lib/systemd/system/") + unit,
           "[Service]\nExecStart=/x\n[Install]\nWantedBy=multi-user.target\n");
      root.add_symlink(std::string("etc/systemd/system/multi-user.target.wants/") + unit,
                       std::string("/usr/lib/systemd/system/") + unit, "rule:units");
    }
    file("usr/lib/systemd/system/systemd-sysctl.service", "[Service]\n");
    root.add_symlink("usr/lib/systemd/system/sysinit.target.wants/systemd-sysctl.service", "../systemd-sysctl.service",
                     "package:systemd");
    file("etc/hosts", "127.0.0.1\tlocalhost\n127.0.1.1\tnode\n");
    file("etc/fstab", "# nothing\nPARTUUID=x / ext4 defaults 0 1\n");
    file("etc/sysctl.d/30-kubernetes.conf",
         "# forwarding\nnet.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding = 1\n");
    file("etc/containerd/config.toml", containerd_config);
    file("usr/share/k8simg/node.json",
         R"({"kubernetesVersion": "v1.37.1", "ignorePreflightErrors": ["NumCPU", "Hostname"]})");
    file("usr/share/k8simg/images.list",
         "ghcr.io/flannel-io/flannel:v0.26.7\nregistry.k8s.io/kube-apiserver:v1.37.1\nregistry.k8s.io/"
         "kube-proxy:v1.37.1\nregistry.k8s.io/pause:3.10.2\n");
    boot_file("loader/entries/k8simg.conf", "title k8simg\noptions root=PARTUUID=1 console=tty0 rw\n");
  }

  static constexpr const char* containerd_config = R"(version = 3
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "registry.k8s.io/pause:3.10.2"
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["/opt/cni/bin"]
[plugins."io.containerd.cri.v1.runtime".containerd]
  default_runtime_name = "crun"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.crun]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.crun.options]
  BinaryName = "/usr/bin/crun"
  SystemdCgroup = true
)";

  void file(const std::string& path, const std::string& content, std::uint32_t mode = 0644) {
    root.add_file(context.store(), path, content, mode, "overlay:test");
  }
  void boot_file(const std::string& path, const std::string& content) {
    boot.add_file(context.store(), path, content, 0755, "board:pc");
  }
  /// Replaces text in a file.
  void edit(const std::string& path, const std::string& from, const std::string& to) {
    std::string text = context.store().read(root.find(path)->content);
    const auto at = text.find(from);
    if (at == std::string::npos) throw Error(ErrorKind::Internal, path + " does not say " + from);
    file(path, text.replace(at, from.size(), to));
  }
  void without_symbol(const std::string& line) {
    const auto at = kernel_config.find(line + "\n");
    if (at == std::string::npos) throw Error(ErrorKind::Internal, "no " + line);
    kernel_config.erase(at, line.size() + 1);
  }

  std::vector<Finding> findings() {
    root.add_missing_parents("test");
    return preflight({.config = config,
                      .store = context.store(),
                      .root = root,
                      .boot = boot,
                      .kernel_config = kernel_config,
                      .kubeadm_images = asked,
                      .cpus = cpus,
                      .memory_mib = memory_mib,
                      .machine = "[qemu] of board pc"});
  }
  /// The warnings and errors in order: "error CRI: MESSAGE".
  std::vector<std::string> troubles() {
    std::vector<std::string> list;
    for (const Finding& finding : findings()) {
      if (finding.severity != Severity::Ok)
        list.push_back(std::string(severity_name(finding.severity)) + " " + finding.check + ": " + finding.says);
    }
    return list;
  }
  std::vector<std::string> verdicts() { return kubeadm_verdicts(findings()); }
};

}  // namespace k8simg::test
