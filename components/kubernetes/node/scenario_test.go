package node

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
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

// kubeadmFiles are the documents of kubeadm's file.
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

	// Its address goes, and is kept.
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
	b.stops("could not be made")
	b.says("Port 6443 is in use")
	if b.count("kubeadm init again=false") != 3 || b.count("kubeadm init") != 3 {
		t.Error(b.calls)
	}
	if !strings.Contains(b.get(lastErrorFile), "could not be made") {
		t.Error("the last error is not kept")
	}

	// What etcd has stored stays, while the API server never comes.
	b.noAPI, b.failsAt, b.words = true, "wait-control-plane", nil
	b.stops("could not be made", "reset` deletes what this machine was")
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
	b.stops("could not be made")
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
	b.stops("nothing says that it is this machine")
	b.notCalled("kubeadm")
	b.workerFile()
	b.put(stateFile, "role=worker\nphase=joining\nhostname=w\naddress=\n")
	b.stops("a worker has none")
	b.notCalled("kubeadm")
	b.put(stateFile, "nonsense")
	b.stops("nothing says")
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

func TestNoNetworkAtAll(t *testing.T) {
	b := newBoard(t, 1000)
	b.route, b.addresses = "", nil
	b.remove("/sys/class/net/eth0")
	b.starts()
	b.phase(done)
	b.called("address add 172.31.255.1 dev k8simg0", "route add default dev k8simg0")
	b.says("without one, as 172.31.255.1")
	if b.slept >= 20*time.Second {
		t.Errorf("waited %v for a card that is not there", b.slept)
	}
	b.starts()
	b.notCalled("kubeadm")
}

func TestNetworkThatComesLate(t *testing.T) {
	b := newBoard(t, 1000)
	route, addresses := b.route, b.addresses
	b.route, b.addresses = "", nil
	b.onSleep = func(slept time.Duration) {
		if slept >= 30*time.Second {
			b.route, b.addresses = route, addresses
		}
	}
	b.starts()
	b.says("no DHCP server has answered yet")
	b.holds(kubeadmFile, "advertiseAddress: 10.0.2.15")
	b.notCalled("link add")
}

