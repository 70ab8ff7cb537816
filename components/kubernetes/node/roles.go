package node

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// clusterData reports whether etcd has stored data. etcd creates its write-ahead log before it answers the first
// request (it renames a complete wal.tmp to wal). Without a log, no API server has ever stored an object. Files that
// cannot be read count as data.
func (n *Node) clusterData() bool {
	folder := n.path(etcdFolder)
	if _, err := os.Lstat(folder); errors.Is(err, fs.ErrNotExist) {
		return false
	}
	target, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return true
	}
	found := false
	err = filepath.WalkDir(target, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(target, path)
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if inside == "member/wal.tmp" {
				return filepath.SkipDir
			}
			return nil
		case inside == "member/snap/db":
			info, err := entry.Info()
			if err != nil || info.Size() <= 64<<10 {
				return err
			}
		case entry.Name() == ".touch":
			return nil
		}
		found = true
		return filepath.SkipAll
	})
	return found || err != nil
}

// neverWorked reports whether a partly created node was certainly never part of a cluster, and cannot become part of
// one while it is undone: etcd has stored nothing, and no kubelet or container is running that could store something.
func (n *Node) neverWorked(ctx context.Context) bool {
	if n.exists(kubeletConfig) {
		state, err := n.Units.ActiveState(ctx, kubeletUnit)
		if err != nil || state != "inactive" && state != "failed" {
			return false
		}
		pods, err := n.Runtime.Running(ctx)
		if err != nil || len(pods) > 0 {
			return false
		}
	}
	return !n.clusterData()
}

// Start turns the machine into the node that node.toml describes, or starts the node that it is already.
func (n *Node) Start(ctx context.Context) error {
	if err := os.MkdirAll(n.path("/run/k8simg"), 0o700); err != nil {
		return err
	}
	os.Remove(n.path(lastErrorFile)) //nolint:errcheck // at worst, status shows an old error
	if n.state.situation() == Resetting {
		if err := n.run(ctx, func() Wish { return WantStart }); err != nil {
			return err
		}
	}
	if err := n.readSettings(); err != nil {
		return err
	}
	n.reportDevices(ctx)
	if n.wish() != WantOther {
		if err := n.applySettings(ctx); err != nil {
			return err
		}
	}
	if n.state.situation() == WorkerDone && n.wish() == WantWorker && n.file.Token != "" {
		// The time decides whether the certificate has expired, and thus whether the worker needs the token.
		if err := n.awaitClock(ctx); err != nil {
			return err
		}
		n.takeTime(ctx)
	}
	return n.run(ctx, n.wish)
}

// wish returns what node.toml asks for.
func (n *Node) wish() Wish {
	switch {
	case n.state.Role != "" && n.state.Role != n.file.Role:
		return WantOther
	case isCluster(n.file.Role):
		return WantCluster
	case n.file.Role == worker:
		return WantWorker
	}
	return WantStandalone
}

// Prepare runs before the kubelet of an existing node starts. It renews certificates that are due, and makes sure that
// the address of the control plane exists.
func (n *Node) Prepare(ctx context.Context) error {
	if err := n.Renew(ctx); err != nil && !errors.As(err, &stop{}) {
		n.note("%v", err) // the kubelet starts anyway: certificates that are due are usually valid for months
	}
	return n.run(ctx, func() Wish { return WantPrepare })
}

// Reset deletes the node with its data. The next start creates a node from node.toml.
func (n *Node) Reset(ctx context.Context) error {
	if err := os.MkdirAll(n.path("/run/k8simg"), 0o700); err != nil {
		return err
	}
	if err := n.run(ctx, func() Wish { return WantReset }); err != nil {
		return err
	}
	n.say("this machine is not a node any more; the next start creates a node from node.toml")
	return nil
}

// --- rows that end with an error ---

func (n *Node) refuseByHand(context.Context) error {
	return n.giveUp("kubeadm was run by hand on this machine; node.toml is ignored while /etc/kubernetes/kubelet.conf " +
		"exists. " + startOver)
}

