// Tests each rule with an image that violates it, and kubeadm's expected result.
#include "preflight/preflight.hpp"

#include "image.hpp"
#include "support/catch.hpp"

using namespace k8simg;
using namespace k8simg::test;

namespace {

using Names = std::vector<std::string>;

bool any_contains(const Names& list, const std::string& part) {
  return std::any_of(list.begin(), list.end(), [&](const std::string& each) { return contains(each, part); });
}

}  // namespace

TEST_CASE("an image that every rule is content with, in every role") {
  PreflightImage image;
  for (const char* role : {"single", "control-plane", "worker", "standalone", ""}) {
    INFO(role);
    image.config.node_role = role;
    CHECK(image.troubles() == Names{});
    CHECK(image.verdicts() == Names{});
    for (const Finding& finding : image.findings()) {
      CHECK(!finding.looked_at.empty());
      CHECK(!finding.says.empty());
      CHECK(finding.action.empty());
    }
  }
}

TEST_CASE("what is wrong comes with what to do") {
  PreflightImage image;
  image.root = Tree();
  image.boot = Tree();
  image.kernel_config.clear();
  image.cpus = 1, image.memory_mib = 512;
  image.config.arch.go = "arm";
  std::size_t troubles = 0;
  for (const Finding& finding : image.findings()) {
    if (finding.severity == Severity::Ok) continue;
    ++troubles;
    INFO(finding.check);
    CHECK(!finding.action.empty());
    CHECK(!finding.looked_at.empty());
  }
  CHECK(troubles > 20);
}

TEST_CASE("processors and memory: kubeadm's minimum for a control plane") {
  PreflightImage image;
  image.cpus = 1;
  CHECK(image.verdicts() == Names{"ERROR NumCPU"});
  // Its node.json ignores NumCPU: a warning here, an error for kubeadm.
  CHECK(image.troubles() == Names{"warning NumCPU: 1 processor, kubeadm requires 2; the node tells kubeadm to ignore "
                                  "it (/usr/share/k8simg/node.json)"});
  image.cpus = 2, image.memory_mib = 1699;
  CHECK(image.troubles() == Names{"error Mem: 1699 MiB, kubeadm requires 1700"});
  CHECK(image.verdicts() == Names{"ERROR Mem"});
  // The kernel uses some memory; the amount is not known from the image.
  image.memory_mib = 1800;
  CHECK(any_contains(image.troubles(), "warning Mem: 1800 MiB"));
  CHECK(image.verdicts() == Names{});
  image.memory_mib = 512, image.cpus = 1, image.config.node_role = "worker";
  CHECK(image.troubles() == Names{});
}

TEST_CASE("etcd runs on few architectures, unless it is told to") {
  PreflightImage image;
  image.config.arch.go = "arm";
  CHECK(image.troubles() == Names{"error etcd-architecture: etcd does not start on arm"});
  image.edit("usr/share/k8simg/node.json", "{", R"({"unsupportedEtcdArchitectures": ["arm"], )");
  CHECK(any_contains(image.troubles(), "warning etcd-architecture"));
  CHECK(image.verdicts() == Names{});
  image.config.node_role = "worker";
  CHECK(image.troubles() == Names{});
}

TEST_CASE("versions of kubelet, kubeadm and the cluster") {
  PreflightImage image;
  image.edit("usr/share/k8simg/node.json", "v1.37.1", "v1.37.0");
  CHECK(any_contains(image.troubles(), "error KubernetesVersion: kubelet and kubeadm v1.37.1, cluster v1.37.0"));
  CHECK(image.verdicts() == Names{});
  image.edit("usr/share/k8simg/node.json", "v1.37.0", "v1.38.0");
  CHECK(image.verdicts() == Names{"WARNING KubernetesVersion"});
  image.edit("usr/share/k8simg/node.json", "v1.38.0", "v1.36.4");
  CHECK(image.verdicts() == Names{"ERROR KubeletVersion"});
  PreflightImage none;
  none.root.erase("usr/local/bin/kubelet");
  CHECK(none.verdicts() == Names{"ERROR KubeletVersion", "ERROR SystemVerification"});
}

TEST_CASE("the cluster's version is that of node.json, else the component's") {
  PreflightImage image;
  CHECK(cluster_version(image.context.store(), image.root, image.config) == "v1.37.1");
  image.edit("usr/share/k8simg/node.json", "v1.37.1", "v1.36.0");
  CHECK(cluster_version(image.context.store(), image.root, image.config) == "v1.36.0");
  image.root.erase("usr/share/k8simg/node.json");
  CHECK(cluster_version(image.context.store(), image.root, image.config) == "v1.37.1");
}

