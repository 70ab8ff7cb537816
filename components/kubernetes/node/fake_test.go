package node

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	ownToken = "k8sim9.4b7qz02xw8n5tj1c"
	anyHash  = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

var authorityKey = newKey()

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// authority is the certificate that kubeadm's stand-in writes, and what workers know it by.
var authority, ownHash = func() (string, string) {
	key := authorityKey
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes"},
		NotBefore: time.Unix(1700000000, 0), NotAfter: time.Unix(2000000000, 0), IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), "sha256:" +
		hex.EncodeToString(sum[:])
}()

// killed is what the program's end looks like to it: nothing after it is done.
type killed struct{}

// begunAnew is what it looks like to it when it begins again.
type begunAnew struct{}

// board is a machine of which nothing is real but a folder. Whatever changes the disk or begins something is an event.
type board struct {
	t    *testing.T
	root string
	lock sync.Mutex

	now          time.Time
	moved        time.Duration
	free         uint64 // MiB
	slept        time.Duration
	patience     time.Duration // after so much sleep the machine is switched off
	onSleep      func(slept time.Duration)
	onInit       func()
	architecture string

	addresses []Address
	route     string // the device of the default route
	links     []string
	kubelet   string
	pods      []Pod
	reachable bool
	answer    time.Time // of the control plane
	refusal   error     // of the control plane
	failsAt   string    // the step of kubeadm that fails
	words     error     // what it fails with
	noAPI     bool
	noKubelet bool // kubeadm does not say that the kubelet runs
	cutAt     string
	cluster   string // what etcd has stored
	made      bool   // kubeadm init has succeeded

	calls   []string
	applied []byte
	awaited string
	journal bytes.Buffer
	errors  bytes.Buffer
	out     bytes.Buffer
	rows    []string

	events         int
	names          []string
	killAt, fullAt int
	disk           *disk
	err            error
	dead           bool
}

func newBoard(t *testing.T, mebibytes int) *board {
	t.Helper()
	b := &board{
		t: t, root: t.TempDir(), now: time.Unix(1800000000, 0), free: 4000, patience: time.Hour, architecture: "amd64",
		addresses: []Address{{"eth0", netip.MustParseAddr("10.0.2.15"), true}}, route: "eth0", kubelet: "inactive",
		reachable: true,
		killAt:    -1, fullAt: -1,
	}
	for _, folder := range []string{
		"boot/firmware", "dev", "etc/kubernetes/manifests", "proc/sys/kernel", "root", "run/systemd/timesync",
		"sys/class/tty/console",
		"sys/class/net/eth0/device", "var/lib/containerd/snapshots/1/fs", "var/lib/kubelet", "usr/lib",
		"usr/share/k8simg/patches/single",
	} {
		b.must(os.MkdirAll(filepath.Join(b.root, folder), 0o755))
	}
	b.put("/sys/class/tty/console/active", "tty0 ttyS0\n")
	for _, file := range []string{"/dev/tty0", "/dev/ttyS0", "/dev/rtc0", "/usr/lib/clock-epoch", synchronized} {
		b.put(file, "")
	}
	image := time.Unix(1700000000, 0)
	b.must(os.Chtimes(b.root+"/usr/lib/clock-epoch", image, image))
	b.put("/proc/meminfo", fmt.Sprintf("MemTotal: %d kB\n", mebibytes*1024))
	b.put("/etc/hostname", "node\n")
	b.put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
	b.put("/sys/class/net/eth0/carrier", "1\n")
	b.put("/var/lib/containerd/snapshots/1/fs/pause", "pause")
	b.put("/var/lib/containerd/snapshots/1/fs/other", "layer")
	b.put(imageListFile, "registry.k8s.io/pause:3.10.2\n")
	sums := ""
	for _, name := range []string{"other", "pause"} {
		path := "/var/lib/containerd/snapshots/1/fs/" + name
		sums += sumOf(b.root+path) + "  " + path[1:] + "\n"
	}
	b.put(checksumFile, sums)
	b.put(stampFile, sums)
	b.put(imageFile, `{"name": "pc", "board": "pc", "ignorePreflightErrors": ["NumCPU", "Mem", "Swap", "Hostname"], `+
		`"unsupportedEtcdArchitectures": ["arm"], "failSwapOn": false}`)
	b.put("/usr/share/k8simg/flannel.yaml", "# About @POD_NETWORK@ and @OTHERS@.\nnetwork: @POD_NETWORK@\n"+
		"policy: @PULL_POLICY@\nhost: @API_HOST@\nimage: @FLANNEL_VERSION@\n")
	b.nodeFile(`role = "single"`)
	return b
}

