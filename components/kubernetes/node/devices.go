package node

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// driverless returns descriptions of the devices that the kernel has found and has no driver for: network cards on PCI,
// network interfaces of a standard class on USB, and, if any is true, all other USB devices.
func (n *Node) driverless(any bool) []string {
	var found []string
	for _, device := range n.devices("/sys/bus/pci/devices") {
		// The class of network controllers is 02: PCI Code and ID Assignment Specification.
		if strings.HasPrefix(n.readLine(device+"/class"), "0x02") && !n.exists(device+"/driver") {
			found = append(found, "PCI "+hexadecimal(n.readLine(device+"/vendor"))+":"+
				hexadecimal(n.readLine(device+"/device")))
		}
	}
	for _, device := range n.devices("/sys/bus/usb/devices") {
		// Interfaces have the name DEVICE:CONFIGURATION.INTERFACE.
		usb, _, isInterface := strings.Cut(device, ":")
		if !isInterface || n.exists(device+"/driver") || !any && !n.isNetworkClass(device) {
			continue
		}
		name := "USB " + n.readLine(usb+"/idVendor") + ":" + n.readLine(usb+"/idProduct")
		if product := n.readLine(usb + "/product"); product != "" {
			name += " (" + product + ")"
		}
		if len(found) == 0 || found[len(found)-1] != name {
			found = append(found, name)
		}
	}
	return found
}

// isNetworkClass reports whether a USB interface has a class for networks: the control interfaces ECM, EEM, NCM and
// MBIM of the Communications class, and RNDIS. USB Class Definitions for Communications Devices; linux/usb/cdc.h.
func (n *Node) isNetworkClass(device string) bool {
	class := n.readLine(device+"/bInterfaceClass") + n.readLine(device+"/bInterfaceSubClass") +
		n.readLine(device+"/bInterfaceProtocol")
	for _, prefix := range []string{"0206", "020c", "020d", "020e", "e00103"} {
		if strings.HasPrefix(class, prefix) {
			return true
		}
	}
	return false
}

// devices returns the paths of a bus's devices, below Root.
func (n *Node) devices(folder string) []string {
	entries, err := os.ReadDir(n.path(folder))
	if err != nil {
		return nil
	}
	var paths []string
	for _, entry := range entries {
		paths = append(paths, filepath.Join(folder, entry.Name()))
	}
	return paths
}

// hexadecimal returns a number of sysfs without its prefix.
func hexadecimal(text string) string { return strings.TrimPrefix(text, "0x") }

// udevQueue exists while udev has events to process: systemd/src/libudev/libudev-queue.c.
const udevQueue = "/run/udev/queue"

// reportDevices reports network devices without a driver, and a machine without any network device. It waits at most
// six seconds: for udev, which loads drivers, and for a first network device, which may be on a slow bus.
func (n *Node) reportDevices(ctx context.Context) {
	missing := func() []string { return n.driverless(len(n.cards(false)) == 0) }
	mayCome := func() bool { return len(n.cards(false)) == 0 || n.exists(udevQueue) && len(missing()) > 0 }
	for waited := 0; waited < 6 && mayCome() && ctx.Err() == nil; waited++ {
		n.Clock.Sleep(ctx, time.Second)
	}
	if names := missing(); len(names) > 0 {
		n.say("no driver, or no firmware for it: %s. `journalctl -k` shows what the kernel says of the device",
			strings.Join(names, ", "))
	}
	if len(n.cards(false)) == 0 {
		n.say("this machine has no network device that the kernel can use")
	}
}
