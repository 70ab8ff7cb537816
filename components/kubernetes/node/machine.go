// Package node turns a machine into the Kubernetes node that node.toml describes.
//
// The first start creates a control plane or joins a worker to its cluster. Every later start only makes sure that the
// kubelet runs. The package writes a state file before kubeadm runs, after kubeadm has succeeded, and after all other
// files of the node are on the disk. An interruption leaves a partly created node. The next start undoes the work only
// if the node was certainly never part of a cluster; otherwise it completes the work. Only `k8simg-node reset` deletes
// data that etcd has stored. The table in table.go defines what happens in which state.
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

// Files changes the disk. A power cut can occur after each method.
type Files interface {
	// Write creates or replaces a file.
	Write(path string, text []byte, mode os.FileMode) error
	Rename(from, to string) error
	// Remove removes a file, or a folder with its content. A missing path is not an error.
	Remove(path string) error
	MkdirAll(path string, mode os.FileMode) error
	// Symlink creates or replaces a symbolic link.
	Symlink(target, path string) error
	// SyncFile writes a file or a folder to the disk.
	SyncFile(path string) error
	// Sync writes all filesystems to the disk.
	Sync()
	Free(path string) (Space, error)
	// Lock waits until no other process holds the lock.
	Lock(path string) (unlock func(), err error)
}

// Space is the free and the total space of a filesystem, in bytes.
type Space struct{ Free, Total uint64 }

// Clock is the system clock.
type Clock interface {
	Now() time.Time
	Set(t time.Time) error
	// Moved returns by how much the clock was set since the process started.
	Moved() time.Duration
	Sleep(ctx context.Context, d time.Duration)
}

// Units controls systemd units. Start and Restart do not wait until the unit has started.
type Units interface {
	Start(ctx context.Context, unit string) error
	Restart(ctx context.Context, unit string) error
	TryRestart(ctx context.Context, unit string) error
	Stop(ctx context.Context, unit string) error
	ActiveState(ctx context.Context, unit string) (string, error)
}

// Pod is a running pod, as the container runtime reports it.
type Pod struct {
	ID, Namespace, Name string
	HostNetwork         bool
	Containers          []Container
}

// Container is a running container of a pod.
type Container struct {
	ID, Name string
	Grace    time.Duration // the pod's termination grace period
}

// Runtime is the container runtime.
type Runtime interface {
	Running(ctx context.Context) ([]Pod, error)
	StopContainer(ctx context.Context, id string, grace time.Duration) error
	StopPod(ctx context.Context, id string) error
}

// Network reads and changes the kernel's interfaces, addresses and routes.
type Network interface {
	Addresses() ([]Address, error)
	// DefaultDevice returns the interface of the default route with the lowest metric, or "" without a default route.
	DefaultDevice() string
	// HasLink reports whether an interface exists.
	HasLink(name string) bool
	// AddLink creates a dummy interface.
	AddLink(name string) error
	// AddAddress adds a /32 address and brings the interface up.
	AddAddress(name string, a netip.Addr) error
	// AddDefaultRoute adds a default route with a very high metric.
	AddDefaultRoute(name string) error
}

// Address is an IPv4 address of an interface.
type Address struct {
	Device string
	IP     netip.Addr
	Global bool // the scope of the address is global
}

// InitOptions are the options of Kubeadm.Init.
type InitOptions struct {
	Config         string // path of kubeadm's configuration file
	Again          bool   // an earlier run did a part of the work: the preflight checks are skipped
	KubeletStarted func() // called after the kubelet was started
}

// Kubeadm runs the phases of kubeadm's commands.
type Kubeadm interface {
	Init(ctx context.Context, options InitOptions) error
	Join(ctx context.Context, config string) error
	Reset(ctx context.Context) error
}

// Membership holds the values that a worker needs to join a cluster.
type Membership struct{ Server, Token, CACertHash, NodeName string }