func (b *board) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *board) put(name, text string) {
	b.t.Helper()
	b.must(os.MkdirAll(filepath.Dir(b.root+name), 0o755))
	b.must(os.WriteFile(b.root+name, []byte(text), 0o644))
}

func (b *board) get(name string) string {
	text, err := os.ReadFile(b.root + name)
	if err != nil {
		return ""
	}
	return string(text)
}

func (b *board) has(name string) bool {
	_, err := os.Lstat(b.root + name)
	return err == nil
}

func (b *board) remove(names ...string) {
	for _, name := range names {
		b.must(os.RemoveAll(b.root + name))
	}
}

func (b *board) nodeFile(lines ...string) { b.put("/boot/node.toml", strings.Join(lines, "\n")+"\n") }

func (b *board) workerFile() {
	b.nodeFile(`role = "worker"`, `server = "10.0.2.2:6443"`, `token = "`+ownToken+`"`, `ca-cert-hash = "`+anyHash+`"`)
}

// power runs a verb as a start of the machine would.
func (b *board) power(verb string) error {
	b.calls, b.names, b.rows, b.events, b.slept = nil, nil, nil, 0, 0
	b.journal.Reset()
	b.errors.Reset()
	b.out.Reset()
	b.remove("/run/issue.d")
	b.put("/dev/ttyS0", "")
	b.put("/dev/tty0", "")
	ctx, cancel := context.WithCancel(b.t.Context())
	defer cancel()
	b.dead = false
	for again := true; again; {
		again = b.process(ctx, verb)
	}
	return b.err
}

// process runs a verb until it ends, and reports whether it wants to begin again.
func (b *board) process(ctx context.Context, verb string) (again bool) {
	func() {
		defer func() {
			switch caught := recover(); caught.(type) {
			case nil:
			case killed:
				b.dead = true
				b.err = errors.New("killed")
			case begunAnew:
				again, b.moved = true, 0
			default:
				panic(caught)
			}
		}()
		n, err := New(b.machine())
		b.must(err)
		n.trace = func(from Situation, row Row) { b.rows = append(b.rows, string(from)+": "+row.Action) }
		verbs := map[string]func() error{
			"start": func() error { return n.Start(ctx) }, "prepare": func() error { return n.Prepare(ctx) },
			"reset": func() error { return n.Reset(ctx) }, "token": func() error { return n.Token(ctx) },
			"verify": n.VerifyImages, "shutdown": func() error { return n.Shutdown(ctx) },
			"renew":      func() error { return n.Renew(ctx) },
			"status":     func() error { return n.Status(ctx) },
			"kubeconfig": func() error { return n.Kubeconfig(ctx) }, "report": func() error { return n.Report(ctx) },
		}
		b.err = verbs[verb]()
	}()
	return again
}

// boot is what systemd starts before k8simg-node, and a kubelet whose files are whole.
func (b *board) boot() {
	b.kubelet = "inactive"
	b.remove("/run/k8simg")
	if b.has(stateFile) {
		if err := b.power("prepare"); err != nil {
			b.t.Fatalf("prepare: %v", err)
		}
	}
	if b.get(kubeletConfig) != "" {
		b.kubelet = "active"
	}
}