TEST_CASE("a node.json that is none is told") {
  PreflightImage image;
  for (const char* text : {"", "{", "[]", R"({"ignorePreflightErrors": "NumCPU"})", R"({"failSwapOn": "no"})"}) {
    image.file("usr/share/k8simg/node.json", text);
    CHECK_THROWS_AS(image.findings(), Error);
  }
}

TEST_CASE("paths that kubeadm writes are free") {
  PreflightImage image;
  image.file("etc/kubernetes/manifests/etcd.yaml", "x");
  image.file("var/lib/etcd/member/snap", "x");
  image.file("etc/kubernetes/pki/ca.crt", "x");
  CHECK(image.verdicts() ==
        Names{"ERROR DirAvailable--var-lib-etcd", "ERROR FileAvailable--etc-kubernetes-manifests-etcd.yaml"});
  image.config.node_role = "worker";
  CHECK(image.verdicts() == Names{"ERROR FileAvailable--etc-kubernetes-pki-ca.crt"});
}

TEST_CASE("units: there, not masked, enabled") {
  const auto broken = [](const auto& change) {
    PreflightImage image;
    change(image);
    return image.verdicts();
  };
  CHECK(broken([](PreflightImage& image) {
          image.root.erase("etc/systemd/system/multi-user.target.wants/containerd.service");
        }) == Names{"ERROR CRI", "ERROR ContainerRuntimeVersion"});
  CHECK(broken([](PreflightImage& image) { image.root.erase("usr/lib/systemd/system/containerd.service"); }) ==
        Names{"ERROR CRI", "ERROR ContainerRuntimeVersion"});
  CHECK(broken([](PreflightImage& image) {
          image.root.add_symlink("etc/systemd/system/containerd.service", "/dev/null", "test");
        }) == Names{"ERROR CRI", "ERROR ContainerRuntimeVersion"});
  CHECK(broken([](PreflightImage& image) { image.root.erase("usr/local/bin/containerd"); }) ==
        Names{"ERROR CRI", "ERROR ContainerRuntimeVersion"});
  CHECK(broken([](PreflightImage& image) { image.config.components[1].version = "v1.7.9"; }) ==
        Names{"WARNING ContainerRuntimeVersion"});
  CHECK(broken([](PreflightImage& image) {
          image.root.erase("etc/systemd/system/multi-user.target.wants/kubelet.service");
        }) == Names{"WARNING Service-kubelet"});
  CHECK(broken([](PreflightImage& image) { image.root.erase("usr/lib/systemd/system/kubelet.service"); }) ==
        Names{"WARNING Service-kubelet"});
  CHECK(broken([](PreflightImage& image) {
          image.root.add_symlink("etc/systemd/system/kubelet.service", "/dev/null", "test");
        }) == Names{"WARNING Service-kubelet"});
  // A unit without [Install] is "static", which systemctl is-enabled reports as enabled.
  CHECK(broken([](PreflightImage& image) {
          image.root.erase("etc/systemd/system/multi-user.target.wants/kubelet.service");
          image.file("etc/systemd/system/kubelet.service", "[Service]\nExecStart=/x\n");
        }) == Names{});
  CHECK(broken([](PreflightImage& image) {
          image.file("usr/lib/systemd/system/firewalld.service", "[Service]\n[Install]\n");
          image.root.add_symlink("etc/systemd/system/multi-user.target.wants/firewalld.service",
                                 "/usr/lib/systemd/system/firewalld.service", "test");
        }) == Names{"WARNING Firewalld"});
}

