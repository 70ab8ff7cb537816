// The four programs of a control plane: how they are started, as the image's static pods start them, and ended.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	scheduler         = "kube-scheduler"

	podNetwork     = "10.244.0.0/16"
	serviceNetwork = "10.96.0.0/12"
	// The API server refuses to advertise an address of loopback. Nothing connects to this one (RFC 5737).
	advertised = "192.0.2.1"
)

var programNames = []string{etcd, apiServer, controllerManager, scheduler}

type program struct {
	name    string
	command *exec.Cmd
	counter counter
	ended   chan struct{} // closed when it has ended
	spent   float64       // processor time at the last point
}

type cluster struct {
	folder   string
	pki      *pki
	server   string         // URL of the API server
	ports    map[string]int // by program; "peer" and "metrics" are etcd's
	programs []*program
	admin    *client
}

// prepare chooses ports and makes certificates.
func (c *cluster) prepare() error {
	names := append([]string{"peer", "metrics"}, programNames...)
	c.ports = map[string]int{}
	for _, name := range names {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer listener.Close() //nolint:errcheck // until all ports are known
		c.ports[name] = listener.Addr().(*net.TCPAddr).Port
	}
	c.server = c.url("https", apiServer, "")
	var err error
	if c.pki, err = newPKI(c.folder, c.server); err != nil {
		return err
	}
	c.admin, err = newClient(c.server, c.folder, "admin")
	return err
}

// start starts all programs at once, as a kubelet does.
func (c *cluster) start(set settings) error {
	for _, name := range programNames {
		p := &program{name: name, ended: make(chan struct{})}
		p.command = exec.Command(set.Binary, append(c.flags(name), set.Flags[name]...)...)
		p.command.Args[0] = name
		p.command.Dir = c.folder
		p.command.Env = append([]string{"PATH=/nonexistent", "HOME=" + c.folder}, environment(name, c.server, set)...)
		log, err := os.Create(filepath.Join(c.folder, name+".log"))
		if err != nil {
			return err
		}
		p.command.Stdout, p.command.Stderr = log, log
		started := make(chan error)
		go func() {
			runtime.LockOSThread() // for startProcess, and so that no other program inherits the counter
			defer log.Close()      //nolint:errcheck // the program has written it
			p.counter = newCounter()
			err := startProcess(p.command)
			started <- err
			if err == nil {
				p.command.Wait() //nolint:errcheck // that it ended is what counts
				close(p.ended)
			}
		}()
		if err := <-started; err != nil {
			return err
		}
		c.programs = append(c.programs, p)
	}
	return nil
}

// stop kills all programs: their data goes with the folder. keep is where their logs are kept, "" for nowhere.
func (c *cluster) stop(keep string) {
	for _, p := range c.programs {
		p.command.Process.Signal(syscall.SIGKILL) //nolint:errcheck // it has ended
		<-p.ended
		if keep != "" {
			c.keepLog(p.name, keep)
		}
	}
}

func (c *cluster) keepLog(name, folder string) {
	in, err := os.Open(filepath.Join(c.folder, name+".log"))
	if err != nil {
		return
	}
	defer in.Close()           //nolint:errcheck // read only
	os.MkdirAll(folder, 0o755) //nolint:errcheck // Create reports it
	out, err := os.Create(filepath.Join(folder, name+".log"))
	if err != nil {
		fmt.Fprintf(os.Stderr, "control-plane: %v\n", err)
		return
	}
	defer out.Close() //nolint:errcheck // a log
	io.Copy(out, in)  //nolint:errcheck // a log
}

// check says which program has ended, with the end of its log.
func (c *cluster) check() error {
	for _, p := range c.programs {
		select {
		case <-p.ended:
			text, _ := os.ReadFile(filepath.Join(c.folder, p.name+".log")) //nolint:errcheck // it is only quoted
			return fmt.Errorf("%s has ended:\n%s", p.name, text[max(0, len(text)-2000):])
		default:
		}
	}
	return nil
}

// await repeats a question until the answer is yes. A short pause makes times exact; a long one costs programs less.
func (c *cluster) await(ctx context.Context, what string, pause time.Duration, question func() bool) error {
	for !question() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("while waiting for %s: %w", what, context.Cause(ctx))
		case <-time.After(pause):
		}
		if err := c.check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) address(name string) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.ports[name]))
}

func (c *cluster) url(scheme, name, path string) string {
	return scheme + "://" + c.address(name) + path
}

// environment is that of a static pod: components/kubernetes/node/config.go, for a cluster of one machine.
func environment(name, server string, set settings) []string {
	limits := map[string]struct{ share, least int }{
		etcd: {6, 48}, apiServer: {20, 180}, controllerManager: {8, 64}, scheduler: {6, 48},
	}
	var variables []string
	if set.Memory < 3500 {
		limit := max(set.Memory*limits[name].share/100, limits[name].least)
		variables = append(variables, "GOGC=50", fmt.Sprintf("GOMEMLIMIT=%dMiB", limit))
	}
	switch name {
	case apiServer:
		variables = append(variables, "HYPERKUBE_FIRST_OBJECTS=1")
	case controllerManager, scheduler:
		variables = append(variables, "HYPERKUBE_API_READY="+server+"/readyz")
	}
	for _, more := range []string{"", name} {
		for variable, value := range set.Environment[more] {
			variables = append(variables, variable+"="+value)
		}
	}
	return variables
}