func (b *board) machine() Machine {
	return Machine{
		Root: b.root, Architecture: b.architecture, Files: boardFiles{b}, Clock: boardClock{b}, Units: boardUnits{b},
		Runtime: boardRuntime{b},
		Network: boardNetwork{b}, Kubeadm: boardKubeadm{b}, Cluster: boardCluster{b}, Random: rand.Reader,
		Authorities: boardAuthorities{b},
		Reload:      func() {},
		Anew: func() error {
			b.call("anew")
			panic(begunAnew{})
		},
		Ask: func(_ context.Context, command []string) string {
			return "answer of " + strings.Join(command, " ") + " " + ownToken
		},
		Journal: &b.journal, Errors: &b.errors, Out: &b.out,
	}
}

// --- what tests ask ---

func (b *board) starts() {
	b.t.Helper()
	if err := b.power("start"); err != nil {
		b.t.Fatalf("the start ended with %v\n%s", err, b.journal.String())
	}
}

func (b *board) stops(words ...string) {
	b.t.Helper()
	if err := b.power("start"); err == nil || b.dead {
		b.t.Fatalf("the start ended with %v\n%s", err, b.journal.String())
	}
	for _, word := range words {
		b.says(word)
		b.shows(word)
	}
}

func (b *board) says(words string) {
	b.t.Helper()
	for _, tty := range []string{"/dev/ttyS0", "/dev/tty0"} {
		if !strings.Contains(b.get(tty), words) {
			b.t.Errorf("%s does not say %q: %s", tty, words, b.get(tty))
		}
	}
}

func (b *board) shows(words string) {
	b.t.Helper()
	if text := b.get("/run/issue.d/k8simg.issue"); !strings.Contains(text, words) {
		b.t.Errorf("above the login prompt is not %q: %s", words, text)
	}
}

func (b *board) count(pattern string) int {
	found := 0
	for _, call := range b.calls {
		if regexp.MustCompile("^" + pattern).MatchString(call) {
			found++
		}
	}
	return found
}

func (b *board) called(patterns ...string) {
	b.t.Helper()
	for _, pattern := range patterns {
		if b.count(pattern) == 0 {
			b.t.Errorf("%s was not called: %q\n%s", pattern, b.calls, b.journal.String())
		}
	}
}

func (b *board) notCalled(patterns ...string) {
	b.t.Helper()
	for _, pattern := range patterns {
		if b.count(pattern) > 0 {
			b.t.Errorf("%s was called: %q", pattern, b.calls)
		}
	}
}

func (b *board) phase(wanted string) {
	b.t.Helper()
	if state := loadState(b.root + stateFile); state.Phase != wanted {
		b.t.Errorf("the phase is not %q: %+v", wanted, state)
	}
}

func (b *board) holds(name string, patterns ...string) {
	b.t.Helper()
	for _, pattern := range patterns {
		if !regexp.MustCompile("(?m)" + pattern).MatchString(b.get(name)) {
			b.t.Errorf("%s lacks %s: %s", name, pattern, b.get(name))
		}
	}
}

func (b *board) lacks(name string, patterns ...string) {
	b.t.Helper()
	for _, pattern := range patterns {
		if regexp.MustCompile("(?m)" + pattern).MatchString(b.get(name)) {
			b.t.Errorf("%s has %s", name, pattern)
		}
	}
}

// --- events ---

func (b *board) call(format string, arguments ...any) {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.calls = append(b.calls, fmt.Sprintf(format, arguments...))
}

func (b *board) event(format string, arguments ...any) error {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.events++
	b.names = append(b.names, fmt.Sprintf(format, arguments...))
	if b.events == b.killAt {
		panic(killed{})
	}
	if b.fullAt > 0 && b.events >= b.fullAt {
		return syscall.ENOSPC
	}
	return nil
}

// --- the seams ---

type boardFiles struct{ *board }

