// Package node makes a machine the node that node.toml describes.
//
// A control plane is made once, a worker joins once, and every start after that only makes sure that the kubelet runs.
// The state is written before kubeadm begins, when kubeadm has succeeded, and when everything else that belongs to the
// node is on the disk. An interruption in between leaves a half-made node. The next start undoes it only if it
// certainly never worked, and finishes it otherwise: what etcd has stored is deleted by `k8simg-node reset` alone. What
// happens in which state is the table in table.go.
package node

import (
	"context"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hyperkube/node/nodefile"
)

// Files changes the disk. Each method is one step after which power may go.
type Files interface {
	Write(path string, text []byte, mode os.FileMode) error // creates or truncates
	Rename(from, to string) error
	Remove(path string) error // with all that is below it; no error when there is nothing
	MkdirAll(path string, mode os.FileMode) error
	Symlink(target, path string) error // replaces a link
	SyncFile(path string) error        // or a folder
	Sync()                             // everything
	Free(path string) (Space, error)
	Lock(path string) (unlock func(), err error) // waits for another run of the program
}

// Space is the room of a filesystem, in bytes.
type Space struct{ Free, Total uint64 }

// Clock is the machine's.
type Clock interface {
	Now() time.Time
	Set(t time.Time) error
	Moved() time.Duration // how far somebody has set it since the program began
	Sleep(ctx context.Context, d time.Duration)
}

// Units is systemd. Start and Restart do not wait for the unit.
type Units interface {
	Start(ctx context.Context, unit string) error
	Restart(ctx context.Context, unit string) error
	TryRestart(ctx context.Context, unit string) error
	Stop(ctx context.Context, unit string) error
	ActiveState(ctx context.Context, unit string) (string, error)
}

// Pod is a pod that runs, as the container runtime knows it.
type Pod struct {
	ID, Namespace, Name string
	HostNetwork         bool
	Containers          []Container
}

// Container is a running container of a pod.
type Container struct {
	ID, Name string
	Grace    time.Duration
}

// Runtime is the container runtime.
type Runtime interface {
	Running(ctx context.Context) ([]Pod, error)
	StopContainer(ctx context.Context, id string, grace time.Duration) error
	StopPod(ctx context.Context, id string) error
}

// Network is the kernel's.
type Network interface {
	Addresses() ([]Address, error)
	DefaultDevice() string                      // that the best default route names, empty without one
	HasLink(name string) bool                   // whether an interface of that name exists
	AddLink(name string) error                  // a dummy interface
	AddAddress(name string, a netip.Addr) error // as a network of one, and brings the interface up
	AddDefaultRoute(name string) error          // with the worst metric
}

// Address is an IPv4 address of an interface. Global ones are those that other machines may reach.
type Address struct {
	Device string
	IP     netip.Addr
	Global bool
}

// InitOptions is how kubeadm makes a control plane.
type InitOptions struct {
	Config         string // file
	Again          bool   // a part is there already: without the preflight checks
	KubeletStarted func() // is called when the kubelet has been started
}

// Kubeadm is kubeadm's phases.
type Kubeadm interface {
	Init(ctx context.Context, options InitOptions) error
	Join(ctx context.Context, config string) error
	Reset(ctx context.Context) error
}

// Membership is what a worker joins with.
type Membership struct{ Server, Token, CACertHash, NodeName string }

// Cluster is an API server.
type Cluster interface {
	Reachable(ctx context.Context, server string) bool
	// Time is what the server says that it is, zero without an answer. Nobody vouches for it.
	Time(ctx context.Context, server string) time.Time
	// Check says whether the cluster would take this machine as a node, with a JoinError when it would not.
	Check(ctx context.Context, m Membership) error
	// Apply waits until the API server at ready answers, unless ready is empty, and applies a manifest.
	Apply(ctx context.Context, kubeconfig, ready string, manifest []byte) error
	AwaitReady(ctx context.Context, kubeconfig, node string) error
	CreateToken(ctx context.Context, kubeconfig, token string, expires time.Time) error
}

// Machine is what a node is made on.
type Machine struct {
	Root         string // of the file system: empty on a node
	Architecture string // as Go calls it
	Files        Files
	Clock        Clock
	Units        Units
	Runtime      Runtime
	Network      Network
	Kubeadm      Kubeadm
	Authorities  Authorities
	Cluster      Cluster
	Random       io.Reader
	Reload       func()       // shows the login prompt anew
	Anew         func() error // ends this process, which begins again with the same arguments
	Ask          func(ctx context.Context, command []string) string
	Journal      io.Writer
	Errors       io.Writer
	Out          io.Writer
}

// Node is one run of the program.
type Node struct {
	Machine
	image Image
	state State

	file     *nodefile.File
	filePath string // of node.toml, with the root

	told    string
	address string // that the API is reached by

	tries          int           // of kubeadm in this run
	pause          time.Duration // until the next try to join
	networkApplied bool
	failure        error // of the last try
	prepared       bool  // a worker has an address and a clock
	renewed        bool  // certificates have been renewed in this run
	trace          func(from Situation, row Row)
}

// New returns a node of a machine. It reads the state that an earlier run has left.
func New(machine Machine) (*Node, error) {
	n := &Node{Machine: machine}
	image, err := loadImage(n.path(imageFile))
	if err != nil {
		return nil, err
	}
	n.image = image
	n.state = loadState(n.path(stateFile))
	return n, nil
}

// Paths of the node, without the root.
const (
	stateFile      = "/var/lib/k8simg/node.state"
	kubeletEnvFile = "/var/lib/k8simg/kubelet.env"
	imageFile      = "/usr/share/k8simg/node.json"
	checksumFile   = "/usr/share/k8simg/images.sha256"
	imageListFile  = "/usr/share/k8simg/images.list"
	stampFile      = "/var/lib/containerd/k8simg-images.sha256"
	adminFile      = "/etc/kubernetes/admin.conf"
	superAdminFile = "/etc/kubernetes/super-admin.conf" // is let in before there are any rules
	kubeletFile    = "/etc/kubernetes/kubelet.conf"
	kubeadmFile    = "/etc/kubernetes/kubeadm.yaml"
	joinFile       = "/etc/kubernetes/k8simg-join"
	authorityFile  = "/etc/kubernetes/pki/ca.crt"
	manifestFolder = "/etc/kubernetes/manifests"
	kubeletConfig  = "/var/lib/kubelet/config.yaml" // without it systemd does not start the kubelet
	etcdFolder     = "/var/lib/etcd"
	flannelFile    = "/etc/cni/net.d/10-flannel.conflist"
	standaloneFile = "/etc/cni/net.d/10-standalone.conflist"
	lastErrorFile  = "/run/k8simg/last-error"
	kubeletUnit    = "kubelet.service"
	anew           = "`/usr/libexec/k8simg-node reset` deletes what this machine was, and a restart makes it anew"
)

func (n *Node) path(name string) string { return filepath.Join(n.Root, name) }

// readLine returns the first line of a small file, without blanks; empty when it cannot be read.
func (n *Node) readLine(name string) string {
	text, err := os.ReadFile(n.path(name))
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(line)
}

func (n *Node) exists(name string) bool {
	_, err := os.Stat(n.path(name))
	return err == nil
}

func (n *Node) notEmpty(name string) bool {
	info, err := os.Stat(n.path(name))
	return err == nil && info.Size() > 0
}
