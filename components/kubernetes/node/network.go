package node

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"hyperkube/node/nodefile"
)

// spare is a dummy interface that holds the node's address when no other does.
const spare = "k8simg0"

// privateAddress is what a machine without a network calls itself: the first that is in no network of the cluster.
func (n *Node) privateAddress() string {
	candidates := []string{"172.31.255.1", "192.168.255.1", "10.255.255.1"}
	for _, candidate := range candidates {
		if !nodefile.Overlap(n.file.PodNetwork, candidate) && !nodefile.Overlap(n.file.ServiceNetwork, candidate) {
			return candidate
		}
	}
	return candidates[len(candidates)-1]
}

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

// globalAddress is the first address of an interface that other machines may reach, empty without one.
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

// cards are the interfaces of network cards. With carrier, only those with a cable or a radio link.
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

// ensureRoute gives a network without a gateway a default route, the last of all: kubelet, flanneld and who calls a
// Service's address look for one, whether or not it leads anywhere.
func (n *Node) ensureRoute() {
	if n.Network.DefaultDevice() != "" {
		return
	}
	for _, card := range n.cards(false) {
		if n.globalAddress(card) != "" {
			n.Network.AddDefaultRoute(card) //nolint:errcheck // who needs it says so
			return
		}
	}
}

// ownAddress is the address of the default route's interface.
func (n *Node) ownAddress() string {
	n.ensureRoute()
	return n.globalAddress(n.Network.DefaultDevice())
}

// holdAddress puts an address on the spare interface, with the last of all default routes.
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
		return n.giveUp("the address %s could not be set on the interface %s: %v", address, spare, err)
	}
	return nil
}

// findAddress finds the address that the API is reached by. A single node without a network makes one up, which stays
// its own.
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
		if waited >= patience && (n.file.Role == single || len(n.cards(false)) == 0) {
			if wanted == "" {
				n.address = n.privateAddress()
			}
			n.tell("no network gave this machine an address; it goes on without one, as %s", n.address)
			return n.holdAddress(n.address)
		}
		if waited >= 6*time.Second {
			switch {
			case wanted != "":
				n.tell("waiting for the address %s (node.toml:%d), which is on no interface yet", wanted,
					n.file.Line("address"))
			case len(n.cards(true)) > 0:
				n.tell("waiting for an address: the network has a link, but no DHCP server has answered yet")
			default:
				n.tell("waiting for a network: is the cable in, or the Wi-Fi set up?")
			}
		}
		n.Clock.Sleep(ctx, step)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

const synchronized = "/run/systemd/timesync/synchronized"

// imageTime is when the image was made.
func (n *Node) imageTime() time.Time {
	info, err := os.Stat(n.path("/usr/lib/clock-epoch"))
	if err != nil {
		return time.Unix(0, 0)
	}
	return info.ModTime()
}

// awaitClock makes sure that the clock is not before the image. Certificates are valid from the time that they are made
// at: a clock in 1970 makes a cluster that nobody believes later. systemd has begun at the image's date or at the time
// of the last shutdown, whichever is later.
func (n *Node) awaitClock(ctx context.Context) error {
	oldest, now := n.imageTime(), n.Clock.Now()
	if now.Unix() < oldest.Unix() {
		n.say("the clock says %s, before this image was made; it is set to %s. Has the machine no battery-backed "+
			"clock, and no time server?",
			now.UTC().Format(time.DateOnly), oldest.UTC().Format(time.DateOnly))
		if err := n.Clock.Set(oldest); err != nil {
			return n.giveUp("the clock cannot be set (%v), and certificates made now would never be valid", err)
		}
	}
	// Without a clock of its own, the machine had better ask; without a network, it cannot.
	if n.exists("/dev/rtc0") || n.address == n.privateAddress() {
		return nil
	}
	for waited := 0; !n.exists(synchronized) && waited < 30; waited += 2 {
		n.Clock.Sleep(ctx, 2*time.Second)
	}
	return ctx.Err()
}

// followClock begins the program again when its clock was set. kubeadm dates certificates by the time at which the
// process began: a year from there may be over, or may not have begun.
func (n *Node) followClock() error {
	if moved := n.Clock.Moved(); moved.Abs() < time.Minute {
		return nil
	}
	n.note("the clock was set; certificates are made with the new time")
	return n.Anew()
}

// farAhead is how long after its making an image is not used any more.
const farAhead = 15 * 8766 * time.Hour

const minuteFormat = "2006-01-02 15:04"

// takeTime sets the clock of a machine that has none, and that no time server has answered, to the time of its control
// plane: whatever certificates it is shown would be of the future else. Only forward, and nobody vouches for it, as for
// a time server's; who the server is, ca-cert-hash says later.
func (n *Node) takeTime(ctx context.Context) {
	if n.exists("/dev/rtc0") || n.exists(synchronized) {
		return
	}
	theirs, now := n.Cluster.Time(ctx, n.file.Server), n.Clock.Now()
	if !theirs.After(now) {
		return
	}
	// A clock that is far ahead makes every certificate expire, and would stay so after a restart.
	if theirs.After(n.imageTime().Add(farAhead)) {
		n.say("%s says that it is %s, more than 15 years after this image was made, and is not believed",
			n.file.Server, theirs.UTC().Format(time.DateOnly))
		return
	}
	n.say("no time server has answered: the clock is set from %s to %s UTC, the time of %s",
		now.UTC().Format(minuteFormat), theirs.UTC().Format(minuteFormat), n.file.Server)
	if err := n.Clock.Set(theirs); err != nil {
		n.say("the clock cannot be set: %v", err)
	}
}
