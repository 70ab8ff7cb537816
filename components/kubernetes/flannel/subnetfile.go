package flannel

import (
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"strings"

	"github.com/flannel-io/flannel/pkg/ip"
)

// earlier contains the networks of the last run, from its subnet file. The network of an unused address family is
// empty.
type earlier struct {
	network, subnet   ip.IP4Net
	network6, subnet6 ip.IP6Net
}

// readSubnetFile reads a file of flannel's subnet.WriteSubnetFile: FLANNEL_NETWORK, FLANNEL_SUBNET and their IPv6
// variants, one KEY=VALUE per line. A missing file is not an error: it does not exist before the first start.
func readSubnetFile(path string) (earlier, error) {
	none := ip.IP6Net{IP: (*ip.IP6)(big.NewInt(0))} // flannel's IPv6 networks must not hold a nil address
	last := earlier{network6: none, subnet6: none}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return last, nil
	}
	if err != nil {
		return last, err
	}
	for number, line := range strings.Split(string(content), "\n") {
		key, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if !found {
			continue
		}
		var v4 *ip.IP4Net
		var v6 *ip.IP6Net
		switch key {
		case "FLANNEL_NETWORK":
			v4 = &last.network
		case "FLANNEL_SUBNET":
			v4 = &last.subnet
		case "FLANNEL_IPV6_NETWORK":
			v6 = &last.network6
		case "FLANNEL_IPV6_SUBNET":
			v6 = &last.subnet6
		default:
			continue
		}
		_, cidr, err := net.ParseCIDR(value)
		if err != nil || (v4 != nil) != (cidr.IP.To4() != nil) {
			return last, fmt.Errorf("%s:%d: %s is not a network of its family: %q", path, number+1, key, value)
		}
		if v4 != nil {
			*v4 = ip.FromIPNet(cidr)
		} else {
			*v6 = ip.FromIP6Net(cidr)
		}
	}
	return last, nil
}