func (f boardFiles) change(path, format string, arguments ...any) error {
	if strings.HasPrefix(path, f.root+"/run/") {
		return nil
	}
	return f.event(format, arguments...)
}

func (f boardFiles) Write(path string, text []byte, mode os.FileMode) error {
	if err := f.change(path, "write %s", path); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

func (f boardFiles) Rename(from, to string) error {
	if err := f.change(to, "rename %s", to); err != nil {
		return err
	}
	return os.Rename(from, to)
}

func (f boardFiles) Remove(path string) error {
	if err := f.change(path, "remove %s", path); err != nil {
		return err
	}
	return os.RemoveAll(path)
}

func (f boardFiles) MkdirAll(path string, mode os.FileMode) error {
	if err := f.change(path, "mkdir %s", path); err != nil {
		return err
	}
	return os.MkdirAll(path, mode)
}

func (f boardFiles) Symlink(target, path string) error {
	if err := f.change(path, "link %s", path); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(target, path)
}

func (f boardFiles) SyncFile(path string) error {
	if err := f.event("sync %s", path); err != nil {
		return err
	}
	f.persist(path)
	return nil
}

func (f boardFiles) Sync() {
	if f.event("sync") == nil {
		f.persist()
	}
}

func (f boardFiles) Free(string) (Space, error) { return Space{f.free << 20, 8000 << 20}, nil }

func (f boardFiles) Lock(path string) (func(), error) {
	f.call("lock %s", filepath.Base(path))
	return func() {}, nil
}

type boardClock struct{ *board }

func (c boardClock) Moved() time.Duration { return c.moved }

func (c boardClock) Now() time.Time { return c.now }

func (c boardClock) Set(t time.Time) error {
	c.moved += t.Sub(c.now)
	c.now = t
	return nil
}

func (c boardClock) Sleep(_ context.Context, d time.Duration) {
	c.slept += d
	if c.onSleep != nil {
		c.onSleep(c.slept)
	}
	if c.slept >= c.patience {
		panic(killed{})
	}
}

type boardUnits struct{ *board }

func (u boardUnits) Start(_ context.Context, unit string) error {
	u.call("systemctl start %s", unit)
	if err := u.event("start %s", unit); err != nil {
		return err
	}
	if unit == kubeletUnit && u.get(kubeletConfig) != "" {
		u.kubelet = "active"
	}
	return nil
}

func (u boardUnits) Restart(_ context.Context, unit string) error {
	u.call("systemctl restart %s", unit)
	if unit == kubeletUnit && u.get(kubeletConfig) != "" {
		u.kubelet = "active"
	}
	return nil
}

func (u boardUnits) TryRestart(_ context.Context, unit string) error {
	u.call("systemctl try-restart %s", unit)
	return u.event("try-restart %s", unit)
}

func (u boardUnits) Stop(_ context.Context, unit string) error {
	u.call("systemctl stop %s", unit)
	if err := u.event("stop %s", unit); err != nil {
		return err
	}
	u.kubelet = "inactive"
	return nil
}

func (u boardUnits) ActiveState(_ context.Context, unit string) (string, error) {
	if unit == kubeletUnit {
		return u.kubelet, nil
	}
	return "active", nil
}

type boardRuntime struct{ *board }

func (r boardRuntime) Running(context.Context) ([]Pod, error) { return r.pods, nil }

func (r boardRuntime) StopContainer(_ context.Context, id string, grace time.Duration) error {
	r.call("stop container %s in %s", id, grace)
	return r.event("stop container %s", id)
}

func (r boardRuntime) StopPod(_ context.Context, id string) error {
	r.call("stop pod %s", id)
	return nil
}

type boardNetwork struct{ *board }

func (w boardNetwork) Addresses() ([]Address, error) { return w.addresses, nil }

func (w boardNetwork) DefaultDevice() string { return w.route }

func (w boardNetwork) HasLink(name string) bool { return slices.Contains(w.links, name) }

func (w boardNetwork) AddLink(name string) error {
	w.call("link add %s", name)
	w.links = append(w.links, name)
	return nil
}

func (w boardNetwork) AddAddress(name string, ip netip.Addr) error {
	w.call("address add %s dev %s", ip, name)
	w.addresses = append(w.addresses, Address{name, ip, true})
	return nil
}

func (w boardNetwork) AddDefaultRoute(name string) error {
	w.call("route add default dev %s", name)
	if w.route == "" {
		w.route = name
	}
	return nil
}

type boardKubeadm struct{ *board }

func (k boardKubeadm) step(name string) error {
	if err := k.event("kubeadm: %s", name); err != nil {
		return err
	}
	if k.cutAt == name {
		k.cutAt = ""
		panic(killed{})
	}
	if k.failsAt == name {
		if k.words != nil {
			return k.words
		}
		return fmt.Errorf("error execution phase %s", name)
	}
	return nil
}

func (k boardKubeadm) preflight(again bool) error {
	if again {
		return nil
	}
	for name, folder := range map[string]string{"manifests": manifestFolder, "var-lib-etcd": etcdFolder} {
		if entries, err := os.ReadDir(k.root + folder); err == nil && len(entries) > 0 {
			return fmt.Errorf("error execution phase preflight: %s is not empty", name)
		}
	}
	if k.has(kubeletFile) {
		return errors.New("error execution phase preflight: kubelet.conf exists")
	}
	return nil
}

func (k boardKubeadm) certificates(worker bool) error {
	if !k.has(authorityFile) {
		k.put(authorityFile, authority)
	}
	if k.get(authorityFile) == "" {
		return errors.New("error execution phase certs: ca.crt is empty")
	}
	if !worker {
		k.makeCertificates()
	}
	return k.step("certs")
}

func (k boardKubeadm) kubeletRuns() {
	k.put(kubeletConfig, "config\n")
	k.persist() // kubelet.service.d/30-node.conf
	k.kubelet = "active"
}

// etcdRuns makes its log, which is there as soon as it has begun.
func (k boardKubeadm) etcdRuns() error {
	const member = etcdFolder + "/member"
	if k.has(member + "/wal/0.wal") {
		return nil
	}
	k.put(member+"/snap/db", "")
	k.persist(k.root + member + "/snap/db")
	if err := k.step("etcd-database"); err != nil {
		return err
	}
	number := make([]byte, 8)
	rand.Read(number) //nolint:errcheck // never fails
	k.put(member+"/wal.tmp/0.wal", hex.EncodeToString(number))
	k.persist(k.root + member + "/wal.tmp/0.wal")
	k.must(os.Rename(k.root+member+"/wal.tmp", k.root+member+"/wal"))
	k.persist(k.root + member + "/wal")
	k.cluster = hex.EncodeToString(number)
	return nil
}

func (k boardKubeadm) Init(_ context.Context, options InitOptions) error {
	k.call("kubeadm init again=%t", options.Again)
	if err := k.preflight(options.Again); err != nil {
		return err
	}
	if k.onInit != nil {
		k.onInit()
	}
	if err := k.step("preflight"); err != nil {
		return err
	}
	if err := k.certificates(false); err != nil {
		return err
	}
	k.makeKubeconfigs()
	if err := k.step("kubeconfig"); err != nil {
		return err
	}
	k.put(manifestFolder+"/etcd.yaml", "manifest")
	if err := k.step("manifests"); err != nil {
		return err
	}
	k.kubeletRuns()
	if !k.noKubelet {
		options.KubeletStarted()
	}
	if err := k.step("kubelet-start"); err != nil {
		return err
	}
	k.keepOwnCertificate()
	if err := k.etcdRuns(); err != nil {
		return err
	}
	for _, name := range []string{"wait-control-plane", "addon"} {
		if err := k.step(name); err != nil {
			return err
		}
	}
	k.made = true
	return nil
}

func (k boardKubeadm) Join(context.Context, string) error {
	k.call("kubeadm join")
	if err := k.preflight(false); err != nil {
		return err
	}
	if k.onInit != nil {
		k.onInit()
	}
	if err := k.step("preflight"); err != nil {
		return err
	}
	if err := k.certificates(true); err != nil {
		return err
	}
	k.kubeletRuns()
	if err := k.step("kubelet-start"); err != nil {
		return err
	}
	certificate, key := k.leaf("system:node:node", k.now, certificateLife)
	k.put(clientPair, certificate+key)
	if err := k.step("bootstrap"); err != nil {
		return err
	}
	k.put(kubeletFile, "client-certificate: kubelet-client-current.pem\n")
	return k.step("kubelet-wait")
}

func (k boardKubeadm) Reset(context.Context) error {
	k.call("kubeadm reset")
	if err := k.event("kubeadm reset"); err != nil {
		return err
	}
	if k.has(manifestFolder + "/etcd.yaml") {
		k.remove(etcdFolder + "/member")
	}
	for _, name := range []string{"admin.conf", "super-admin.conf", "kubelet.conf", "pki"} {
		k.remove("/etc/kubernetes/" + name)
	}
	for _, folder := range []string{manifestFolder, "/var/lib/kubelet"} {
		entries, err := os.ReadDir(k.root + folder)
		k.must(err)
		for _, entry := range entries {
			k.remove(folder + "/" + entry.Name())
		}
	}
	return nil
}

// leaf is a certificate that the authority of all tests has signed, and its key.
func (b *board) leaf(name string, from time.Time, life time.Duration) (certificate, key string) {
	made, private, err := boardAuthorities{b}.Sign(Request{
		Like:      &x509.Certificate{Subject: pkix.Name{CommonName: name}},
		NotBefore: from, NotAfter: from.Add(life),
	})
	b.must(err)
	return string(made), string(private)
}

// makeCertificates makes what is missing of a control plane's certificates.
func (b *board) makeCertificates() {
	key, err := x509.MarshalECPrivateKey(authorityKey)
	b.must(err)
	private := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key}))
	for _, name := range []string{clusterCA, frontProxyCA, etcdCA} {
		if !b.has(name + ".key") {
			b.put(name+".crt", authority)
			b.put(name+".key", private)
		}
	}
	for _, each := range holders {
		if !isKubeconfig(each.file) && !b.has(each.file) {
			certificate, key := b.leaf(each.file, b.now, certificateLife)
			b.put(each.file, certificate)
			b.put(keyOf(each.file), key)
		}
	}
}