// flags are kubeadm's of a static pod (cmd/kubeadm/app/phases/controlplane/manifests.go, .../etcd/local.go) and those
// of components/kubernetes/node/config.go for a cluster of one machine, with other ports and folders.
func (c *cluster) flags(name string) []string {
	file := c.pki.file
	switch name {
	case etcd:
		client, peer := c.url("https", etcd, ""), c.url("https", "peer", "")
		return []string{
			"--name=bench", "--data-dir=" + filepath.Join(c.folder, "etcd"),
			"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=bench=" + peer,
			"--cert-file=" + file("etcd-server.crt"), "--key-file=" + file("etcd-server.key"),
			"--trusted-ca-file=" + file("etcd-ca.crt"), "--client-cert-auth=true",
			"--peer-cert-file=" + file("etcd-peer.crt"), "--peer-key-file=" + file("etcd-peer.key"),
			"--peer-trusted-ca-file=" + file("etcd-ca.crt"), "--peer-client-cert-auth=true",
			"--listen-metrics-urls=" + c.url("http", "metrics", ""),
			"--feature-gates=InitialCorruptCheck=true", "--watch-progress-notify-interval=5s",
			// the image's
			"--snapshot-count=2000", "--heartbeat-interval=200", "--election-timeout=1000",
			"--log-level=warn", "--warning-apply-duration=2s", "--warning-unary-request-duration=2s",
		}
	case apiServer:
		return []string{
			"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(c.ports[apiServer]),
			"--advertise-address=" + advertised, "--allow-privileged=true", "--authorization-mode=Node,RBAC",
			"--client-ca-file=" + file("ca.crt"), "--enable-admission-plugins=NodeRestriction",
			"--enable-bootstrap-token-auth=true",
			"--etcd-servers=" + c.url("https", etcd, ""), "--etcd-cafile=" + file("etcd-ca.crt"),
			"--etcd-certfile=" + file("apiserver-etcd-client.crt"), "--etcd-keyfile=" + file("apiserver-etcd-client.key"),
			"--kubelet-client-certificate=" + file("apiserver-kubelet-client.crt"),
			"--kubelet-client-key=" + file("apiserver-kubelet-client.key"),
			"--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
			"--proxy-client-cert-file=" + file("front-proxy-client.crt"),
			"--proxy-client-key-file=" + file("front-proxy-client.key"),
			"--requestheader-allowed-names=front-proxy-client",
			"--requestheader-client-ca-file=" + file("front-proxy-ca.crt"),
			"--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group",
			"--requestheader-username-headers=X-Remote-User",
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file=" + file("sa.pub"), "--service-account-signing-key-file=" + file("sa.key"),
			"--service-cluster-ip-range=" + serviceNetwork,
			"--tls-cert-file=" + file("apiserver.crt"), "--tls-private-key-file=" + file("apiserver.key"),
			// the image's
			"--profiling=false", "--max-requests-inflight=100", "--max-mutating-requests-inflight=50", "--event-ttl=30m",
			"--enable-priority-and-fairness=false",
		}
	case controllerManager:
		return []string{
			"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(c.ports[controllerManager]),
			"--kubeconfig=" + file("controller-manager.conf"),
			"--authentication-kubeconfig=" + file("controller-manager.conf"),
			"--authorization-kubeconfig=" + file("controller-manager.conf"),
			"--client-ca-file=" + file("ca.crt"), "--requestheader-client-ca-file=" + file("front-proxy-ca.crt"),
			"--root-ca-file=" + file("ca.crt"), "--service-account-private-key-file=" + file("sa.key"),
			"--cluster-signing-cert-file=" + file("ca.crt"), "--cluster-signing-key-file=" + file("ca.key"),
			"--use-service-account-credentials=true", "--controllers=*,bootstrapsigner,tokencleaner",
			"--allocate-node-cidrs=true", "--cluster-cidr=" + podNetwork, "--service-cluster-ip-range=" + serviceNetwork,
			"--cluster-name=kubernetes",
			"--flex-volume-plugin-dir=" + filepath.Join(c.folder, "flex"), // not kubeadm's: the default is the machine's
			// the image's
			"--profiling=false", "--kube-api-qps=100", "--kube-api-burst=200", "--leader-elect=false",
		}
	default:
		return []string{
			"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(c.ports[scheduler]),
			"--kubeconfig=" + file("scheduler.conf"), "--authentication-kubeconfig=" + file("scheduler.conf"),
			"--authorization-kubeconfig=" + file("scheduler.conf"),
			// the image's
			"--profiling=false", "--leader-elect=false",
		}
	}
}
