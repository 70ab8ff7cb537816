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
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
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

// authority is the certificate of the authority that the fake kubeadm writes, and ownHash its hash.
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

// killed is the value of a panic that ends a run of the program.
type killed struct{}

// begunAnew is the value of a panic that restarts the program.
type begunAnew struct{}

// board is a fake machine with its files in a folder. Each change of the disk, and each start of something, is an
// event. A test can end the program at any event.
type board struct {
	t    *testing.T
	root string
	lock sync.Mutex

	now          time.Time
	moved        time.Duration
	free         uint64 // MiB
	slept        time.Duration
	patience     time.Duration // the program is killed when it has slept this long
	onSleep      func(slept time.Duration)
	onInit       func()
	architecture string

	addresses []Address
	route     string // device of the default route
	links     []string
	kubelet   string
	pods      []Pod
	reachable bool
	answer    time.Time // the control plane's time
	refusal   error     // result of Cluster.Check
	failsAt   string    // step of kubeadm that fails
	words     error     // error of this step
	noAPI     bool
	noKubelet bool                            // kubeadm does not call KubeletStarted
	cutAt     string                          // step at which the power fails
	cluster   string                          // data that etcd has stored
	notReady  error                           // result of Cluster.AwaitReady
	objects   map[ObjectKey]map[string]string // objects in the cluster with their labels
	refused   map[string]error                // names of objects that the API server refuses
	onApply   func(name string)
	made      bool // kubeadm init has succeeded

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

// power runs a verb with empty consoles and logs.
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

// process runs a verb, and reports whether the program must be restarted.
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
			"apply":      func() error { return n.Apply(ctx) },
			"status":     func() error { return n.Status(ctx) },
			"kubeconfig": func() error { return n.Kubeconfig(ctx) }, "report": func() error { return n.Report(ctx) },
		}
		b.err = verbs[verb]()
	}()
	return again
}

// boot does what systemd does before k8simg-node starts: it runs prepare, and the kubelet if its files are complete.
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

// --- checks ---

// starts runs a start that must succeed.
func (b *board) starts() {
	b.t.Helper()
	if err := b.power("start"); err != nil {
		b.t.Fatalf("the start ended with %v\n%s", err, b.journal.String())
	}
}

// stops runs a start that must fail with an error on the consoles and above the login prompt.
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
