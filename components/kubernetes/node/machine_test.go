package node

import (
	"strings"
	"testing"
	"time"
)

func TestNoNetworkAtAll(t *testing.T) {
	b := newBoard(t, 1000)
	b.route, b.addresses = "", nil
	b.remove("/sys/class/net/eth0")
	b.starts()
	b.phase(done)
	b.called("address add 172.31.255.1 dev k8simg0", "route add default dev k8simg0")
	b.says("without one, as 172.31.255.1")
	b.says("this machine has no network device that the kernel can use")
	if b.slept >= 20*time.Second {
		t.Errorf("waited %v for a card that is not there", b.slept)
	}
	b.starts()
	b.notCalled("kubeadm")
}

// Only a single node works without a network.
func TestControlPlaneWaitsForANetwork(t *testing.T) {
	b := newBoard(t, 1000)
	b.nodeFile(`role = "control-plane"`)
	route, addresses := b.route, b.addresses
	b.route, b.addresses = "", nil
	b.remove("/sys/class/net/eth0")
	b.onSleep = func(slept time.Duration) {
		if slept >= 10*time.Minute {
			b.route, b.addresses = route, addresses
		}
	}
	b.patience = time.Hour
	b.starts()
	b.says("waiting for a network: this machine has no network device that the kernel can use, and a control-plane needs")
	b.notCalled("link add")
	b.holds(kubeadmFile, "advertiseAddress: 10.0.2.15")
}

func TestDevicesWithoutDriver(t *testing.T) {
	b := newBoard(t, 1000)
	const pci, usb = "/sys/bus/pci/devices/0000:02:00.0/", "/sys/bus/usb/devices/1-1"
	b.put(pci+"class", "0x020000\n")
	b.put(pci+"vendor", "0x14e4\n")
	b.put(pci+"device", "0x1657\n")
	b.put("/sys/bus/pci/devices/0000:03:00.0/class", "0x030000\n") // a screen
	b.put(usb+"/idVendor", "2001\n")
	b.put(usb+"/idProduct", "4a00\n")
	b.put(usb+"/product", "DUB-1312\n")
	b.put(usb+":1.0/bInterfaceClass", "ff\n")
	b.starts()
	b.says("no driver, or no firmware for it: PCI 14e4:1657. ")
	if strings.Contains(b.journal.String(), "2001:4a00") {
		t.Error("a USB device that may be anything was reported although a network card works")
	}

	b.put(usb+":1.0/bInterfaceClass", "02\n")
	b.put(usb+":1.0/bInterfaceSubClass", "0d\n")
	b.put(pci+"driver/module", "")
	b.starts()
	b.says("no driver, or no firmware for it: USB 2001:4a00 (DUB-1312). ")

	b.put(usb+":1.0/bInterfaceClass", "ff\n")
	b.put(usb+"/product", "Adapter\n")
	b.remove("/sys/class/net/eth0")
	b.starts()
	b.says("no driver, or no firmware for it: USB 2001:4a00 (Adapter). ")
	b.says("this machine has no network device that the kernel can use")
}

func TestDriverThatUdevIsLoading(t *testing.T) {
	b := newBoard(t, 1000)
	const card = "/sys/bus/pci/devices/0000:02:00.0/"
	b.put(card+"class", "0x020000\n")
	b.put(udevQueue, "")
	b.onSleep = func(slept time.Duration) {
		if slept >= 2*time.Second {
			b.put(card+"driver/module", "")
			b.remove(udevQueue)
		}
	}
	b.starts()
	if strings.Contains(b.journal.String(), "no driver") {
		t.Error("a card was reported while udev was loading its driver")
	}
}

func TestNetworkThatComesLate(t *testing.T) {
	b := newBoard(t, 1000)
	route, addresses := b.route, b.addresses
	b.route, b.addresses = "", nil
	b.onSleep = func(slept time.Duration) {
		if slept >= 30*time.Second {
			b.route, b.addresses = route, addresses
		}
	}
	b.starts()
	b.says("no DHCP server has answered yet")
	b.holds(kubeadmFile, "advertiseAddress: 10.0.2.15")
	b.notCalled("link add")
}

