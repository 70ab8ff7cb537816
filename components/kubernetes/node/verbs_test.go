package node

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

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
