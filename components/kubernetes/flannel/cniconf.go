// The CNI configuration of this node's pods: bridge, host-local and portmap with the node's subnet.
//
// Upstream's manifest installs a plug-in of flannel's own, which turns subnet.env into such a configuration each time a
// pod starts. flanneld knows all of it before the first pod does, and writes it once.
package flannel

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/flannel-io/flannel/pkg/lease"
)

type cniConf struct {
	CNIVersion string `json:"cniVersion"`
	Name       string `json:"name"`
	Plugins    []any  `json:"plugins"`
}

type bridgePlugin struct {
	Type         string    `json:"type"`
	Bridge       string    `json:"bridge"`
	IsGateway    bool      `json:"isGateway"`
	ForceAddress bool      `json:"forceAddress"`
	IPMasq       bool      `json:"ipMasq"`
	HairpinMode  bool      `json:"hairpinMode"`
	MTU          int       `json:"mtu"`
	IPAM         hostLocal `json:"ipam"`
}

type hostLocal struct {
	Type    string       `json:"type"`
	DataDir string       `json:"dataDir"`
	Ranges  [][]ipRange  `json:"ranges"`
	Routes  []ipDstRoute `json:"routes"`
}

type ipRange struct {
	Subnet string `json:"subnet"`
}

type ipDstRoute struct {
	Dst string `json:"dst"`
}

type portmapPlugin struct {
	Type         string          `json:"type"`
	Capabilities map[string]bool `json:"capabilities"`
}

// newCNIConf describes the network of one node (CNI specification 1.0.0, and the documentation of each plug-in).
func newCNIConf(l *lease.Lease, mtu int) ([]byte, error) {
	bridge := bridgePlugin{
		Type:         "bridge",
		Bridge:       "cni0",
		IsGateway:    true,
		ForceAddress: true, // a bridge of an earlier subnet is given the new one's address, rather than refused
		HairpinMode:  true,
		MTU:          mtu,
		// Below /run: addresses of pods that a power cut ended would never be given back.
		IPAM: hostLocal{Type: "host-local", DataDir: "/run/cni/networks"},
	}
	// The Kubernetes subnet manager leaves the lease's EnableIPv4 and EnableIPv6 unset: the subnets themselves tell.
	if l.Subnet.PrefixLen > 0 {
		bridge.IPAM.Ranges = append(bridge.IPAM.Ranges, []ipRange{{l.Subnet.Network().String()}})
		bridge.IPAM.Routes = append(bridge.IPAM.Routes, ipDstRoute{"0.0.0.0/0"})
	}
	if l.IPv6Subnet.PrefixLen > 0 {
		bridge.IPAM.Ranges = append(bridge.IPAM.Ranges, []ipRange{{l.IPv6Subnet.Network().String()}})
		bridge.IPAM.Routes = append(bridge.IPAM.Routes, ipDstRoute{"::/0"})
	}
	if len(bridge.IPAM.Ranges) == 0 {
		return nil, errors.New("the lease has a subnet of neither family")
	}
	text, err := json.MarshalIndent(cniConf{
		CNIVersion: "1.0.0",
		Name:       "cbr0",
		Plugins:    []any{bridge, portmapPlugin{Type: "portmap", Capabilities: map[string]bool{"portMappings": true}}},
	}, "", "  ")
	return append(text, '\n'), err
}

// removeStaleCNIConf takes away what is left of an earlier start of the machine: until the routes are there again, no
// pod is to be started. The subnet file lies in memory, as the routes do: where it is, only flanneld has been started
// again, the routes are there, and the node stays ready.
func removeStaleCNIConf(path, subnetFile string) error {
	if _, err := os.Stat(subnetFile); err == nil {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("earlier CNI configuration: %w", err)
	}
	return nil
}

// writeCNIConf replaces path in one step, so that the container runtime, which watches the folder, never reads half of
// it. It does nothing when path already says the same.
func writeCNIConf(path string, l *lease.Lease, mtu int) error {
	text, err := newCNIConf(l, mtu)
	if err != nil {
		return err
	}
	if last, err := os.ReadFile(path); err == nil && bytes.Equal(last, text) {
		return nil
	}
	// No name of a configuration, or the runtime would read it too early.
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.new")
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		os.Remove(file.Name()) //nolint:errcheck // the first error is the one to tell
	}
	return err
}
