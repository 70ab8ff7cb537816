// Package system implements the interfaces of hyperkube/node for a real machine: disk, clock, network, systemd, the
// container runtime, kubeadm's phases, and API servers.
package system

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hyperkube/node"
)

// New returns the machine on which the program runs. Tests set another root folder with K8SIMG_ROOT.
func New() (node.Machine, error) {
	return node.Machine{
		Root:         os.Getenv("K8SIMG_ROOT"),
		Architecture: runtime.GOARCH,
		Files:        files{},
		Clock:        clock{},
		Units:        units{},
		Runtime:      containers{},
		Network:      network{},
		Kubeadm:      kubeadm{},
		Authorities:  authorities{},
		Cluster:      cluster{},
		Random:       rand.Reader,
		Reload:       func() { exec.Command("agetty", "--reload").Run() }, //nolint:errcheck // only the prompt is affected
		Ask:          ask,
		Anew:         func() error { return unix.Exec("/proc/self/exe", os.Args, os.Environ()) },
		Journal:      os.Stdout,
		Errors:       os.Stderr,
		Out:          os.Stdout,
	}, nil
}

// ask runs a command and returns its output, followed by its error.
func ask(ctx context.Context, command []string) string {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput() //nolint:gosec // a constant
	if err != nil {
		return string(out) + "\n" + err.Error() + "\n"
	}
	return string(out)
}

type files struct{}

func (files) Write(path string, text []byte, mode os.FileMode) error {
	// A new file is created with mode 0600, so that a secret is never in a file that others can read.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Chmod(mode)
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}

func (files) Rename(from, to string) error { return os.Rename(from, to) }

func (files) Remove(path string) error { return os.RemoveAll(path) }

func (files) MkdirAll(path string, mode os.FileMode) error { return os.MkdirAll(path, mode) }

func (files) Symlink(target, path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(target, path)
}

func (files) SyncFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // read only
	return file.Sync()
}

func (files) Sync() { unix.Sync() }

func (files) Free(path string) (node.Space, error) {
	var found unix.Statfs_t
	if err := unix.Statfs(path, &found); err != nil {
		return node.Space{}, err
	}
	block := uint64(found.Bsize) //nolint:gosec,unconvert // never negative; its type depends on the architecture
	return node.Space{Free: found.Bavail * block, Total: found.Blocks * block}, nil
}

func (files) Lock(path string) (func(), error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		file.Close() //nolint:errcheck // nothing was written
		return nil, err
	}
	return func() { file.Close() }, nil //nolint:errcheck // closing the file releases the lock
}

type clock struct{}

// began is the start time of the process, with the wall clock and the monotonic clock.
var began = time.Now()

func (clock) Moved() time.Duration {
	now := time.Now()
	return now.Round(0).Sub(began.Round(0)) - now.Sub(began)
}

func (clock) Now() time.Time { return time.Now() }

func (clock) Set(t time.Time) error {
	moment := unix.NsecToTimeval(t.UnixNano())
	return unix.Settimeofday(&moment)
}

func (clock) Sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// units uses systemd's private socket, which does not depend on D-Bus.
type units struct{}

func withSystemd(ctx context.Context, use func(*dbus.Conn) error) error {
	connection, err := dbus.NewSystemdConnectionContext(ctx)
	if err != nil {
		return fmt.Errorf("systemd does not answer: %w", err)
	}
	defer connection.Close()
	return use(connection)
}

// replace is the job mode that replaces conflicting jobs.
const replace = "replace"

func (units) Start(ctx context.Context, unit string) error {
	return withSystemd(ctx, func(c *dbus.Conn) error {
		_, err := c.StartUnitContext(ctx, unit, replace, nil)
		return err
	})
}

func (units) Restart(ctx context.Context, unit string) error {
	return withSystemd(ctx, func(c *dbus.Conn) error {
		_, err := c.RestartUnitContext(ctx, unit, replace, nil)
		return err
	})
}

func (units) TryRestart(ctx context.Context, unit string) error {
	return withSystemd(ctx, func(c *dbus.Conn) error {
		_, err := c.TryRestartUnitContext(ctx, unit, replace, nil)
		return err
	})
}

// longestStop limits the time that Stop waits.
const longestStop = 2 * time.Minute

func (units) Stop(ctx context.Context, unit string) error {
	ctx, cancel := context.WithTimeout(ctx, longestStop)
	defer cancel()
	return withSystemd(ctx, func(c *dbus.Conn) error {
		result := make(chan string, 1)
		if _, err := c.StopUnitContext(ctx, unit, replace, result); err != nil {
			return err
		}
		select {
		case said := <-result:
			if said != "done" {
				return fmt.Errorf("stopping %s: %s", unit, said)
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

func (units) ActiveState(ctx context.Context, unit string) (state string, err error) {
	err = withSystemd(ctx, func(c *dbus.Conn) error {
		property, err := c.GetUnitPropertyContext(ctx, unit, "ActiveState")
		if err != nil {
			return err
		}
		text, ok := property.Value.Value().(string)
		if !ok {
			return fmt.Errorf("systemd returns the ActiveState %v for %s", property.Value, unit)
		}
		state = text
		return nil
	})
	return state, err
}

type network struct{}

// worst is the metric of AddDefaultRoute. Other default routes have lower metrics, and are preferred.
const worst = 2000000000

func (network) Addresses() ([]node.Address, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	names := map[int]string{}
	for _, link := range links {
		names[link.Attrs().Index] = link.Attrs().Name
	}
	found, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, err
	}
	var addresses []node.Address
	for _, address := range found {
		if ip, ok := netip.AddrFromSlice(address.IP.To4()); ok {
			addresses = append(addresses, node.Address{Device: names[address.LinkIndex], IP: ip,
				Global: address.Scope == unix.RT_SCOPE_UNIVERSE})
		}
	}
	return addresses, nil
}

func (network) DefaultDevice() string {
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_MAIN},
		netlink.RT_FILTER_TABLE)
	if err != nil {
		return ""
	}
	best, index := 0, 0
	for _, route := range routes {
		if route.Dst != nil && !route.Dst.IP.IsUnspecified() {
			continue
		}
		device := route.LinkIndex
		if device == 0 && len(route.MultiPath) > 0 {
			device = route.MultiPath[0].LinkIndex
		}
		if device != 0 && (index == 0 || route.Priority < best) {
			best, index = route.Priority, device
		}
	}
	if index == 0 {
		return ""
	}
	link, err := netlink.LinkByIndex(index)
	if err != nil {
		return ""
	}
	return link.Attrs().Name
}

func (network) HasLink(name string) bool {
	_, err := netlink.LinkByName(name)
	return err == nil
}

func (network) AddLink(name string) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = name
	return netlink.LinkAdd(&netlink.Dummy{LinkAttrs: attributes})
}

func (network) AddAddress(name string, ip netip.Addr) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	address, err := netlink.ParseAddr(ip.String() + "/32")
	if err != nil {
		return err
	}
	if err := netlink.AddrReplace(link, address); err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

func (network) AddDefaultRoute(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	everything := &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
	return netlink.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: everything,
		Scope: netlink.SCOPE_LINK, Priority: worst})
}
