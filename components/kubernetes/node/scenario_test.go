package node

import (
	"errors"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hyperkube/node/nodefile"

	proxyconfig "k8s.io/kube-proxy/config/v1alpha1"
	kubeletapi "k8s.io/kubelet/config/v1beta1"
	kubeadmapi "k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm/v1beta4"
	"sigs.k8s.io/yaml"
)

// kubeadmFiles returns the documents of kubeadm's configuration file.
func kubeadmFiles(t *testing.T, text string) (start kubeadmapi.InitConfiguration,
	cluster kubeadmapi.ClusterConfiguration, kubelet kubeletapi.KubeletConfiguration,
	proxy proxyconfig.KubeProxyConfiguration) {
	t.Helper()
	parts := strings.Split(text, "\n---\n")
	if len(parts) != 4 {
		t.Fatalf("%d documents: %s", len(parts), text)
	}
	for i, target := range []any{&start, &cluster, &kubelet, &proxy} {
		if err := yaml.UnmarshalStrict([]byte(parts[i]), target); err != nil {
			t.Fatal(err)
		}
	}
	return start, cluster, kubelet, proxy
}

func variables(list []kubeadmapi.EnvVar) map[string]string {
	found := map[string]string{}
	for _, variable := range list {
		found[variable.Name] = variable.Value
	}
	return found
}

func flags(list []kubeadmapi.Arg) map[string]string {
	found := map[string]string{}
	for _, argument := range list {
		found[argument.Name] = argument.Value
	}
	return found
}

func TestSingleIsMadeOnceAndOnlyStartedAfterThat(t *testing.T) {
	b := newBoard(t, 1000)
	var text string
	b.onInit = func() { text = b.get(kubeadmFile) }
	b.starts()
	b.phase(done)
	b.called("kubeadm init again=false", "apply with super-admin.conf", "await node")
	b.notCalled("apply with admin.conf")
	b.says("is Ready")
	start, cluster, kubelet, proxy := kubeadmFiles(t, text)
	if start.LocalAPIEndpoint.AdvertiseAddress != "10.0.2.15" || start.NodeRegistration.Taints == nil ||
		len(start.NodeRegistration.Taints) != 0 ||
		start.NodeRegistration.ImagePullPolicy != "Never" ||
		start.Patches.Directory != b.root+"/usr/share/k8simg/patches/single" ||
		!slices.Equal(start.NodeRegistration.IgnorePreflightErrors, []string{"NumCPU", "Mem", "Swap", "Hostname"}) {
		t.Errorf("%+v", start)
	}
	server := variables(cluster.APIServer.ExtraEnvs)
	if server["GOMEMLIMIT"] != "200MiB" || server["GOGC"] != "50" || server["HYPERKUBE_FIRST_OBJECTS"] != "1" {
		t.Errorf("%v", server)
	}
	for _, program := range []kubeadmapi.ControlPlaneComponent{cluster.ControllerManager, cluster.Scheduler} {
		if variables(program.ExtraEnvs)["HYPERKUBE_API_READY"] != "https://"+"10.0.2.15:6443/readyz" ||
			flags(program.ExtraArgs)["leader-elect"] != "false" {
			t.Errorf("%+v", program)
		}
	}
	if _, found := variables(cluster.Etcd.Local.ExtraEnvs)["ETCD_UNSUPPORTED_ARCH"]; found {
		t.Error("etcd is told of an architecture that it supports")
	}
	if cluster.EncryptionAlgorithm != kubeadmapi.EncryptionAlgorithmECDSAP256 ||
		cluster.CertificateValidityPeriod != nil || cluster.CACertificateValidityPeriod != nil || // upstream's
		flags(cluster.ControllerManager.ExtraArgs)["cluster-signing-duration"] != "" ||
		flags(cluster.APIServer.ExtraArgs)["enable-priority-and-fairness"] != "false" {
		t.Errorf("%+v", cluster)
	}
	if kubelet.EvictionHard["memory.available"] != "50Mi" || len(kubelet.EvictionHard) != 4 || *kubelet.FailSwapOn ||
		!*kubelet.SeccompDefault ||
		kubelet.CgroupDriver != "systemd" || kubelet.MemorySwap.SwapBehavior != "NoSwap" {
		t.Errorf("%+v", kubelet)
	}
	if proxy.Mode != "nftables" || proxy.ClusterCIDR != "10.244.0.0/16" {
		t.Errorf("%+v", proxy)
	}
	if string(b.applied) != "network: 10.244.0.0/16\npolicy: Never\nhost: 10.0.2.15\nimage: dev\n" ||
		b.awaited != "https://"+"10.0.2.15:6443/readyz" {
		t.Errorf("%s %s", b.applied, b.awaited)
	}
	if target, err := os.Readlink(b.root + "/root/.kube/config"); err != nil || target != adminFile {
		t.Error(target, err)
	}
	b.starts()
	b.notCalled("kubeadm", "apply", "await")
	b.called("systemctl start kubelet")
	b.shows("10.0.2.15:6443")
	b.must(b.power("prepare"))
	b.notCalled("address add")

	// The interface loses the address of the control plane, and the spare interface gets it.
	b.addresses = []Address{{"eth0", netip.MustParseAddr("192.168.7.7"), true}}
	b.must(b.power("prepare"))
	b.called("link add k8simg0", "address add 10.0.2.15 dev k8simg0")
	b.says("k8simg0 holds it")
}

