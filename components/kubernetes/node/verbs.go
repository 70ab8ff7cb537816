package node

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"k8s.io/component-base/version"
	"sigs.k8s.io/yaml"

	"hyperkube/node/nodefile"
)

const usage = `Usage: k8simg-node VERB
  start          make this machine the node that node.toml describes
  prepare        what goes before the kubelet of a node that is made
  renew          renew the certificates of this node that are due
  shutdown       stop the pods, then the control plane, then the pods' network
  verify-images  check the container images of this image, once
  token          print a worker's node.toml with a new token, which is valid for 24 hours
  kubeconfig     print an administrator's kubeconfig for another machine
  status         show what this machine is on one screen
  report         write an archive for a bug report, without secrets
  reset          delete what this machine was; the next start makes it anew
  check FILE     say what is wrong with a node.toml
  version        print the version of Kubernetes
`

// Main runs a verb. machine is built only for verbs that need one.
func Main(arguments []string, machine func() (Machine, error)) int {
	if len(arguments) == 2 && arguments[0] == "check" {
		return checkFile(arguments[1])
	}
	if len(arguments) == 1 && arguments[0] == "version" {
		fmt.Println(version.Get().GitVersion)
		return 0
	}
	verbs := map[string]func(*Node, context.Context) error{
		"start": (*Node).Start, "prepare": (*Node).Prepare, "shutdown": (*Node).Shutdown, "token": (*Node).Token,
		"reset": (*Node).Reset, "renew": (*Node).Renew,
		"kubeconfig": (*Node).Kubeconfig, "status": (*Node).Status, "report": (*Node).Report,
		"verify-images": func(n *Node, _ context.Context) error { return n.VerifyImages() },
	}
	if len(arguments) != 1 || verbs[arguments[0]] == nil {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	built, err := machine()
	if err == nil {
		var n *Node
		if n, err = New(built); err == nil {
			err = verbs[arguments[0]](n, context.Background())
		}
	}
	if err == nil {
		return 0
	}
	if !errors.As(err, &stop{}) { // that has been told
		fmt.Fprintf(os.Stderr, "k8simg-node: %v\n", err)
	}
	return 1
}

func checkFile(path string) int {
	_, mistakes, err := nodefile.Load(path, nodefile.Options{})
	if err != nil {
		fmt.Fprintf(os.Stderr, "k8simg-node: %v\n", err)
		return 1
	}
	for _, mistake := range mistakes {
		fmt.Fprintln(os.Stderr, mistake)
	}
	if len(mistakes) > 0 {
		return 2
	}
	return 0
}

func readCertificate(path string) (*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	certificate, err := parseCertificate(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return certificate, nil
}

// caHash is how workers know the cluster by its certificate authority: of the public key, not of the certificate.
func caHash(path string) (string, error) {
	certificate, err := readCertificate(path)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// needControlPlane refuses on a machine that has no cluster of its own.
func (n *Node) needControlPlane() error {
	if situation := n.state.situation(); situation == Initialised || situation == ClusterDone {
		return nil
	}
	return errors.New("this machine is no control plane that has been made; workers join one")
}

// Token prints a worker's node.toml with a token of its own.
func (n *Node) Token(ctx context.Context) error {
	if err := n.needControlPlane(); err != nil {
		return err
	}
	hash, err := caHash(n.path(authorityFile))
	if err != nil {
		return err
	}
	token, err := newToken(n.Random)
	if err != nil {
		return err
	}
	expires := n.Clock.Now().Add(tokenLife)
	if err := n.Cluster.CreateToken(ctx, n.path(adminFile), token, expires); err != nil {
		return fmt.Errorf("the API server at %s:6443 made no token: %w", n.state.Address, err)
	}
	_, err = fmt.Fprintf(n.Out, "# For a worker. The token is valid until %s UTC.\nrole = \"worker\"\nserver = "+
		"\"%s:6443\"\ntoken = \"%s\"\n"+
		"ca-cert-hash = \"%s\"\n", expires.UTC().Format(minuteFormat), n.state.Address, token, hash)
	return err
}

// Kubeconfig prints the administrator's kubeconfig with the address that other machines reach the API server by, and
// names that do not collide with those of other clusters.
func (n *Node) Kubeconfig(context.Context) error {
	if err := n.needControlPlane(); err != nil {
		return err
	}
	text, err := os.ReadFile(n.path(adminFile))
	if err != nil {
		return err
	}
	var config struct {
		Clusters []struct {
			Name    string         `json:"name"`
			Cluster map[string]any `json:"cluster"`
		} `json:"clusters"`
		Users []struct {
			Name string         `json:"name"`
			User map[string]any `json:"user"`
		} `json:"users"`
	}
	if err := yaml.Unmarshal(text, &config); err != nil || len(config.Clusters) != 1 || len(config.Users) != 1 {
		return fmt.Errorf("%s is not as kubeadm has written it", adminFile)
	}
	if n.Network != nil && n.heldBySpare(n.state.Address) {
		warning := "no network has " + n.state.Address + ", the address of this control plane: other machines do not reach it"
		fmt.Fprintln(n.Errors, warning) //nolint:errcheck // it is a warning
	}
	name, user := n.state.Hostname, n.state.Hostname+"-admin"
	config.Clusters[0].Name = name
	config.Clusters[0].Cluster["server"] = "https://" + n.state.Address + ":6443"
	config.Users[0].Name = user
	out, err := yaml.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "clusters": config.Clusters, "users": config.Users,
		"current-context": name,
		"contexts":        []any{map[string]any{"name": name, "context": map[string]any{"cluster": name, "user": user}}},
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(n.Out, "%s%s", n.kubeconfigEnds(), out)
	return err
}

// kubeconfigEnds says in a kubeconfig until when it can be used. The machine renews its own file, not the copies.
func (n *Node) kubeconfigEnds() string {
	certificate, err := n.certificateOf(adminFile)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("# Valid until %s UTC. After that, `/usr/libexec/k8simg-node kubeconfig` on %s prints another.\n",
		certificate.NotAfter.UTC().Format(minuteFormat), n.state.Hostname)
}

func (n *Node) heldBySpare(wanted string) bool {
	addresses, err := n.Network.Addresses()
	if err != nil {
		return false
	}
	held := false
	for _, address := range addresses {
		if address.IP.String() == wanted {
			held = address.Device == spare
		}
	}
	return held
}

// statusLines are what this machine is.
func (n *Node) statusLines(ctx context.Context) [][2]string {
	var lines [][2]string
	add := func(name, format string, arguments ...any) {
		lines = append(lines, [2]string{name, fmt.Sprintf(format, arguments...)})
	}
	if n.state.Role == "" {
		add("role", "none yet")
	} else {
		add("role", "%s, %s", n.state.Role, n.state.Phase)
	}
	add("name", "%s", n.nodeName())
	if n.state.Address != "" {
		add("API", "https://%s:6443", n.state.Address)
	}
	if addresses, err := n.Network.Addresses(); err == nil {
		var all []string
		for _, address := range addresses {
			if address.Global {
				all = append(all, address.IP.String()+" on "+address.Device)
			}
		}
		add("addresses", "%s", strings.Join(all, ", "))
	}
	for _, unit := range []string{"containerd.service", kubeletUnit, "k8simg-node.service"} {
		if state, err := n.Units.ActiveState(ctx, unit); err == nil {
			add(strings.TrimSuffix(unit, ".service"), "%s", state)
		} else {
			add(strings.TrimSuffix(unit, ".service"), "unknown: %v", err)
		}
	}
	add("versions", "Kubernetes %s, image %s", version.Get().GitVersion,
		strings.TrimSpace(n.image.Name+" for "+n.image.Board))
	n.certificateLines(add)
	if space, err := n.Files.Free(n.path("/var/lib")); err == nil {
		add("disk", "%d MB free of %d MB", space.Free>>20, space.Total>>20)
	}
	add("memory", "%d MB", n.memory())
	add("clock", "%s UTC", n.Clock.Now().UTC().Format(minuteFormat))
	if last := n.readLine(lastErrorFile); last != "" {
		add("last error", "%s", last)
	} else {
		add("last error", "none since the start")
	}
	return lines
}

// Status shows what this machine is on one screen.
func (n *Node) Status(ctx context.Context) error {
	for _, line := range n.statusLines(ctx) {
		if _, err := fmt.Fprintf(n.Out, "%-13s %s\n", line[0], line[1]); err != nil {
			return err
		}
	}
	return nil
}