TEST_CASE("swap, and whether the kubelet bears it") {
  PreflightImage image;
  image.root.add_symlink("usr/lib/systemd/system/swap.target.wants/dev-zram0.swap", "../dev-zram0.swap", "test");
  CHECK(any_contains(image.troubles(), "error Swap: swap is on, and the kubelet does not start with swap"));
  CHECK(image.verdicts() == Names{"WARNING Swap"});
  PreflightImage node;
  node.edit("usr/share/k8simg/node.json", "{", R"({"failSwapOn": false, )");
  node.root.add_symlink("usr/lib/systemd/system/swap.target.wants/dev-zram0.swap", "../dev-zram0.swap", "test");
  CHECK(
      node.troubles() ==
      Names{"warning Swap: swap is on, and the kubelet allows it (failSwapOn: false in /usr/share/k8simg/node.json)"});
  image.file("etc/kubernetes/kubelet.conf.d/20-lean.conf", "failSwapOn: false\n");
  CHECK(image.troubles() == Names{"warning Swap: swap is on, and the kubelet allows it (failSwapOn: false in "
                                  "/etc/kubernetes/kubelet.conf.d/20-lean.conf)"});
  image.without_symbol("CONFIG_SWAP=y");
  CHECK(image.verdicts() == Names{});
  PreflightImage table;
  table.file("etc/fstab", "/dev/sda3 none swap sw 0 0\n");
  CHECK(table.verdicts() == Names{"WARNING Swap"});
  table.file("etc/fstab", "#/dev/sda3 none swap sw 0 0\n/dev/sda4 none swap noauto 0 0\n");
  CHECK(table.verdicts() == Names{});
}

TEST_CASE("programs in PATH, links followed, and executable") {
  PreflightImage image;
  image.root.erase("usr/sbin/losetup");
  image.file("usr/bin/cp", "#!", 0644);
  image.root.erase("usr/bin/mount");
  CHECK(image.verdicts() == Names{"ERROR FileExisting-cp", "ERROR FileExisting-losetup", "ERROR FileExisting-mount"});
  PreflightImage others;
  others.root.erase("usr/sbin/xtables-nft-multi");  // iptables is now a broken link
  others.root.erase("usr/bin/umount");
  others.root.erase("usr/local/bin/kubeadm");
  CHECK(others.verdicts() == Names{});
  const Names troubles = others.troubles();
  CHECK(any_contains(troubles, "there is no iptables or nft, which the network plugins need for masquerading"));
  CHECK(any_contains(troubles, "there is no umount"));
  CHECK(any_contains(troubles, "there is no kubeadm, which makes the node"));
  CHECK(program_path(others.root, "kubelet") == "/usr/local/bin/hyperkube");
}

TEST_CASE("the kernel's version and configuration as system-validators see them") {
  const auto with_kernel = [](const std::string& release) {
    PreflightImage image;
    image.root.erase("usr/lib/modules/6.12.117-k8simg");
    image.root.add_directory("usr/lib/modules/" + release, 0755, "kernel");
    return image.verdicts();
  };
  for (const char* good : {"5.4.0", "5.10.1", "5.15.3-rt", "6.0.1", "7.1.2-k8simg"})
    CHECK(with_kernel(good) == Names{});
  for (const char* bad : {"4.19.1", "5.16.1", "6.1"}) CHECK(with_kernel(bad) == Names{"ERROR SystemVerification"});

  PreflightImage image;
  image.without_symbol("CONFIG_IKCONFIG_PROC=y");
  CHECK(any_contains(image.troubles(), "kubeadm cannot read the kernel's configuration"));
  CHECK(image.verdicts() == Names{"ERROR SystemVerification"});
  image.file("boot/config-6.12.117-k8simg", "CONFIG_X=y\n");
  CHECK(image.verdicts() == Names{});
}

TEST_CASE("kernel symbols, by who asks for them") {
  PreflightImage image;
  image.without_symbol("CONFIG_NET_NS=y");
  CHECK(image.troubles() ==
        Names{"error SystemVerification: the kernel does not have it; needed by kubeadm, kubernetes, runc"});
  CHECK(image.verdicts() == Names{"ERROR SystemVerification"});
  PreflightImage runtime;
  runtime.without_symbol("CONFIG_VETH=y");
  CHECK(runtime.troubles() ==
        Names{"error kernel-runtime: the kernel does not have it; needed by runc, moby: links of pods"});
  CHECK(runtime.verdicts() == Names{});
  runtime.kernel_config += "CONFIG_VETH_OLD=m\n";
  CHECK(runtime.troubles() == Names{});
  PreflightImage node;
  node.without_symbol("CONFIG_TMPFS=m");
  CHECK(node.troubles() == Names{"error kernel-node: the kernel does not have it; needed by systemd"});
  // Unset recommended symbols are mentioned, but are not warnings.
  PreflightImage whole;
  const auto findings = whole.findings();
  CHECK(std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return contains(finding.says, "recommended, not set: CONFIG_AUFS_FS");
  }));
}

