package node

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"hyperkube/node/nodefile"
)

// spare is a dummy interface. It gets the node's address if no other interface has it.
const spare = "k8simg0"

// privateAddress returns the address of a node without a network. It is outside the networks of the cluster.
func (n *Node) privateAddress() string {
	candidates := []string{"172.31.255.1", "192.168.255.1", "10.255.255.1"}
	for _, candidate := range candidates {
		if !nodefile.Overlap(n.file.PodNetwork, candidate) && !nodefile.Overlap(n.file.ServiceNetwork, candidate) {
			return candidate
		}
	}
	return candidates[len(candidates)-1]
}

// hasAddress reports whether an interface has an address.
func (n *Node) hasAddress(wanted string) bool {
	addresses, err := n.Network.Addresses()
	if err != nil {
		return false
	}
	for _, address := range addresses {
		if address.IP.String() == wanted {
			return true
		}
	}
	return false
}

// globalAddress returns the first address with global scope of an interface, or "".
func (n *Node) globalAddress(device string) string {
	addresses, err := n.Network.Addresses()
	if err != nil || device == "" {
		return ""
	}
	for _, address := range addresses {
		if address.Device == device && address.Global {
			return address.IP.String()
		}
	}
	return ""
}

// cards returns the interfaces of network cards, with carrier only those that have a link.
func (n *Node) cards(carrier bool) []string {
	folder := n.path("/sys/class/net")
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil
	}
	var names []string
	for _, entry := range entries {
		name := entry.Name()
		if _, err := os.Stat(filepath.Join(folder, name, "device")); err != nil {
			continue
		}
		if !carrier || n.readLine("/sys/class/net/"+name+"/carrier") == "1" {
			names = append(names, name)
		}
	}
	return names
}

// ensureRoute adds a default route if there is none, as in a network without a gateway. The kubelet, flanneld and
// clients of Services require a default route, even if it leads nowhere.
func (n *Node) ensureRoute() {
	if n.Network.DefaultDevice() != "" {
		return
	}
	for _, card := range n.cards(false) {
		if n.globalAddress(card) != "" {
			n.Network.AddDefaultRoute(card) //nolint:errcheck // programs without a route report it
			return
		}
	}
}

// ownAddress returns the address of the default route's interface.
func (n *Node) ownAddress() string {
	n.ensureRoute()
	return n.globalAddress(n.Network.DefaultDevice())
}

// holdAddress adds an address to the spare interface, with a default route of a very high metric.
func (n *Node) holdAddress(address string) error {
	ip, err := netip.ParseAddr(address)
	if err == nil && !n.Network.HasLink(spare) {
		err = n.Network.AddLink(spare)
	}
	if err == nil {
		err = n.Network.AddAddress(spare, ip)
	}
	if err == nil {
		err = n.Network.AddDefaultRoute(spare)
	}
	if err != nil {
		return n.giveUp("the address %s cannot be added to the interface %s: %v", address, spare, err)
	}
	return nil
}

