package node

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

const day = 24 * time.Hour

// madeNode returns a running control plane.
func madeNode(t *testing.T) *board {
	t.Helper()
	b := newBoard(t, 1000)
	b.starts()
	b.phase(done)
	b.programsRun()
	return b
}

func (b *board) programsRun() {
	b.pods = nil
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"} {
		b.pods = append(b.pods, Pod{ID: "pod-" + name, Namespace: "kube-system", Name: name, HostNetwork: true,
			Containers: []Container{{ID: name, Name: name, Grace: 30 * time.Second}}})
	}
	b.pods = append(b.pods, Pod{ID: "other", Namespace: "default", Name: "kube-scheduler",
		Containers: []Container{{ID: "other", Name: "kube-scheduler", Grace: time.Second}}})
}

// ends returns the remaining days of each certificate of a control plane. It checks that each has its key.
func (b *board) ends() map[string]int {
	b.t.Helper()
	n, err := New(b.machine())
	b.must(err)
	found := map[string]int{}
	for _, each := range append(slices.Clone(holders), holder{file: clientPair}) {
		certificate, err := n.certificateOf(each.file)
		if os.IsNotExist(err) && each.file == superAdminFile {
			continue
		}
		b.must(err)
		if !certificate.whole {
			b.t.Errorf("the key of %s is another's", each.file)
		}
		if b.now.Before(certificate.NotBefore) {
			b.t.Errorf("%s is not valid yet", each.file)
		}
		found[each.file] = int(certificate.NotAfter.Sub(b.now) / day)
	}
	return found
}

// left checks the remaining days of the control plane's certificates and of the kubelet's.
func (b *board) left(controlPlane, kubelet int) {
	b.t.Helper()
	for file, days := range b.ends() {
		wanted := controlPlane
		if file == clientPair {
			wanted = kubelet
		}
		if days != wanted {
			b.t.Errorf("%s has %d days left, wanted %d\n%s", file, days, wanted, b.journal.String())
		}
	}
	for _, name := range []string{journalFolder, draftFolder, takeUpFile} {
		if b.has(name) {
			b.t.Errorf("%s is left", name)
		}
	}
}

func (b *board) renews() {
	b.t.Helper()
	if err := b.power("renew"); err != nil {
		b.t.Fatalf("the renewal ended with %v\n%s", err, b.journal.String())
	}
}

