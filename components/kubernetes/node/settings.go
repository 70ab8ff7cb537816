package node

import (
	"context"
	"os"
	"strings"

	"hyperkube/node/nodefile"
)

// nodeName returns the machine's host name.
func (n *Node) nodeName() string {
	if name := n.readLine("/etc/hostname"); name != "" {
		return name
	}
	return "node"
}

// readSettings reads node.toml. If the file has mistakes, readSettings prints all of them on the consoles and returns
// an error. The kubelet of an existing node keeps running, because systemd has started it.
func (n *Node) readSettings() error {
	folder := ""
	for _, folder = range []string{"/boot/firmware", "/boot"} {
		n.filePath = n.path(folder + "/node.toml")
		if info, err := os.Stat(n.filePath); err == nil && info.Mode().IsRegular() {
			break
		}
	}
	if info, err := os.Stat(n.filePath); err != nil || !info.Mode().IsRegular() {
		return n.giveUp("the boot partition has no node.toml, so the role of this machine is unknown. Create the file " +
			"with the line role = \"single\", and restart")
	}
	has := n.state.Role == worker && (n.state.Phase == done || n.joined())
	file, mistakes, err := nodefile.Load(n.filePath, nodefile.Options{Joined: has})
	if err != nil {
		return err
	}
	if len(mistakes) > 0 {
		for _, mistake := range mistakes {
			n.say("%s", mistake)
		}
		return n.giveUp("%s. Mistakes in node.toml: %d. Edit node.toml on the boot partition on any computer, or "+
			"%s/node.toml on this machine, and restart", mistakes[0], len(mistakes), folder)
	}
	n.file = file
	return nil
}

// applySettings configures the host name, the time server and the SSH key of node.toml. A node that is part of a
// cluster keeps its name.
func (n *Node) applySettings(ctx context.Context) error {
	if err := n.applyName(); err != nil {
		return err
	}
	const servers = "/etc/systemd/timesyncd.conf.d/50-node.conf"
	changed := false
	if n.file.NTP != "" {
		var err error
		if changed, err = n.write(servers, "# From node.toml.\n[Time]\nNTP="+n.file.NTP+"\n", 0o644); err != nil {
			return err
		}
	} else if n.exists(servers) {
		changed = n.Files.Remove(n.path(servers)) == nil
	}
	if changed {
		n.Units.TryRestart(ctx, "systemd-timesyncd.service") //nolint:errcheck // the unit logs its own errors
	}

	// The image and the administrator use authorized_keys. sshd also reads authorized_keys2.
	const keys, mark = "/root/.ssh/authorized_keys2", "# From node.toml"
	if n.file.SSHKey != "" {
		if !n.exists("/root/.ssh") {
			if err := n.Files.MkdirAll(n.path("/root/.ssh"), 0o700); err != nil {
				return n.giveUp("/root/.ssh cannot be created: %s", n.room(n.path("/root"), err))
			}
		}
		_, err := n.write(keys, mark+", which replaces it at every start.\n"+n.file.SSHKey+"\n", 0o600)
		return err
	} else if text, err := os.ReadFile(n.path(keys)); err == nil && strings.HasPrefix(string(text), mark) {
		n.Files.Remove(n.path(keys)) //nolint:errcheck // the next start tries again
	}
	return nil
}

// applyName sets the host name.
func (n *Node) applyName() error {
	name := n.file.Hostname
	if name == "" && n.file.Role == worker {
		// Several machines can use the same image, and node names must be unique.
		id := n.readLine("/etc/machine-id")
		id = id[:min(6, len(id))]
		if name = n.nodeName(); !strings.HasSuffix(name, "-"+id) {
			name += "-" + id
		}
	}
	if (n.state.Phase == done || n.state.Phase == initialised) && n.state.Role != standalone {
		if n.file.Hostname != "" && name != n.state.Hostname {
			n.say("node.toml:%d: hostname: this node is %s in its cluster and keeps that name. Change the line back",
				n.file.Line("hostname"), n.state.Hostname)
		}
		name = n.state.Hostname
	}
	if name == "" {
		return nil
	}
	if _, err := n.write("/etc/hostname", name+"\n", 0o644); err != nil {
		return err
	}
	os.WriteFile(n.path("/proc/sys/kernel/hostname"), []byte(name), 0o644) //nolint:errcheck // set again at the next start
	return nil
}

// forgetToken removes a used token from kubeadm's configuration and from node.toml, which everybody with the disk can
// read. Errors are reported but do not fail the start.
func (n *Node) forgetToken() {
	if text, err := os.ReadFile(n.path(kubeadmFile)); err == nil {
		n.write(kubeadmFile, withoutTokens(string(text)), 0o600) //nolint:errcheck // write reports the error
	}
	if n.file.Token == "" {
		return
	}
	text, err := os.ReadFile(n.filePath)
	if err == nil {
		err = n.replaceOnBoot(n.file.RemoveToken(text))
	}
	if err != nil {
		n.say("node.toml:%d: token: the used token could not be removed from the boot partition: %s. Remove the line",
			n.file.Line("token"), n.room(n.filePath, err))
		return
	}
	n.say("the used token was removed from node.toml")
}

// replaceOnBoot replaces node.toml. The boot partition may be full or read-only.
func (n *Node) replaceOnBoot(text []byte) error {
	if text == nil {
		return os.ErrNotExist
	}
	err := n.replace(n.filePath, text, 0o600)
	if err != nil {
		if info, missing := os.Stat(n.filePath + ".new"); missing == nil && info.Mode().IsRegular() {
			n.Files.Remove(n.filePath + ".new") //nolint:errcheck // the first error is returned
		}
	}
	return err
}
