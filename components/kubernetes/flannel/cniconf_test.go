package flannel

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/flannel-io/flannel/pkg/ip"
	"github.com/flannel-io/flannel/pkg/lease"
)

func network4(t *testing.T, text string) ip.IP4Net {
	t.Helper()
	_, network, err := net.ParseCIDR(text)
	if err != nil {
		t.Fatal(err)
	}
	return ip.FromIPNet(network)
}

func network6(t *testing.T, text string) ip.IP6Net {
	t.Helper()
	_, network, err := net.ParseCIDR(text)
	if err != nil {
		t.Fatal(err)
	}
	return ip.FromIP6Net(network)
}

// same compares JSON texts as values.
func same(t *testing.T, got []byte, wanted string) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	if err := json.Unmarshal([]byte(wanted), &b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("got %s\nwanted %s", got, wanted)
	}
}

const portmap = `{"type": "portmap", "capabilities": {"portMappings": true}}`

func TestCNIConfOfEachFamily(t *testing.T) {
	bridge := func(ipam string) string {
		return `{"cniVersion": "1.0.0", "name": "cbr0", "plugins": [{"type": "bridge", "bridge": "cni0",
			"isGateway": true, "forceAddress": true, "ipMasq": false, "hairpinMode": true, "mtu": 1450,
			"ipam": {"type": "host-local", "dataDir": "/run/cni/networks", ` + ipam + `}}, ` + portmap + `]}`
	}
	for _, c := range []struct {
		lease  lease.Lease
		wanted string
	}{
		{lease.Lease{Subnet: network4(t, "10.244.3.0/24")},
			`"ranges": [[{"subnet": "10.244.3.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]`},
		{lease.Lease{IPv6Subnet: network6(t, "fd00:0:0:7::/64")},
			`"ranges": [[{"subnet": "fd00:0:0:7::/64"}]], "routes": [{"dst": "::/0"}]`},
		{lease.Lease{Subnet: network4(t, "10.244.3.0/24"), IPv6Subnet: network6(t, "fd00:0:0:7::/64")},
			`"ranges": [[{"subnet": "10.244.3.0/24"}], [{"subnet": "fd00:0:0:7::/64"}]],
			"routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]`},
	} {
		text, err := newCNIConf(&c.lease, 1450)
		if err != nil {
			t.Fatal(err)
		}
		same(t, text, bridge(c.wanted))
	}
	if _, err := newCNIConf(&lease.Lease{}, 1450); err == nil {
		t.Error("a lease without any subnet is no network")
	}
}

func TestCNIConfIsReplacedWhenTheSubnetChanges(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "10-flannel.conflist")
	first := lease.Lease{Subnet: network4(t, "10.244.3.0/24")}
	if err := writeCNIConf(path, &first, 1450); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v", info.Mode())
	}
	if err := writeCNIConf(path, &first, 1450); err != nil {
		t.Fatal(err)
	}
	if again, _ := os.Stat(path); !os.SameFile(info, again) {
		t.Error("the same content was written again")
	}
	second := lease.Lease{Subnet: network4(t, "10.244.9.0/24")}
	if err := writeCNIConf(path, &second, 1450); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wanted, _ := newCNIConf(&second, 1450)
	if string(got) != string(wanted) {
		t.Errorf("got %s", got)
	}
	entries, _ := os.ReadDir(folder)
	if len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	if err := writeCNIConf(filepath.Join(folder, "missing", "x.conflist"), &first, 1450); err == nil {
		t.Error("a missing folder is an error")
	}
}

func TestCNIConfOfAnEarlierBootIsRemoved(t *testing.T) {
	folder := t.TempDir()
	path, subnet := filepath.Join(folder, "10-flannel.conflist"), filepath.Join(folder, "subnet.env")
	if err := removeStaleCNIConf(path, subnet); err != nil {
		t.Errorf("nothing to remove is no error: %v", err)
	}
	for _, file := range []string{path, subnet} {
		if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeStaleCNIConf(path, subnet); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("only flanneld was started again: %v", err)
	}
	if err := os.Remove(subnet); err != nil {
		t.Fatal(err)
	}
	if err := removeStaleCNIConf(path, subnet); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
}

func TestCNIConfIsOffByDefault(t *testing.T) {
	t.Setenv("NODE_NAME", "node")
	none := func(string) (string, bool) { return "", false }
	o, err := parseOptions(nil, none)
	if err != nil {
		t.Fatal(err)
	}
	if o.cniConf != "" {
		t.Errorf("default %q", o.cniConf)
	}
	const path = "/etc/cni/net.d/10-flannel.conflist"
	if o, err = parseOptions([]string{"--cni-conf=" + path}, none); err != nil || o.cniConf != path {
		t.Errorf("%v %v", o, err)
	}
}