TEST_CASE("a program of the image can need a kernel symbol") {
  PreflightImage image;
  image.config.kernel.required.push_back({{"CONFIG_MACVLAN"}, {"cni"}, true, "", "/opt/cni/bin/macvlan"});
  CHECK(image.troubles().empty());
  image.file("opt/cni/bin/macvlan", "#!", 0755);
  CHECK(image.troubles() == Names{"error kernel-node: the kernel does not have it; needed by /opt/cni/bin/macvlan"});
  image.kernel_config += "CONFIG_MACVLAN=m\n";
  CHECK(image.troubles().empty());
}

TEST_CASE("cgroup controllers: compiled in, and not taken away on the command line") {
  PreflightImage image;
  image.without_symbol("CONFIG_CPUSETS=y");
  CHECK(any_contains(image.troubles(), "the cgroup controller cpuset is not compiled in"));
  CHECK(image.verdicts() == Names{"ERROR SystemVerification"});
  PreflightImage optional;
  optional.without_symbol("CONFIG_CGROUP_HUGETLB=y");
  CHECK(optional.troubles() == Names{"warning SystemVerification: there is no hugetlb"});
  CHECK(optional.verdicts() == Names{"WARNING SystemVerification"});

  const auto with_words = [](const std::string& words) {
    PreflightImage other;
    other.boot_file("loader/entries/k8simg.conf", "options root=PARTUUID=1 " + words + " rw\n");
    return other.verdicts();
  };
  for (const char* bad : {"cgroup_disable=memory", "cgroup_disable=io,pids", "systemd.unified_cgroup_hierarchy=0",
                          "systemd.unified_cgroup_hierarchy=no", "systemd.legacy_systemd_cgroup_controller=yes"}) {
    INFO(bad);
    CHECK(any_contains(with_words(bad), "ERROR SystemVerification"));
  }
  CHECK(with_words("cgroup_disable=io,hugetlb") == Names{"WARNING SystemVerification"});
  for (const char* good : {"cgroup_enable=memory", "systemd.unified_cgroup_hierarchy=1", "cgroup_disable=misc",
                           "cgroup_no_v1=all", "cgroup.memory=nokmem"}) {
    INFO(good);
    CHECK(with_words(good) == Names{});
  }
}

TEST_CASE("the command line is in the boot partition, and of a board without one in its config") {
  PreflightImage image;
  image.boot_file("cmdline.txt", "root=PARTUUID=1 cgroup_disable=memory\n");
  CHECK(any_contains(image.troubles(),
                     "error SystemVerification: \"cgroup_disable=memory\" on the kernel's command line disables "
                     "the controller memory"));
  image.boot_file("cmdline.txt", "# root=PARTUUID=1 cgroup_disable=memory\n");
  CHECK(image.troubles() == Names{});
  image.boot = Tree();
  image.config.kernel.cmdline = "rw cgroup_disable=pids";
  CHECK(image.verdicts() == Names{"ERROR SystemVerification"});
}

TEST_CASE("a keymap needs consoles with a keyboard") {
  PreflightImage image;
  image.config.rootfs.keymap = "de";
  CHECK(image.troubles() ==
        Names{"warning keymap: the kernel has no consoles with a keyboard: system.keymap has no effect"});
  CHECK(image.verdicts() == Names{});
  image.kernel_config += "CONFIG_VT=y\n";
  CHECK(image.troubles() == Names{});
}

TEST_CASE("the node's name, and who knows where it is") {
  PreflightImage image;
  image.config.rootfs.hostname = "under_score-";
  CHECK(image.verdicts() == Names{"WARNING Hostname"});
  image.config.rootfs.hostname = "other";
  CHECK(image.troubles() == Names{"warning Hostname: no file resolves \"other\""});
  image.root.add_symlink("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf", "rule:identity");
  CHECK(image.verdicts() == Names{"WARNING Hostname"});
  image.file("usr/lib/systemd/system/systemd-resolved.service", "[Service]\n");
  image.root.add_symlink("etc/systemd/system/sysinit.target.wants/systemd-resolved.service",
                         "/usr/lib/systemd/system/systemd-resolved.service", "rule:units");
  CHECK(image.verdicts() == Names{});
}