func TestPowerCutDuringInit(t *testing.T) {
	b := newBoard(t, 1000)
	b.cutAt = "manifests"
	if b.power("start"); !b.dead {
		t.Fatal("there was no power cut")
	}
	b.phase(initialising)
	b.starts()
	b.phase(done)
	b.says("was interrupted")
	if b.count("kubeadm reset") != 1 || b.count("kubeadm init again=false") != 1 ||
		b.count("kubeadm init again=true") != 0 {
		t.Error(b.calls)
	}
}

func TestPowerCutBetweenInitAndNetwork(t *testing.T) {
	b := newBoard(t, 1000)
	b.noKubelet = true
	b.cutAt = "apply"
	if b.power("start"); !b.dead {
		t.Fatal("there was no power cut")
	}
	b.phase(initialised)
	b.starts()
	b.phase(done)
	b.notCalled("kubeadm")
	b.called("apply with admin.conf")
}

func TestInitFailsThreeTimes(t *testing.T) {
	b := newBoard(t, 1000)
	b.failsAt, b.words = "preflight", errors.New("[ERROR Port-6443]: Port 6443 is in use")
	b.stops("could not be created")
	b.says("Port 6443 is in use")
	if b.count("kubeadm init again=false") != 3 || b.count("kubeadm init") != 3 {
		t.Error(b.calls)
	}
	if !strings.Contains(b.get(lastErrorFile), "could not be created") {
		t.Error("the last error is not kept")
	}

	// The API server never answers. etcd's data is kept.
	b.noAPI, b.failsAt, b.words = true, "wait-control-plane", nil
	b.stops("could not be created", "reset` deletes this node")
	b.called("apply with super-admin.conf")
	if b.count("kubeadm init again=true") != 2 {
		t.Error(b.calls)
	}
	b.noAPI, b.failsAt = false, ""
	b.boot()
	b.starts()
	b.phase(done)
	b.notCalled("kubeadm reset")
	b.called("kubeadm init again=true")
	b.holds(etcdFolder+"/member/wal/0.wal", b.cluster)
}

func TestHalfMadeClusterIsNeverUndone(t *testing.T) {
	b := newBoard(t, 1000)
	b.failsAt = "addon"
	b.stops("could not be created")
	b.phase(initialising)
	b.failsAt = ""
	b.workerFile()
	b.boot()
	b.stops("is a single of a cluster, and node.toml:1 says worker")
	b.notCalled("kubeadm")
	b.holds(etcdFolder+"/member/wal/0.wal", b.cluster)
	b.remove(etcdFolder)
	b.kubelet = "active"
	b.stops("is a single")
	b.notCalled("kubeadm")
	b.kubelet, b.pods = "inactive", []Pod{{ID: "0123"}}
	b.stops("is a single")
	b.notCalled("kubeadm")
	b.pods = nil
	b.starts()
	b.phase(done)
	b.called("kubeadm reset", "kubeadm join")
	b.holds("/etc/hostname", "^node-012345$")
}

func TestDataOfAnotherCluster(t *testing.T) {
	b := newBoard(t, 1000)
	b.put(etcdFolder+"/member/wal/0.wal", "other")
	b.stops("that this program has not created")
	b.notCalled("kubeadm")
	b.workerFile()
	b.put(stateFile, "role=worker\nphase=joining\nhostname=w\naddress=\n")
	b.stops("a worker has none")
	b.notCalled("kubeadm")
	b.put(stateFile, "nonsense")
	b.stops("that this program has not created")
	b.notCalled("kubeadm")
	b.holds(etcdFolder+"/member/wal/0.wal", "other")
	b.must(b.power("reset"))
	if b.has(etcdFolder) {
		t.Error("a reset leaves data")
	}
	b.starts()
	b.phase(done)
}