func TestCertificatesOfARunningNode(t *testing.T) {
	b := madeNode(t)
	b.lacks(kubeletFile, "-data:")
	b.holds(kubeletFile, "client-certificate: "+clientPair, "client-key: "+clientPair, "server: ")
	b.left(365, 365)

	// Nothing is renewed in the first half of the lifetime.
	b.now = b.now.Add(182 * day)
	b.renews()
	b.notCalled("stop", "systemctl")
	b.left(183, 183)

	// The kubelet renews its certificate by itself.
	b.now = b.now.Add(day)
	key := b.get(pkiFolder + "/apiserver.key")
	b.renews()
	b.left(365, 182)
	if b.get(pkiFolder+"/apiserver.key") == key {
		t.Error("the key is the old one")
	}
	b.called("stop container kube-apiserver in 30s", "stop container kube-controller-manager",
		"stop container kube-scheduler")
	b.notCalled("stop container etcd", "stop container kube-proxy", "stop container other", "stop pod", "systemctl")
	if slices.Index(b.calls, "stop container kube-apiserver in 30s") > slices.Index(b.calls,
		"stop container kube-scheduler in 30s") {
		t.Errorf("the API server is not the first: %q", b.calls)
	}
	for file, mode := range map[string]os.FileMode{
		pkiFolder + "/apiserver.crt": 0o644, pkiFolder + "/apiserver.key": 0o600, adminFile: 0o600, kubeletFile: 0o600,
	} {
		if info, err := os.Stat(b.root + file); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
	b.renews()
	b.notCalled("stop", "systemctl")

	// The kubelet did not get a new certificate in time.
	b.now = b.now.Add(153 * day)
	b.renews()
	b.left(212, 365)
	b.called("systemctl try-restart kubelet.service")
	b.notCalled("stop")
	if target, err := os.Readlink(b.root + clientPair); err != nil || !strings.HasPrefix(target, "kubelet-client-20") {
		t.Error(target, err)
	}
}

func TestNodeThatWasOffForYears(t *testing.T) {
	b := madeNode(t)
	b.now = b.now.Add(800 * day)
	b.pods = nil
	b.boot()
	b.left(365, 365)
	b.notCalled("stop")
	b.starts()
	b.notCalled("kubeadm")
	b.must(b.power("status"))
	if text := b.out.String(); !strings.Contains(text, "in 365 days") || !strings.Contains(text, "none since the start") {
		t.Error(text)
	}
}

// TestHalfMadeNodeThatWasOffForYears continues creating a node whose certificates have expired.
func TestHalfMadeNodeThatWasOffForYears(t *testing.T) {
	b := newBoard(t, 1000)
	b.cutAt = "apply"
	b.noKubelet = true
	if b.power("start"); !b.dead {
		t.Fatal("there was no power cut")
	}
	b.phase(initialised)
	b.now = b.now.Add(800 * day)
	b.boot()
	b.starts()
	b.phase(done)
	b.left(365, 365)

	// etcd has stored data, and kubeadm has not succeeded.
	b = newBoard(t, 1000)
	b.failsAt = "wait-control-plane"
	b.stops("could not be created")
	b.phase(initialising)
	b.failsAt = ""
	b.now = b.now.Add(800 * day)
	b.boot()
	b.starts()
	b.phase(done)
	b.notCalled("kubeadm reset")
	b.left(365, 365)
}

func TestWrongClocks(t *testing.T) {
	// The clock of a machine without a battery is behind until a time server answers.
	b := madeNode(t)
	right := b.now.Add(800 * day)
	b.boot()
	b.left(365, 365)
	b.programsRun()
	b.now = right
	b.renews()
	b.left(365, 365)
	b.called("stop container kube-apiserver", "systemctl try-restart kubelet.service")

	// The clock is far ahead, and is then corrected.
	b.now = right.Add(1000 * day)
	b.renews()
	b.left(365, 365)
	b.now = right
	b.renews()
	b.left(365, 365)

	// The clock is earlier than the cluster. Nothing is renewed, because new certificates would be invalid.
	before := b.get(adminFile)
	b.now = time.Unix(1600000000, 0)
	b.renews()
	b.notCalled("stop", "systemctl")
	if b.get(adminFile) != before || !strings.Contains(b.journal.String(), "before the cluster was created") {
		t.Error(b.journal.String())
	}
	if b.has(lastErrorFile) {
		t.Error(b.get(lastErrorFile))
	}

	// The clock is set while the first start waits for a time server.
	b = newBoard(t, 1000)
	b.now = time.Unix(1710000000, 0)
	b.remove("/dev/rtc0", synchronized)
	b.onSleep = func(time.Duration) {
		if b.now.Unix() < 1800000000 {
			b.must(boardClock{b}.Set(time.Unix(1800000000, 0)))
			b.put(synchronized, "")
		}
	}
	b.starts()
	b.phase(done)
	if b.count("anew") != 1 || b.count("kubeadm init") != 1 || b.count("kubeadm reset") != 0 {
		t.Error(b.calls)
	}
	b.left(365, 365)
}

func TestAuthorityThatEnds(t *testing.T) {
	b := madeNode(t)
	b.now = time.Unix(2000000000, 0).Add(-100 * day)
	b.renews()
	b.left(100, 100)
	b.must(b.power("status"))
	if text := b.out.String(); !strings.Contains(text, "in 100 days; it is not renewed") {
		t.Error(text)
	}
	// A new certificate would expire on the same day.
	b.now = b.now.Add(90 * day)
	b.renews()
	b.notCalled("stop", "systemctl")
	b.left(10, 10)

	b.now = b.now.Add(20 * day)
	b.renews()
	b.says("the certificate authority /etc/kubernetes/pki/ca.crt has expired on 2033-05-18")
	b.must(b.power("status"))
	if text := b.out.String(); !strings.Contains(text, "has expired on 2033-05-18") {
		t.Error(text)
	}
	b.boot()
	b.starts() // the error is reported, and the kubelet starts
	b.called("systemctl start kubelet")

	// The authority's key is on another machine.
	b = madeNode(t)
	b.remove(clusterCA + ".key")
	b.now = b.now.Add(300 * day)
	b.renews()
	b.left(65, 65)
	b.says("/etc/kubernetes/pki/ca.key is not on this machine")
}

// TestCertificatesOfAnEarlierImage renews certificates that are valid for longer than a year, and a kubelet's
// certificate in its kubeconfig.
func TestCertificatesOfAnEarlierImage(t *testing.T) {
	b := madeNode(t)
	certificate, key := b.leaf("kubelet", b.now, 6*year)
	text, err := withPair([]byte("users:\n- name: kubelet\n  user: {}\n"), []byte(certificate), []byte(key))
	b.must(err)
	b.put(kubeletFile, string(text))
	certificate, key = b.leaf("apiserver", b.now, 6*year)
	b.put(pkiFolder+"/apiserver.crt", certificate)
	b.put(pkiFolder+"/apiserver.key", key)
	b.renews()
	b.left(365, 365)
	b.lacks(kubeletFile, "-data:")
	b.holds(kubeletFile, "client-certificate: "+clientPair)
}

func TestDamagedPair(t *testing.T) {
	b := madeNode(t)
	_, key := b.leaf("other", b.now, certificateLife)
	b.put(pkiFolder+"/etcd/server.key", key)
	b.remove(pkiFolder + "/etcd/peer.key")
	b.remove(clientPair)
	b.boot()
	b.left(365, 365)
	b.put(pkiFolder+"/front-proxy-client.crt", "")
	b.renews()
	b.says("front-proxy-client.crt: there is no certificate")
	b.put("/etc/kubernetes/scheduler.conf", "users: []\n")
	b.renews()
	b.says("/etc/kubernetes/scheduler.conf: the file must have exactly one user")
}

func TestServingCertificateOfTheKubelet(t *testing.T) {
	for _, role := range []string{single, worker} {
		b := newBoard(t, 1000)
		if role == worker {
			b.workerFile()
		}
		b.starts()
		serving := func(life time.Duration) {
			certificate, key := b.leaf("serving", b.now, life)
			b.put(servingPair, certificate)
			b.put(keyOf(servingPair), key)
		}
		serving(200 * day)
		b.renews()
		b.notCalled("systemctl")
		b.now = b.now.Add(30 * day)
		b.renews()
		b.called("systemctl try-restart kubelet.service")
		if b.has(servingPair) || b.has(keyOf(servingPair)) {
			t.Error("the kubelet does not make another one")
		}
		serving(300 * day)
		b.remove(servingPair) // a kubelet does not start with a key alone
		b.boot()
		if b.has(keyOf(servingPair)) {
			t.Error("half a pair is left")
		}
	}
}

func TestWorkerThatWasOffForTooLong(t *testing.T) {
	b := newBoard(t, 1000)
	b.workerFile()
	b.starts()
	b.phase(done)
	b.renews()
	b.now = b.now.Add(400 * day)
	b.boot()
	b.says("the certificate of this worker has expired on 2028-01-15")
	b.shows("write the line token")
	b.starts()
	b.phase(done)
	b.notCalled("kubeadm")
	b.shows("write the line token")
	b.must(b.power("status"))
	for _, words := range []string{"has expired on 2028-01-15: " + clientPair, "to do ", "last error"} {
		if !strings.Contains(b.out.String(), words) {
			t.Errorf("no %q: %s", words, b.out.String())
		}
	}

	// With a token it joins again, with the same name.
	b.workerFile()
	b.boot()
	b.starts()
	b.phase(done)
	b.called("kubeadm reset", "kubeadm join")
	b.says("it joins again with the token")
	b.says("worker node-012345 has joined")
	b.lacks("/boot/node.toml", ownToken)

	// A token that is not needed is removed.
	b.workerFile()
	b.starts()
	b.notCalled("kubeadm")
	b.lacks("/boot/node.toml", ownToken)

	// The clock must be right before the program knows whether the token is needed.
	b.remove("/dev/rtc0", synchronized)
	b.workerFile()
	b.answer = b.now.Add(400 * day)
	b.starts()
	b.called("time", "kubeadm join")
}

func TestKubeconfigSaysUntilWhen(t *testing.T) {
	b := madeNode(t)
	b.must(b.power("kubeconfig"))
	if !strings.HasPrefix(b.out.String(), "# Valid until 2028-01-15 08:00 UTC. After that, ") {
		t.Error(b.out.String())
	}
}

// TestEveryInterruptionOfARenewal interrupts a renewal at each of its events. Afterwards the certificates are complete,
// or the next run completes them, and no program keeps an old one. Without K8SIMG_TEST_ALL=1, it tests one of five of
// the many events that install files, and one kind of interruption for each event.
func TestEveryInterruptionOfARenewal(t *testing.T) {
	age := func(b *board) { b.now = b.now.Add(350 * day) }
	b := madeNode(t)
	age(b)
	b.renews()
	b.left(365, 365)
	events, names := b.events, b.names
	if events < 60 {
		t.Fatalf("only %d events: %q", events, names)
	}
	for at := 1; at <= events; at++ {
		kinds := interruptions
		if os.Getenv("K8SIMG_TEST_ALL") == "" {
			first := lastOf(names, "rename "+b.root+journalFolder)
			last := lastOf(names, "rename "+b.root+draftFolder)
			if at%5 != 0 && (at < first-4 || at > first+8 && at < last-8) {
				continue
			}
			kinds = kinds[at%len(kinds):][:1]
		}
		for _, kind := range kinds {
			t.Run(fmt.Sprintf("%d %s", at, kind), func(t *testing.T) {
				b := madeNode(t)
				age(b)
				b.interrupt(kind, at)
				err := b.power("renew")
				if kind == "full" && err == nil {
					t.Error("it does not say that the disk is full")
				} else if kind != "full" && !b.dead {
					t.Fatalf("it was not killed: %v", err)
				}
				calls := b.calls
				b.killAt, b.fullAt = -1, -1
				if strings.HasPrefix(kind, "power") {
					b.powerCut(kind == "power cut, all names")
					b.pods = nil
					b.boot()
					b.left(365, 365)
					b.starts()
					return
				}
				if !b.has(journalFolder) {
					b.ends()
				}
				b.renews()
				b.left(365, 365)
				b.calls = append(calls, b.calls...)
				b.called("stop container kube-apiserver", "stop container kube-controller-manager",
					"stop container kube-scheduler", "systemctl try-restart kubelet.service")
			})
		}
	}
	if kinds := len(slices.Collect(maps.Keys(b.ends()))); kinds != len(holders) {
		t.Errorf("%d certificates", kinds) // all but the super administrator's, and the kubelet's
	}
}