func TestNetworkWithoutGateway(t *testing.T) {
	b := newBoard(t, 1000)
	b.route = ""
	b.starts()
	b.called("route add default dev eth0")
	b.notCalled("link add")
	b.holds(kubeadmFile, "advertiseAddress: 10.0.2.15")
	b.route = ""
	b.must(b.power("prepare"))
	b.called("route add default dev eth0")
}

func TestFullDiskOldClockBadImages(t *testing.T) {
	b := newBoard(t, 1000)
	b.free = 50
	b.stops("the disk is full: /var/lib has 50 MB free of 8000 MB")
	b.notCalled("kubeadm")

	b = newBoard(t, 1000)
	b.now = time.Unix(120, 0)
	b.starts()
	b.says("the clock says 1970-01-01, before this image was made; it is set to 2023-11-14")
	if b.now.Unix() != 1700000000 {
		t.Error("the clock was not set")
	}

	b = newBoard(t, 1000)
	b.remove(stampFile)
	if b.power("start") == nil {
		t.Error("it starts without its images")
	}
	b.says("images are not as they were made")
	b.notCalled("kubeadm")

	b = newBoard(t, 1000)
	b.put(stampFile, "of other images")
	b.starts()
	b.says("1 container images are as they were made")

	b = newBoard(t, 1000)
	b.remove(stampFile, checksumFile, imageListFile)
	b.starts()
	b.holds(kubeadmFile, "imagePullPolicy: IfNotPresent")
}

func TestImagesAreCheckedOnce(t *testing.T) {
	b := newBoard(t, 1000)
	b.put("/var/lib/containerd/snapshots/1/fs/pause", "worn")
	b.must(b.power("verify")) // the stamp says that they were verified already
	b.remove(stampFile)
	if b.power("verify") == nil {
		t.Error("damaged images are good")
	}
	b.says("1 files are not as they were made, the first is /var/lib/containerd/snapshots/1/fs/pause")
	if b.has(stampFile) {
		t.Error("bad images have a stamp")
	}
	b.remove("/var/lib/containerd/snapshots/1/fs/pause", "/var/lib/containerd/snapshots/1/fs/other")
	if b.power("verify") == nil {
		t.Error("missing images are good")
	}
	b.says("2 files are not as they were made")

	b = newBoard(t, 1000)
	b.remove(stampFile)
	b.must(b.power("verify"))
	b.says("1 container images are as they were made")
	if b.get(stampFile) != b.get(checksumFile) {
		t.Error("the stamp is another")
	}
	b.remove(stampFile)
	b.put(stampFile+"/x", "")
	if b.power("verify") == nil {
		t.Error("a stamp was written into a folder")
	}
	b.says("cannot be written")
}

// TestNodeOfAnEarlierImage continues the work of the shell scripts of an earlier image.
func TestNodeOfAnEarlierImage(t *testing.T) {
	b := newBoard(t, 1000)
	b.nodeFile(`role = "control-plane"`)
	b.put(stateFile, "role=control-plane\nphase=initialised\nhostname=node\naddress=10.0.2.15\n")
	b.put(kubeadmFile, "# Written by k8simg-node from node.toml.\napiVersion: kubeadm.k8s.io/v1beta4\nkind: "+
		"InitConfiguration\nbootstrapTokens:\n"+
		"- token: \""+ownToken+"\"\n  description: of the first start\n---\nkind: ClusterConfiguration\n")
	b.put(authorityFile, authority)
	b.starts()
	b.phase(done)
	b.says(ownToken)
	b.notCalled("kubeadm")
	b.lacks(kubeadmFile, ownToken)
	b.holds(kubeadmFile, `^- token: "" # removed after use$`, "^  description: of the first start$")
}