func (b *board) makeKubeconfigs() {
	for _, name := range []string{"admin", "super-admin", "controller-manager", "scheduler", "kubelet"} {
		file := "/etc/kubernetes/" + name + ".conf"
		if b.get(file) != "" {
			continue
		}
		certificate, key := b.leaf(name, b.now, certificateLife)
		text, err := withPair([]byte("clusters:\n- cluster: {server: \"https://"+"10.0.2.15:6443\"}\n  name: kubernetes\n"+
			"users:\n- name: "+name+"\n  user: {}\n"), []byte(certificate), []byte(key))
		b.must(err)
		b.put(file, string(text))
	}
}

// keepOwnCertificate is what a kubelet does with the certificate of its kubeconfig.
func (b *board) keepOwnCertificate() {
	if b.has(clientPair) {
		return
	}
	certificate, key, err := pairIn([]byte(b.get(kubeletFile)))
	b.must(err)
	b.put(kubeletPki+"/kubelet-client-first.pem", string(certificate)+string(key))
	b.persist(b.root + kubeletPki + "/kubelet-client-first.pem")
	b.must(os.Symlink("kubelet-client-first.pem", b.root+clientPair))
	b.persist()
}

type boardAuthorities struct{ *board }

func (a boardAuthorities) Sign(r Request) (certificate, key []byte, err error) {
	signer, err := parseCertificate([]byte(authority))
	if err != nil {
		return nil, nil, err
	}
	private := newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: r.Like.Subject, NotBefore: r.NotBefore,
		NotAfter: r.NotAfter, ExtKeyUsage: r.Like.ExtKeyUsage, DNSNames: r.Like.DNSNames, IPAddresses: r.Like.IPAddresses,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, private.Public(), authorityKey)
	if err != nil {
		return nil, nil, err
	}
	text, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: text}), nil
}