func (n *Node) refuseForeignData(context.Context) error {
	return n.giveUp("/var/lib/etcd contains the data of a cluster that this program has not created; it is kept. %s",
		startOver)
}

func (n *Node) refuseWorkerData(context.Context) error {
	return n.giveUp("/var/lib/etcd contains the data of a cluster, and a worker has none; it is kept. %s", startOver)
}

func (n *Node) refuseRole(context.Context) error {
	return n.giveUp("this machine is a %s of a cluster, and node.toml:%d says %s. Change the line back to role = \"%s\", "+
		"or give up the node: %s", n.state.Role, n.file.Line("role"), n.file.Role, n.state.Role, startOver)
}

// needImages returns an error if the container images were not verified successfully. k8simg-images.service verifies
// them and reports errors. It does not run if an earlier image left its stamp; then needImages verifies the images.
func (n *Node) needImages() error {
	if !n.exists(checksumFile) || n.imagesChecked() {
		return nil
	}
	if n.exists(stampFile) {
		return n.VerifyImages()
	}
	text := "the container images are not as they were made, and the node needs them: see the messages above, or " +
		"`journalctl -u k8simg-images`"
	n.say("%s", text)
	n.keepError(text)
	return stop{text}
}

// startKubelet starts the kubelet's unit. An error is reported and does not end the start.
func (n *Node) startKubelet(ctx context.Context) {
	if err := n.Units.Start(ctx, kubeletUnit); err != nil {
		n.say("the kubelet could not be started: %v", err)
	}
}

func (n *Node) nothing(context.Context) error { return nil }

// keepKubelet prevents the kubelet from starting with incomplete files: it would start a cluster while Start undoes it.
func (n *Node) keepKubelet(context.Context) error { return n.Files.Remove(n.path(kubeletConfig)) }

// keepAddress makes sure that the control plane's address exists, independently of the network.
func (n *Node) keepAddress(context.Context) error {
	n.ensureRoute()
	if n.state.Address == "" || n.hasAddress(n.state.Address) {
		return nil
	}
	n.say("no interface has %s, the address of this control plane; %s holds it", n.state.Address, spare)
	return n.holdAddress(n.state.Address)
}

// --- undo and reset ---

// undo deletes everything that kubeadm has created, including etcd's data. Except for a reset, the table makes sure
// that etcd has no data.
func (n *Node) undo(ctx context.Context) error {
	// With this file, kubeadm would send requests to an API server that does not run.
	if err := n.Files.Remove(n.path(adminFile)); err != nil {
		return err
	}
	n.Units.Stop(ctx, kubeletUnit) //nolint:errcheck // kubeadm stops it too, and reports errors
	if err := n.Kubeadm.Reset(ctx); err != nil {
		n.note("%v", err)
	}
	for _, name := range []string{
		flannelFile, standaloneFile, kubeletEnvFile, kubeletConfig, etcdFolder, kubeletFile, joinFile, kubeadmFile,
		"/root/.kube/config", journalFolder, draftFolder, inventoryFile,
	} {
		if err := n.Files.Remove(n.path(name)); err != nil {
			return err
		}
	}
	return n.forget()
}

// undoForOther undoes the work for a machine whose role was changed.
func (n *Node) undoForOther(ctx context.Context) error {
	if err := n.undo(ctx); err != nil {
		return err
	}
	return n.applySettings(ctx)
}

// beginReset records the reset in the state file.
func (n *Node) beginReset(context.Context) error {
	// On a full disk the reset continues without the record.
	if err := n.save(n.state, resetting); err != nil {
		n.state.Phase = resetting
	}
	return nil
}

// finishReset completes an interrupted reset.
func (n *Node) finishReset(ctx context.Context) error {
	n.say("the reset of this machine was interrupted; it is completed now")
	return n.undo(ctx)
}