func TestWhatCountsAsData(t *testing.T) {
	for name, files := range map[string][]string{
		"nothing": {}, "folder": {"/member/snap/"}, "database": {"/member/snap/db"},
		"unfinished": {"/member/wal.tmp/0.wal"}, "touch": {"/.touch"},
		"+log": {"/member/wal/0.wal"}, "+other": {"/x"}, "+snapshot": {"/member/snap/1.snap"},
	} {
		b := newBoard(t, 1000)
		for _, file := range files {
			if strings.HasSuffix(file, "/") {
				b.must(os.MkdirAll(b.root+etcdFolder+file, 0o755))
			} else {
				b.put(etcdFolder+file, "x")
			}
		}
		n, err := New(b.machine())
		b.must(err)
		if n.clusterData() != strings.HasPrefix(name, "+") {
			t.Error(name)
		}
	}
	b := newBoard(t, 1000)
	b.put(etcdFolder+"/member/snap/db", strings.Repeat("x", 64<<10+1))
	n, err := New(b.machine())
	b.must(err)
	if !n.clusterData() {
		t.Error("a large database is no data")
	}
	b.remove(etcdFolder)
	b.must(os.Symlink("/nowhere", b.root+etcdFolder))
	if !n.clusterData() {
		t.Error("a link that leads nowhere is no data")
	}
}

func TestControlPlane(t *testing.T) {
	b := newBoard(t, 8000)
	b.nodeFile(`role = "control-plane"`, `hostname = "cp"`, `address = "10.0.2.15"`, `token = "`+ownToken+`"  # mine`,
		`ntp = "10.0.2.2"`,
		`ssh-key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB0123456789abcdefghijklmnopqrstuvwxyzABCDE"`)
	before, text := b.get("/boot/node.toml"), ""
	b.onInit = func() {
		text = b.get(kubeadmFile)
		if info, err := os.Stat(b.root + kubeadmFile); err != nil || info.Mode().Perm() != 0o600 {
			t.Error("others can read the token")
		}
	}
	b.starts()
	b.phase(done)
	start, cluster, _, _ := kubeadmFiles(t, text)
	if start.NodeRegistration.Taints != nil || start.NodeRegistration.Name != "cp" ||
		start.BootstrapTokens[0].Token.String() != ownToken ||
		start.BootstrapTokens[0].TTL.Duration != 24*time.Hour ||
		flags(start.NodeRegistration.KubeletExtraArgs)["node-ip"] != "10.0.2.15" ||
		!strings.HasSuffix(start.Patches.Directory, "patches/control-plane") {
		t.Errorf("%+v", start)
	}
	if len(variables(cluster.Etcd.Local.ExtraEnvs)) != 0 || flags(cluster.Scheduler.ExtraArgs)["leader-elect"] != "" ||
		flags(cluster.APIServer.ExtraArgs)["enable-priority-and-fairness"] != "" {
		t.Errorf("%+v", cluster)
	}
	b.holds("/etc/hostname", "^cp$")
	b.holds("/proc/sys/kernel/hostname", "cp")
	b.holds(joinFile, ownHash)
	b.says(ownHash)
	b.holds("/etc/systemd/timesyncd.conf.d/50-node.conf", "^NTP=10.0.2.2$")
	b.called("systemctl try-restart systemd-timesyncd")
	b.holds("/root/.ssh/authorized_keys2", "^ssh-ed25519 ")
	if b.has(superAdminFile) {
		t.Error("super-admin.conf is left")
	}
	secret := strings.SplitN(ownToken, ".", 2)[1]
	b.files(func(path string) {
		if found, err := os.ReadFile(path); err != nil || strings.Contains(string(found), secret) {
			t.Errorf("%s has the token, or %v", path, err)
		}
	})
	if strings.Contains(b.journal.String(), secret) {
		t.Error("the journal has the token")
	}
	if b.get("/boot/node.toml") != removedToken(t, before) {
		t.Error(b.get("/boot/node.toml"))
	}

	b.must(b.power("token"))
	file, mistakes, err := nodefile.Parse(b.out.Bytes(), nodefile.Options{})
	if err != nil || len(mistakes) > 0 || file.Server != "10.0.2.15:6443" || file.CACertHash != ownHash ||
		file.Role != worker {
		t.Fatal(mistakes, err, b.out.String())
	}
	b.called("token " + file.Token + " until 1800086400 with admin.conf")

	// Settings that were removed from the file are removed from the machine.
	b.nodeFile(`role = "control-plane"`, `hostname = "other"`)
	b.starts()
	b.says("node.toml:2: hostname: this node is cp in its cluster and keeps that name")
	b.holds("/etc/hostname", "^cp$")
	if b.has("/root/.ssh/authorized_keys2") || b.has("/etc/systemd/timesyncd.conf.d/50-node.conf") {
		t.Error("settings are left")
	}
}