type boardCluster struct{ *board }

func (c boardCluster) Reachable(context.Context, string) bool { return c.reachable }

func (c boardCluster) Time(context.Context, string) time.Time {
	c.call("time")
	return c.answer
}

func (c boardCluster) Check(context.Context, Membership) error {
	c.call("check membership")
	return c.refusal
}

func (c boardCluster) Apply(ctx context.Context, kubeconfig, ready string, manifest []byte) error {
	c.call("apply with %s", filepath.Base(kubeconfig))
	c.lock.Lock()
	c.applied, c.awaited = manifest, ready
	c.lock.Unlock()
	if c.noAPI {
		<-ctx.Done()
		return ctx.Err()
	}
	if c.cutAt == "apply" {
		c.cutAt = ""
		panic(killed{})
	}
	return nil
}

func (c boardCluster) AwaitReady(_ context.Context, _, node string) error {
	c.call("await %s", node)
	return nil
}

func (c boardCluster) CreateToken(_ context.Context, kubeconfig, token string, expires time.Time) error {
	c.call("token %s until %d with %s", token, expires.Unix(), filepath.Base(kubeconfig))
	return nil
}

// --- what a disk holds after a power cut ---

// disk is its memory: all names as at the last sync, and the bytes of the files that were synced; the others are empty
// (ext4 with delayed allocation).
type disk struct {
	synced  map[string]bool // by inode and birth
	durable string          // a copy of the folders
}