// Cluster sends requests to API servers.
type Cluster interface {
	// Reachable reports whether a TCP connection to the server can be opened.
	Reachable(ctx context.Context, server string) bool
	// Time returns the server's time, or the zero time without an answer. The server is not authenticated.
	Time(ctx context.Context, server string) time.Time
	// Check returns a JoinError if the cluster would not accept this machine as a node.
	Check(ctx context.Context, m Membership) error
	// Apply waits until the URL ready answers, unless it is empty, and applies a manifest.
	Apply(ctx context.Context, kubeconfig, ready string, manifest []byte) error
	// AwaitReady returns when the node is Ready.
	AwaitReady(ctx context.Context, kubeconfig, node string) error
	// Objects returns access to the objects of the cluster.
	Objects(kubeconfig string) (Objects, error)
	// CreateToken creates a bootstrap token.
	CreateToken(ctx context.Context, kubeconfig, token string, expires time.Time) error
}

// Machine contains everything outside the process that a Node uses. Tests replace it.
type Machine struct {
	Root         string // root folder of the file system; empty on a node
	Architecture string // GOARCH
	Files        Files
	Clock        Clock
	Units        Units
	Runtime      Runtime
	Network      Network
	Kubeadm      Kubeadm
	Authorities  Authorities
	Cluster      Cluster
	Random       io.Reader
	Reload       func()       // redraws the login prompt
	Anew         func() error // replaces this process by a new one with the same arguments
	// Ask runs a command and returns its output, for reports.
	Ask     func(ctx context.Context, command []string) string
	Journal io.Writer // log
	Errors  io.Writer // standard error
	Out     io.Writer // standard output
}

// Node is one run of the program.
type Node struct {
	Machine
	image Image
	state State

	file     *nodefile.File
	filePath string // path of node.toml, including Root

	told    string // last text of tell
	address string // address of the API server

	tries          int           // runs of kubeadm init
	pause          time.Duration // time until the next attempt to join
	networkApplied bool
	failure        error // error of the last attempt
	prepared       bool  // a worker has an address and the time
	renewed        bool  // certificates were renewed in this run
	trace          func(from Situation, row Row)
}

// New returns a Node for a machine. It reads the state file that an earlier run wrote.
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

// Paths on a node, and units.
const (
	stateFile      = "/var/lib/k8simg/node.state"
	kubeletEnvFile = "/var/lib/k8simg/kubelet.env"
	imageFile      = "/usr/share/k8simg/node.json"
	checksumFile   = "/usr/share/k8simg/images.sha256"
	imageListFile  = "/usr/share/k8simg/images.list"
	stampFile      = "/var/lib/containerd/k8simg-images.sha256"
	adminFile      = "/etc/kubernetes/admin.conf"
	superAdminFile = "/etc/kubernetes/super-admin.conf" // authorized without RBAC objects
	kubeletFile    = "/etc/kubernetes/kubelet.conf"
	kubeadmFile    = "/etc/kubernetes/kubeadm.yaml"
	joinFile       = "/etc/kubernetes/k8simg-join"
	authorityFile  = "/etc/kubernetes/pki/ca.crt"
	manifestFolder = "/etc/kubernetes/manifests"
	kubeletConfig  = "/var/lib/kubelet/config.yaml" // systemd starts the kubelet only if this file exists
	etcdFolder     = "/var/lib/etcd"
	flannelFile    = "/etc/cni/net.d/10-flannel.conflist"
	standaloneFile = "/etc/cni/net.d/10-standalone.conflist"
	lastErrorFile  = "/run/k8simg/last-error"
	kubeletUnit    = "kubelet.service"
)

// startOver says how to delete a node and create it again.
const startOver = "`/usr/libexec/k8simg-node reset` deletes this node and its data; a restart then creates it again"

func (n *Node) path(name string) string { return filepath.Join(n.Root, name) }

// readLine returns the first line of a file without surrounding white space, or "" if the file cannot be read.
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
