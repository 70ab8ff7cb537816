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
)

// readCertificate reads the first certificate of a file. path includes Root.
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

// caHash returns the hash of a certificate authority's public key, by which workers authenticate the cluster.
func caHash(path string) (string, error) {
	certificate, err := readCertificate(path)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// needControlPlane returns an error if the machine has no control plane, or an incomplete one.
func (n *Node) needControlPlane() error {
	const where = "Run this verb on a machine with role control-plane or single"
	switch situation := n.state.situation(); {
	case situation == Initialised, situation == ClusterDone:
		return nil
	case situation == Initialising:
		return errors.New("the control plane is not complete. `journalctl -u k8simg-node` shows what the start is doing")
	case situation == Resetting:
		return errors.New("the reset of this machine was interrupted. Run `/usr/libexec/k8simg-node reset` again")
	case n.state.Role == "":
		return errors.New("this machine is no control plane, because it is no node yet. " + where)
	}
	return fmt.Errorf("this machine is no control plane, but has the role %s. %s", n.state.Role, where)
}

// Token prints a worker's node.toml with a new token.
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
		return fmt.Errorf("the API server at %s:6443 has not created the token: %w. Run `kubectl get nodes` to see whether "+
			"it answers, and try again", n.state.Address, err)
	}
	_, err = fmt.Fprintf(n.Out, "# For a worker. The token is valid until %s UTC.\nrole = \"worker\"\n"+
		"server = \"%s:6443\"\ntoken = \"%s\"\nca-cert-hash = \"%s\"\n",
		expires.UTC().Format(minuteFormat), n.state.Address, token, hash)
	return err
}

// Kubeconfig prints the administrator's kubeconfig with the address of the control plane. The names of cluster and user
// contain the node's name, so that the file can be merged with those of other clusters.
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
	if err := yaml.Unmarshal(text, &config); err != nil || len(config.Clusters) != 1 || len(config.Users) != 1 ||
		config.Clusters[0].Cluster == nil {
		return fmt.Errorf("%s must have exactly one cluster and one user, as kubeadm writes it. Undo the changes to this "+
			"file", adminFile)
	}
	if n.Network != nil && n.heldBySpare(n.state.Address) {
		warning := "k8simg-node: warning: no network has %s, the address of this control plane: other machines do not " +
			"reach it\n"
		fmt.Fprintf(n.Errors, warning, n.state.Address) //nolint:errcheck // the kubeconfig is printed anyway
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

// kubeconfigEnds returns a comment that says until when a kubeconfig is valid. Renewals do not change copies of the
// file.
func (n *Node) kubeconfigEnds() string {
	certificate, err := n.certificateOf(adminFile)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("# Valid until %s UTC. After that, `/usr/libexec/k8simg-node kubeconfig` on %s prints another.\n",
		certificate.NotAfter.UTC().Format(minuteFormat), n.state.Hostname)
}

// heldBySpare reports whether only the spare interface has an address.
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

// statusLines returns the status as pairs of name and value.
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
	for _, name := range []string{"containerd", "kubelet", "k8simg-node"} {
		if state, err := n.Units.ActiveState(ctx, name+".service"); err == nil {
			add(name, "%s", state)
		} else {
			add(name, "unknown: %v", err)
		}
	}
	add("versions", "Kubernetes %s, image %s", version.Get().GitVersion,
		strings.TrimSpace(n.image.Name+" for "+n.image.Board))
	n.certificateLines(add)
	n.manifestLines(add)
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

// Status prints the status of the node.
func (n *Node) Status(ctx context.Context) error {
	for _, line := range n.statusLines(ctx) {
		if _, err := fmt.Fprintf(n.Out, "%-13s %s\n", line[0], line[1]); err != nil {
			return err
		}
	}
	return nil
}