var kept = []string{"boot", "etc", "root", "var"}

func (b *board) identity(path string) string {
	var found unix.Statx_t
	b.must(unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &found))
	return fmt.Sprintf("%d-%d-%d", found.Ino, found.Btime.Sec, found.Btime.Nsec)
}

// files calls use with each regular file of the folders that are kept.
func (b *board) files(use func(path string)) {
	for _, folder := range kept {
		b.must(filepath.WalkDir(filepath.Join(b.root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				use(path)
			}
			return err
		}))
	}
}

func (b *board) remember() {
	b.disk = &disk{synced: map[string]bool{}, durable: b.t.TempDir()}
	b.persist()
}

func (b *board) persist(paths ...string) {
	if b.disk == nil {
		return
	}
	if len(paths) == 0 {
		b.files(func(path string) { b.disk.synced[b.identity(path)] = true })
	}
	for _, path := range paths {
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
			b.disk.synced[b.identity(path)] = true
		}
	}
	b.must(os.RemoveAll(b.disk.durable))
	for _, folder := range kept {
		b.copy(filepath.Join(b.root, folder), filepath.Join(b.disk.durable, folder))
	}
}

func (b *board) copy(from, to string) {
	b.must(filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, inside)
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, 0o755)
		case entry.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		}
		var text []byte
		if b.disk.synced[b.identity(path)] || strings.HasPrefix(path, b.disk.durable) {
			if text, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		return os.WriteFile(target, text, 0o644)
	}))
}

// powerCut leaves what the disk holds: with the names of the last sync, or with all names.
func (b *board) powerCut(names bool) {
	if names {
		b.files(func(path string) {
			if !b.disk.synced[b.identity(path)] {
				b.must(os.Truncate(path, 0))
			}
		})
	} else {
		for _, folder := range kept {
			b.must(os.RemoveAll(filepath.Join(b.root, folder)))
			b.copy(filepath.Join(b.disk.durable, folder), filepath.Join(b.root, folder))
		}
	}
	b.disk = nil
}