func TestTokenByChance(t *testing.T) {
	var made []string
	for range 2 {
		b := newBoard(t, 1000)
		b.nodeFile(`role = "control-plane"`)
		before, text := b.get("/boot/node.toml"), ""
		b.onInit = func() { text = b.get(kubeadmFile) }
		b.starts()
		token := firstToken(text)
		if !regexp.MustCompile(`^[a-z0-9]{6}\.[a-z0-9]{16}$`).MatchString(token) {
			t.Fatalf("%q", token)
		}
		b.says(`token = "` + token + `", for 24 hours`)
		if strings.Contains(b.journal.String(), token) {
			t.Error("the journal has the token")
		}
		b.files(func(path string) {
			if found, err := os.ReadFile(path); err != nil || strings.Contains(string(found), token) {
				t.Errorf("%s has the token, or %v", path, err)
			}
		})
		if b.get("/boot/node.toml") != before {
			t.Error("node.toml was changed")
		}
		made = append(made, token)
		b.must(b.power("reset"))
		for _, verb := range []string{"token", "kubeconfig"} {
			if err := b.power(verb); err == nil || !strings.Contains(err.Error(), "no control plane") {
				t.Error(err)
			}
		}
	}
	if made[0] == made[1] {
		t.Error("two machines have one token")
	}
}

func TestBootPartitionThatCannotBeWritten(t *testing.T) {
	b := newBoard(t, 1000)
	b.workerFile()
	b.put("/boot/node.toml.new/x", "")
	b.starts()
	b.phase(done)
	b.says("node.toml:3: token: the used token could not be removed")
	b.holds("/boot/node.toml", ownToken)
	b.remove("/boot/node.toml.new")
	b.starts()
	b.says("was removed from node.toml")
	b.lacks("/boot/node.toml", ownToken)
}

func TestArchitectureThatEtcdDoesNotSupport(t *testing.T) {
	b := newBoard(t, 424)
	b.architecture = "arm"
	text := ""
	b.onInit = func() { text = b.get(kubeadmFile) }
	b.starts()
	_, cluster, _, _ := kubeadmFiles(t, text)
	if variables(cluster.Etcd.Local.ExtraEnvs)["ETCD_UNSUPPORTED_ARCH"] != "arm" {
		t.Errorf("%+v", cluster.Etcd.Local)
	}
}

func TestFileWithMistakes(t *testing.T) {
	b := newBoard(t, 1000)
	b.nodeFile(`role = "singel"`, `hostnam = "x"`)
	b.stops("restart")
	b.says("node.toml:1: role:")
	b.says("node.toml:2: hostnam:")
	b.notCalled("kubeadm")
	b.remove("/boot/node.toml")
	b.stops("no node.toml")
	b.put("/boot/firmware/node.toml", `role = "single"`)
	b.starts()
	b.phase(done)

	// Another role needs a reset.
	b.remove("/boot/firmware/node.toml")
	b.workerFile()
	b.stops("is a single of a cluster, and node.toml:1 says worker")
	b.notCalled("kubeadm")
	b.must(b.power("reset"))
	b.called("kubeadm reset")
	b.starts()
	b.phase(done)
	b.called("kubeadm join")

	// A worker needs a token until it has joined.
	b.lacks("/boot/node.toml", ownToken)
	b.holds("/boot/node.toml", "^# token: removed after use")
	b.starts()
	b.notCalled("kubeadm")
	b.shows("worker")
	b.nodeFile(`role = "worker"`, `server = "10.0.2.2:6443"`, `ca-cert-hash = "`+anyHash+`"`)
	b.starts()
	b.notCalled("kubeadm")
	b.workerFile()
	b.starts()
	b.lacks("/boot/node.toml", ownToken)
	b.must(b.power("reset"))
	b.stops("was removed after use, and this machine has not joined")
	b.notCalled("kubeadm join")
	b.nodeFile(`role = "worker"`, `server = "10.0.2.2:6443"`, `ca-cert-hash = "`+anyHash+`"`)
	b.stops("token: is missing")
}

func TestKubeadmByHand(t *testing.T) {
	b := newBoard(t, 1000)
	b.put(kubeletFile, "")
	b.stops("by hand")
	b.notCalled("kubeadm")
}