// findAddress finds the address of the API server. A single node without a network uses a private address, and keeps
// it. The other roles need a network, and wait for it.
func (n *Node) findAddress(ctx context.Context) error {
	wanted := n.file.Address
	const step = 2 * time.Second
	for waited := time.Duration(0); ; waited += step {
		if wanted == "" {
			if n.address = n.ownAddress(); n.address != "" {
				return nil
			}
		} else if n.address = wanted; n.hasAddress(wanted) {
			n.ensureRoute()
			return nil
		}
		patience := 20 * time.Second
		if len(n.cards(true)) > 0 {
			patience = 90 * time.Second
		} else if len(n.cards(false)) == 0 {
			patience = 6 * time.Second
		}
		if waited >= patience && n.file.Role == single {
			if wanted == "" {
				n.address = n.privateAddress()
			}
			n.tell("no network has given this machine an address; it continues without one, as %s", n.address)
			return n.holdAddress(n.address)
		}
		if waited >= 6*time.Second {
			switch {
			case wanted != "":
				n.tell("waiting for the address %s (node.toml:%d), which no interface has yet", wanted,
					n.file.Line("address"))
			case len(n.cards(true)) > 0:
				n.tell("waiting for an address: the network has a link, but no DHCP server has answered yet")
			case len(n.cards(false)) == 0:
				n.tell("waiting for a network: this machine has no network device that the kernel can use, and a %s "+
					"needs one", n.file.Role)
			default:
				n.tell("waiting for a network: check the cable or the Wi-Fi settings")
			}
		}
		n.Clock.Sleep(ctx, step)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// synchronized is a file that systemd-timesyncd creates when a time server has answered.
const synchronized = "/run/systemd/timesync/synchronized"

// imageTime returns the date of the disk image.
func (n *Node) imageTime() time.Time {
	info, err := os.Stat(n.path("/usr/lib/clock-epoch"))
	if err != nil {
		return time.Unix(0, 0)
	}
	return info.ModTime()
}

// awaitClock sets a clock that is earlier than the disk image, and waits for a time server if the machine has no
// battery-backed clock. Certificates are valid from their creation on, so they must not be created with a wrong time.
// systemd has set the clock to the image's date or the time of the last shutdown, whichever is later.
func (n *Node) awaitClock(ctx context.Context) error {
	oldest, now := n.imageTime(), n.Clock.Now()
	if now.Unix() < oldest.Unix() {
		n.say("the clock says %s, before this image was made; it is set to %s. Check the battery of the clock, or set "+
			"ntp in node.toml", now.UTC().Format(time.DateOnly), oldest.UTC().Format(time.DateOnly))
		if err := n.Clock.Set(oldest); err != nil {
			return n.giveUp("the clock cannot be set (%v), and certificates created now would be invalid", err)
		}
	}
	// A machine with a battery-backed clock or without a network does not wait.
	if n.exists("/dev/rtc0") || n.address == n.privateAddress() {
		return nil
	}
	for waited := 0; !n.exists(synchronized) && waited < 30; waited += 2 {
		n.Clock.Sleep(ctx, 2*time.Second)
	}
	return ctx.Err()
}

// followClock restarts the program if the clock was set. kubeadm calculates the validity of certificates from the time
// at which the process started.
func (n *Node) followClock() error {
	if moved := n.Clock.Moved(); moved.Abs() < time.Minute {
		return nil
	}
	n.note("the clock was set; the program restarts, so that certificates get the new time")
	return n.Anew()
}

// farAhead limits how far after the date of the image a control plane's time is accepted.
const farAhead = 15 * 8766 * time.Hour

// minuteFormat is the format of times in messages.
const minuteFormat = "2006-01-02 15:04"

// takeTime sets the clock of a worker to the time of its control plane, if the worker has no battery-backed clock and
// no time server has answered. Otherwise the control plane's certificates would not be valid yet. The clock is only
// moved forward. The time is not authenticated; ca-cert-hash authenticates the control plane afterwards.
func (n *Node) takeTime(ctx context.Context) {
	if n.exists("/dev/rtc0") || n.exists(synchronized) {
		return
	}
	theirs, now := n.Cluster.Time(ctx, n.file.Server), n.Clock.Now()
	if !theirs.After(now) {
		return
	}
	// With a clock that is far ahead, all certificates would be expired, and systemd would keep the time at a restart.
	if theirs.After(n.imageTime().Add(farAhead)) {
		n.say("the time of %s, %s, is more than 15 years after this image was made, and is ignored",
			n.file.Server, theirs.UTC().Format(time.DateOnly))
		return
	}
	n.say("no time server has answered: the clock is set from %s to %s UTC, the time of %s",
		now.UTC().Format(minuteFormat), theirs.UTC().Format(minuteFormat), n.file.Server)
	if err := n.Clock.Set(theirs); err != nil {
		n.say("the clock cannot be set: %v", err)
	}
}
