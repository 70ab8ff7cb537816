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

// cniConf is the CNI configuration of this node's pods: bridge, host-local and portmap with the node's subnet.
//
// Upstream's manifest installs flannel's own plug-in, which creates such a configuration from subnet.env each time a
// pod starts. flanneld has all values before the first pod starts, and writes the configuration once.
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

// newCNIConf returns the configuration of one node's network (CNI specification 1.0.0, and the plug-ins'
// documentation).
func newCNIConf(l *lease.Lease, mtu int) ([]byte, error) {
	bridge := bridgePlugin{
		Type:         "bridge",
		Bridge:       "cni0",
		IsGateway:    true,
		ForceAddress: true, // a bridge with an earlier subnet gets the new address instead of an error
		HairpinMode:  true,
		MTU:          mtu,
		// Below /run, because addresses of pods would never be released after a power cut.
		IPAM: hostLocal{Type: "host-local", DataDir: "/run/cni/networks"},
	}
	// The Kubernetes subnet manager does not set the lease's EnableIPv4 and EnableIPv6, so check the subnets.
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

// removeStaleCNIConf removes the configuration of an earlier boot: no pod may start before the routes exist again. The
// subnet file is in memory, like the routes. If it exists, only flanneld was restarted, the routes exist, and the node
// stays ready.
func removeStaleCNIConf(path, subnetFile string) error {
	if _, err := os.Stat(subnetFile); err == nil {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("earlier CNI configuration: %w", err)
	}
	return nil
}

// writeCNIConf replaces path atomically, since the container runtime watches the folder. It does nothing if path has
// the same content.
func writeCNIConf(path string, l *lease.Lease, mtu int) error {
	text, err := newCNIConf(l, mtu)
	if err != nil {
		return err
	}
	if last, err := os.ReadFile(path); err == nil && bytes.Equal(last, text) {
		return nil
	}
	// The temporary name must not look like a configuration, or the runtime would read it.
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
		os.Remove(file.Name()) //nolint:errcheck // the first error is reported
	}
	return err
}
