package node

import (
	"errors"
	"strings"
	"testing"
	"time"

	kubeletapi "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"
)

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
		{refused(TokenRefused), nil, "node.toml:3: token: 10.0.2.2:6443 does not know the token", 3},
		{refused(OtherCluster), nil, "node.toml:4: ca-cert-hash: is not the hash of the cluster of 10.0.2.2:6443", 3},
		{refused(NameTaken), nil, "Set another hostname", 3},
		{refused(OtherTime), nil, "the clock of this machine says 2027-01-15 08:00 UTC", 3},
		{refused(OtherName), nil, "node.toml:2: server: the certificate of the control plane is not valid for " +
			"10.0.2.2:6443: what was seen", 3},
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