TEST_CASE("settings below /proc/sys, as systemd-sysctl makes them") {
  const std::string forward = "ERROR FileContent--proc-sys-net-ipv4-ip_forward";
  PreflightImage image;
  image.file("usr/lib/sysctl.d/50-default.conf", "net.ipv4.ip_forward = 0\n");
  CHECK(image.verdicts() == Names{forward});
  CHECK(image.troubles() == Names{"error FileContent--proc-sys-net-ipv4-ip_forward: net.ipv4.ip_forward = 0"});
  image.root.erase("usr/lib/sysctl.d/50-default.conf");
  image.root.erase("usr/lib/systemd/system/sysinit.target.wants/systemd-sysctl.service");
  CHECK(image.verdicts() == Names{forward});
  CHECK(any_contains(image.troubles(), "systemd-sysctl.service does not start"));
  PreflightImage nothing;
  nothing.file("etc/sysctl.d/30-kubernetes.conf", "net.bridge.bridge-nf-call-iptables = 0\n");
  CHECK(nothing.verdicts() == Names{forward});
  CHECK(any_contains(nothing.troubles(), "error bridge-netfilter"));
  CHECK(any_contains(nothing.troubles(), "warning FileContent--proc-sys-net-ipv6-conf-default-forwarding"));
  nothing.without_symbol("CONFIG_IPV6=y");
  CHECK_FALSE(any_contains(nothing.troubles(), "ipv6"));
}

TEST_CASE("containerd's configuration") {
  const auto with = [](const std::string& from, const std::string& to) {
    PreflightImage image;
    image.edit("etc/containerd/config.toml", from, to);
    return image.troubles();
  };
  CHECK(with("version = 3", "version = 2") == Names{"error containerd-config: does not have version 3"});
  CHECK(any_contains(with("version = 3", "version = 3\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]"),
                     "error CRI: kubeadm cannot reach a container runtime"));
  CHECK(any_contains(
      with("/run/containerd/containerd.sock", "/run/other.sock"),
      "error ContainerRuntimeVersion: kubeadm cannot reach a container runtime: listens at /run/other.sock"));
  CHECK(with("\"crun\"", "\"kata\"") ==
        Names{"error containerd-config: default_runtime_name is kata, but there is no such runtime"});
  CHECK(with("/usr/bin/crun", "/usr/sbin/runc") ==
        Names{"error containerd-config: the OCI runtime /usr/sbin/runc is not in the image"});
  CHECK(
      with("SystemdCgroup = true", "SystemdCgroup = false") ==
      Names{
          "error containerd-config: runtime crun does not use the systemd cgroup driver, but kubeadm's kubelet does"});
  CHECK(with("/opt/cni/bin", "/usr/lib/cni").size() == 4);
  CHECK(any_contains(with("pause:3.10.2", "pause:3.9"),
                     "the sandbox image is \"registry.k8s.io/pause:3.9\", kubeadm's is registry.k8s.io/pause:3.10.2"));
  PreflightImage image;
  image.file("etc/containerd/config.toml", "version = = 3\n");
  CHECK(image.verdicts() == Names{"ERROR CRI", "ERROR ContainerRuntimeVersion"});
  CHECK(any_contains(image.troubles(), "config.toml:1:"));
  image.root.erase("etc/containerd/config.toml");
  CHECK(any_contains(image.troubles(), "error containerd-config: does not exist"));
  PreflightImage shim;
  shim.root.erase("usr/local/bin/containerd-shim-runc-v2");
  CHECK(shim.troubles() == Names{"error containerd-config: there is no containerd-shim-runc-v2"});
}

TEST_CASE("images: what kubeadm asks for is in the image, as far as the role asks for it") {
  PreflightImage image;
  image.asked.push_back("registry.k8s.io/etcd:3.7.0-0");
  CHECK(any_contains(image.troubles(), "error ImagePull: has no registry.k8s.io/etcd:3.7.0-0"));
  CHECK(image.verdicts() == Names{"ERROR ImagePull"});
  // kubeadm checks images only if there is no other error.
  image.cpus = 1;
  CHECK(image.verdicts() == Names{"ERROR NumCPU"});
  image.config.node_role = "worker";
  CHECK(image.troubles() == Names{});
  image.asked = {"registry.k8s.io/kube-proxy:v1.38.0", "registry.k8s.io/pause:3.10.2"};
  CHECK(any_contains(image.troubles(), "error ImagePull: has no registry.k8s.io/kube-proxy:v1.38.0"));
  CHECK(image.verdicts() == Names{});
  image.config.node_role = "standalone";
  CHECK(image.troubles() == Names{});
  image.root.erase("usr/share/k8simg/images.list");
  CHECK(any_contains(image.troubles(), "warning ImagePull: the image contains no container images"));
}
