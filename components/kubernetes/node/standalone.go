package node

import (
	"context"
	"os"
	"path/filepath"
)

// leaveStandalone ends the role standalone. The manifests of the user's pods are moved aside, because kubeadm requires
// an empty folder.
func (n *Node) leaveStandalone(ctx context.Context) error {
	n.Units.Stop(ctx, kubeletUnit) //nolint:errcheck // the unit logs its own errors
	manifests := n.path(manifestFolder)
	entries, err := os.ReadDir(manifests)
	if err == nil && len(entries) > 0 {
		aside := manifests + ".standalone"
		if err := n.Files.MkdirAll(aside, 0o755); err != nil {
			return n.giveUp("%s.standalone cannot be created: %s", manifestFolder, n.room(manifests, err))
		}
		for _, entry := range entries {
			err := n.Files.Rename(filepath.Join(manifests, entry.Name()), filepath.Join(aside, entry.Name()))
			if err != nil {
				return n.giveUp("%s cannot be moved: %v", filepath.Join(manifestFolder, entry.Name()), err)
			}
		}
		n.say("the pods in %s were for the role standalone; they were moved to %s.standalone", manifestFolder,
			manifestFolder)
	}
	for _, name := range []string{standaloneFile, kubeletEnvFile, kubeletConfig} {
		if err := n.Files.Remove(n.path(name)); err != nil {
			return err
		}
	}
	if err := n.forget(); err != nil || n.file == nil {
		return err
	}
	return n.applySettings(ctx)
}

// makeStandalone configures and starts a kubelet without an API server.
func (n *Node) makeStandalone(ctx context.Context) error {
	if err := n.needImages(); err != nil {
		return err
	}
	state := State{Role: standalone, Hostname: n.nodeName()}
	network, err := n.standaloneNetwork()
	if err != nil {
		return err
	}
	if _, err := n.write(standaloneFile, network, 0o644); err != nil {
		return err
	}
	// The kubelet's unit reads this file after its own settings. Without a kubeconfig, the kubelet uses no API server.
	changed, err := n.write(kubeletEnvFile, "KUBELET_KUBECONFIG_ARGS=\n", 0o644)
	if err != nil {
		return err
	}
	config, err := n.standaloneConfiguration()
	if err != nil {
		return err
	}
	other, err := n.write(kubeletConfig, config, 0o644)
	if err != nil {
		return err
	}
	if err := n.save(state, done); err != nil {
		return err
	}
	if changed || other {
		if err := n.Units.Restart(ctx, kubeletUnit); err != nil {
			n.say("the kubelet could not be started: %v", err)
		}
	} else {
		n.startKubelet(ctx)
	}
	n.tell("standalone node %s: pods are the files in %s", state.Hostname, manifestFolder)
	return nil
}