func TestNetworkWithoutGateway(t *testing.T) {
	b := newBoard(t, 1000)
	b.route = ""
	b.starts()
	b.called("route add default dev eth0")
	b.notCalled("link add")
	b.holds(kubeadmFile, "advertiseAddress: 10.0.2.15")
	b.route = ""
	b.must(b.power("prepare"))
	b.called("route add default dev eth0")
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

	// A key and a time server that the file does not name any more are gone.
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
	b.says("node.toml:3: token: it is used, and could not be removed")
	b.holds("/boot/node.toml", ownToken)
	b.remove("/boot/node.toml.new")
	b.starts()
	b.says("is removed from node.toml")
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

	// Another role is no accident.
	b.remove("/boot/firmware/node.toml")
	b.workerFile()
	b.stops("is a single of a cluster, and node.toml:1 says worker")
	b.notCalled("kubeadm")
	b.must(b.power("reset"))
	b.called("kubeadm reset")
	b.starts()
	b.phase(done)
	b.called("kubeadm join")

	// A worker that has joined needs no token, and one that has not does.
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

func TestWorkerWaitsForTheControlPlane(t *testing.T) {
	b := newBoard(t, 424)
	b.workerFile()
	b.reachable = false
	b.onSleep = func(slept time.Duration) { b.reachable = slept >= 300*time.Second }
	b.starts()
	b.phase(done)
	b.says("10.0.2.2:6443 (node.toml:2) does not answer")
	b.says("worker node-012345 has joined")
	if strings.Count(b.get("/dev/ttyS0"), "does not answer") != 1 {
		t.Error("the console is told again and again")
	}
	b.holds(kubeadmFile, anyHash)
	b.notCalled("time")
	b.starts()
	b.notCalled("kubeadm")
	b.holds("/etc/hostname", "^node-012345$")
}

func TestWorkerTakesTheTimeOfItsControlPlane(t *testing.T) {
	for answer, wanted := range map[string]int64{
		"2027-01-16T08:00:00Z": 1800086400, "2099-01-16T08:00:00Z": 1800000000, "2021-01-16T08:00:00Z": 1800000000,
		"": 1800000000,
	} {
		b := newBoard(t, 424)
		b.workerFile()
		b.remove("/dev/rtc0", synchronized)
		b.answer, _ = time.Parse(time.RFC3339, answer) //nolint:errcheck // no answer is the zero time
		b.starts()
		b.phase(done)
		b.called("kubeadm join")
		if b.now.Unix() != wanted {
			t.Errorf("%q set the clock to %d", answer, b.now.Unix())
		}
		switch answer {
		case "2027-01-16T08:00:00Z":
			b.says("the clock is set from 2027-01-15 08:00 to 2027-01-16 08:00 UTC, the time of 10.0.2.2:6443")
		case "2099-01-16T08:00:00Z":
			b.says("more than 15 years after this image was made")
		}
	}
}

func TestRefusals(t *testing.T) {
	refused := func(refusal Refusal) error { return JoinError{refusal, errors.New("what was seen")} }
	for _, c := range []struct {
		check, join error
		words       string
		tries       int
	}{
		{refused(TokenRefused), nil, "node.toml:3: token: 10.0.2.2:6443 does not know it", 3},
		{refused(OtherCluster), nil, "node.toml:4: ca-cert-hash: 10.0.2.2:6443 is not the cluster", 3},
		{refused(NameTaken), nil, "Give this one another name", 3},
		{refused(OtherTime), nil, "the clock of this machine says 2027-01-15 08:00 UTC", 3},
		{refused(OtherName), nil, "node.toml:2: server: 10.0.2.2:6443 is not what the control plane's certificate " +
			"is for: what was seen", 3},
		{nil, refused(TokenRefused), "node.toml:3: token:", 3},
		{nil, errors.New("something\n new"), "could not be joined: something new", 3},
	} {
		b := newBoard(t, 424)
		b.workerFile()
		b.patience = 700 * time.Second
		b.refusal = c.check
		if c.join != nil {
			b.failsAt, b.words = "preflight", c.join
		}
		if b.power("start"); !b.dead {
			t.Fatal("it does not try for ever")
		}
		b.says(c.words)
		if b.count("check membership") < c.tries {
			t.Errorf("%s: it does not try again: %q", c.words, b.calls)
		}
		if !strings.Contains(b.get(lastErrorFile), strings.Split(c.words, ":")[0]) {
			t.Error("the last error is not kept")
		}
		b.refusal, b.failsAt = nil, ""
		b.starts()
		b.phase(done)
		b.notCalled("kubeadm init")
		if b.has(lastErrorFile) {
			t.Error("an old error is kept")
		}
	}
}

func TestStandalone(t *testing.T) {
	b := newBoard(t, 424)
	b.nodeFile(`role = "standalone"`, `pod-network = "10.9.0.0/16"`)
	b.starts()
	b.phase(done)
	b.notCalled("kubeadm")
	b.called("systemctl restart kubelet")
	b.holds(kubeletEnvFile, "^KUBELET_KUBECONFIG_ARGS=$")
	var kubelet kubeletapi.KubeletConfiguration
	b.must(yaml.UnmarshalStrict([]byte(b.get(kubeletConfig)), &kubelet))
	if kubelet.StaticPodPath != manifestFolder || *kubelet.EnableServer || *kubelet.Authentication.Anonymous.Enabled ||
		kubelet.ReadOnlyPort != 0 {
		t.Errorf("%+v", kubelet)
	}
	b.holds(standaloneFile, `"subnet": "10.9.0.0/24"`)
	b.starts()
	b.notCalled("systemctl restart")
	b.put(manifestFolder+"/mine.yaml", "pod")
	b.workerFile()
	b.starts()
	b.phase(done)
	b.called("kubeadm join")
	b.holds(manifestFolder+".standalone/mine.yaml", "pod")
	if b.has(kubeletEnvFile) || b.has(standaloneFile) {
		t.Error("settings of the standalone kubelet are left")
	}
}

func TestFullDiskOldClockBadImages(t *testing.T) {
	b := newBoard(t, 1000)
	b.free = 50
	b.stops("the disk is full: /var/lib has 50 MB free of 8000 MB")
	b.notCalled("kubeadm")

	b = newBoard(t, 1000)
	b.now = time.Unix(120, 0)
	b.starts()
	b.says("the clock says 1970-01-01, before this image was made; it is set to 2023-11-14")
	if b.now.Unix() != 1700000000 {
		t.Error("the clock was not set")
	}

	b = newBoard(t, 1000)
	b.remove(stampFile)
	if b.power("start") == nil {
		t.Error("it starts without its images")
	}
	b.says("images are not as they were made")
	b.notCalled("kubeadm")

	b = newBoard(t, 1000)
	b.put(stampFile, "of other images")
	b.starts()
	b.says("1 container images are as they were made")

	b = newBoard(t, 1000)
	b.remove(stampFile, checksumFile, imageListFile)
	b.starts()
	b.holds(kubeadmFile, "imagePullPolicy: IfNotPresent")
}

func TestImagesAreCheckedOnce(t *testing.T) {
	b := newBoard(t, 1000)
	b.put("/var/lib/containerd/snapshots/1/fs/pause", "worn")
	b.must(b.power("verify")) // the stamp says that they were good; a node that runs is not stopped
	b.remove(stampFile)
	if b.power("verify") == nil {
		t.Error("damaged images are good")
	}
	b.says("1 files are not as they were made, the first is /var/lib/containerd/snapshots/1/fs/pause")
	if b.has(stampFile) {
		t.Error("bad images have a stamp")
	}
	b.remove("/var/lib/containerd/snapshots/1/fs/pause", "/var/lib/containerd/snapshots/1/fs/other")
	if b.power("verify") == nil {
		t.Error("missing images are good")
	}
	b.says("2 files are not as they were made")

	b = newBoard(t, 1000)
	b.remove(stampFile)
	b.must(b.power("verify"))
	b.says("1 container images are as they were made")
	if b.get(stampFile) != b.get(checksumFile) {
		t.Error("the stamp is another")
	}
	b.remove(stampFile)
	b.put(stampFile+"/x", "")
	if b.power("verify") == nil {
		t.Error("a stamp was written into a folder")
	}
	b.says("cannot be written")
}

// A node that the shell scripts of an earlier image have made or begun goes on.
func TestNodeOfAnEarlierImage(t *testing.T) {
	b := newBoard(t, 1000)
	b.nodeFile(`role = "control-plane"`)
	b.put(stateFile, "role=control-plane\nphase=initialised\nhostname=node\naddress=10.0.2.15\n")
	b.put(kubeadmFile, "# Written by k8simg-node from node.toml.\napiVersion: kubeadm.k8s.io/v1beta4\nkind: "+
		"InitConfiguration\nbootstrapTokens:\n"+
		"- token: \""+ownToken+"\"\n  description: of the first start\n---\nkind: ClusterConfiguration\n")
	b.put(authorityFile, authority)
	b.starts()
	b.phase(done)
	b.says(ownToken)
	b.notCalled("kubeadm")
	b.lacks(kubeadmFile, ownToken)
	b.holds(kubeadmFile, `^- token: "" # removed after use$`, "^  description: of the first start$")
}

func TestShutdownIsOrderly(t *testing.T) {
	b := newBoard(t, 1000)
	pod := func(namespace, name string, grace time.Duration) Pod {
		return Pod{ID: name, Namespace: namespace, Name: name,
			Containers: []Container{{ID: name, Name: name, Grace: grace}}}
	}
	b.pods = []Pod{
		pod("kube-system", "etcd", 30*time.Second), pod("kube-system", "kube-apiserver", 30*time.Second),
		pod("kube-system", "coredns", 30*time.Second),
		pod("kube-flannel", "kube-flannel", 30*time.Second), pod("kube-system", "kube-scheduler", 30*time.Second),
		pod("default", "database", time.Hour), pod("default", "quick", time.Second),
	}
	b.must(b.power("shutdown"))
	position := func(call string) int {
		at := slices.Index(b.calls, call)
		if at < 0 {
			t.Errorf("no %q: %q", call, b.calls)
		}
		return at
	}
	order := []string{"stop pod database", "stop pod coredns", "stop pod kube-scheduler", "stop pod kube-apiserver",
		"stop pod etcd"}
	for i := 1; i < len(order); i++ {
		if position(order[i-1]) > position(order[i]) {
			t.Errorf("%s comes before %s", order[i], order[i-1])
		}
	}
	position("stop container database in 1m0s")
	position("stop container quick in 1s")
	position("stop container etcd in 15s")
	position("stop pod kube-flannel")
}

func TestKubeconfigForAnotherMachine(t *testing.T) {
	b := newBoard(t, 1000)
	b.starts()
	b.put(adminFile, "apiVersion: v1\nkind: Config\nclusters:\n- name: kubernetes\n  cluster: {server: "+
		"\"https://"+"node:6443\", certificate-authority-data: QQ==}\n"+
		"users:\n- name: kubernetes-admin\n  user: {client-key-data: QQ==, client-certificate-data: Qg==}\n"+
		"current-context: x\n")
	b.must(b.power("kubeconfig"))
	for _, words := range []string{"server: https://" + "10.0.2.15:6443", "current-context: node", "client-key-data: QQ==",
		"name: node-admin"} {
		if !strings.Contains(b.out.String(), words) {
			t.Errorf("no %q: %s", words, b.out.String())
		}
	}
	if b.errors.Len() > 0 {
		t.Error(b.errors.String())
	}
	b.addresses = []Address{{spare, netip.MustParseAddr("10.0.2.15"), true}}
	b.must(b.power("kubeconfig"))
	if !strings.Contains(b.errors.String(), "other machines do not reach it") {
		t.Error(b.errors.String())
	}
}

func TestStatus(t *testing.T) {
	b := newBoard(t, 1000)
	b.must(b.power("status"))
	if !strings.Contains(b.out.String(), "none yet") {
		t.Error(b.out.String())
	}
	b.starts()
	b.must(b.power("status"))
	for _, words := range []string{"single, done", "https://" + "10.0.2.15:6443", "10.0.2.15 on eth0",
		"4000 MB free of 8000 MB", "2033-05-18", "none since the start", "kubelet"} {
		if !strings.Contains(b.out.String(), words) {
			t.Errorf("no %q: %s", words, b.out.String())
		}
	}
	if lines := strings.Count(b.out.String(), "\n"); lines > 24 {
		t.Errorf("%d lines are no screen", lines)
	}
	b.workerFile()
	b.stops("is a single")
	b.must(b.power("status"))
	if !strings.Contains(b.out.String(), "is a single of a cluster") {
		t.Error(b.out.String())
	}
}

func TestReportHasNoSecrets(t *testing.T) {
	b := newBoard(t, 1000)
	b.workerFile()
	b.put("/etc/kubernetes/manifests/x.yaml", "args: [--token="+ownToken+"]\npassword: hunter2\nurl: "+
		"https://"+"a:hunter3@x.example/\n")
	b.put("/etc/kubernetes/admin.conf", "client-key-data: hunter4")
	b.put("/etc/kubernetes/pki/ca.key", "hunter5")
	b.put("/etc/cni/net.d/k.conflist", "-----BEGIN EC PRIVATE KEY-----\nhunter6\n-----END EC PRIVATE "+
		"KEY-----\n{\"password\": \"hunter7\"}\n")
	b.put("/proc/cmdline", "root=/dev/vda2 eyJhbGciOiJSUzI1NiJ9.eyJodW50ZXI4In0.hunter8\n")
	b.must(b.power("report"))
	name, _, _ := strings.Cut(b.out.String(), "\n")
	file, err := os.Open(b.root + name)
	b.must(err)
	defer file.Close() //nolint:errcheck // it was only read
	packed, err := gzip.NewReader(file)
	b.must(err)
	archive := tar.NewReader(packed)
	var members []string
	var all bytes.Buffer
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		b.must(err)
		members = append(members, header.Name)
		_, err = io.Copy(&all, archive) //nolint:gosec // it is our own
		b.must(err)
	}
	for _, secret := range []string{ownToken, "hunter", "eyJ"} {
		if strings.Contains(all.String(), secret) {
			t.Errorf("the report has %q", secret)
		}
	}
	for _, words := range []string{"answer of journalctl", "10.0.2.2:6443", anyHash, "root=/dev/vda2", "args: [--"} {
		if !strings.Contains(all.String(), words) {
			t.Errorf("the report has no %q", words)
		}
	}
	if joined := strings.Join(members, " "); !strings.Contains(joined, "files/boot/node.toml") ||
		!strings.Contains(joined, "status.txt") || strings.Contains(joined, "pki") {
		t.Error(members)
	}
	if info, err := file.Stat(); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
}
