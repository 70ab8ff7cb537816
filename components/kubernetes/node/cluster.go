package node

import (
	"context"
	"fmt"
	"os"
	"time"
)

// mostTries is the number of attempts to run kubeadm init in one start.
const mostTries = 3

// runCluster starts an existing control plane.
func (n *Node) runCluster(ctx context.Context) error {
	if err := n.keepAddress(ctx); err != nil {
		return err
	}
	n.startKubelet(ctx)
	n.forgetToken()
	n.show(fmt.Sprintf("%s node %s, API at %s:6443", n.state.Role, n.state.Hostname, n.state.Address))
	n.startManifests(ctx)
	return nil
}

// makeAgain undoes the creation of a cluster that never worked.
func (n *Node) makeAgain(ctx context.Context) error {
	if n.failure == nil {
		n.say("the last start was interrupted while it created the cluster; the cluster is created again")
	} else if err := n.again(ctx, ""); err != nil {
		return err
	}
	return n.undo(ctx)
}

// again reports why kubeadm init has failed and waits before the next attempt. After the last attempt it gives up, with
// hint at the end of the message.
func (n *Node) again(ctx context.Context, hint string) error {
	why := oneLine(n.failure)
	if n.tries >= mostTries {
		return n.giveUp("the cluster could not be created: %s. `journalctl -u k8simg-node` shows the whole log. The next "+
			"start tries again%s", why, hint)
	}
	n.say("kubeadm init failed, and is run again: %s", why)
	n.Clock.Sleep(ctx, 10*time.Second)
	return ctx.Err()
}

// makeCluster creates a cluster on a machine without a state.
func (n *Node) makeCluster(ctx context.Context) error {
	if err := n.needImages(); err != nil {
		return err
	}
	if err := n.needSpace("/var/lib", 200, "a new cluster"); err != nil {
		return err
	}
	if err := n.findAddress(ctx); err != nil {
		return err
	}
	if err := n.awaitClock(ctx); err != nil {
		return err
	}
	if err := n.followClock(); err != nil {
		return err
	}
	state := State{Role: n.file.Role, Hostname: n.nodeName(), Address: n.address}
	config, err := n.initConfiguration(state)
	if err != nil {
		return err
	}
	if _, err := n.write(kubeadmFile, config, 0o600); err != nil {
		return err
	}
	if err := n.save(state, initialising); err != nil {
		return err
	}
	n.tell("creating a cluster on %s, %s: this takes some minutes", state.Hostname, state.Address)
	return n.initCluster(ctx, false)
}

// continueCluster runs kubeadm init again. With the same configuration, each phase except the preflight creates what is
// missing and keeps what exists.
func (n *Node) continueCluster(ctx context.Context) error {
	if n.failure != nil {
		if err := n.again(ctx, ". The cluster's data is kept; "+startOver); err != nil {
			return err
		}
	} else {
		n.say("the last start was interrupted while it created the cluster; it is completed now, and its data is kept")
		if err := n.keepAddress(ctx); err != nil {
			return err
		}
		if err := n.needImages(); err != nil {
			return err
		}
		n.address = n.state.Address
		if err := n.awaitClock(ctx); err != nil {
			return err
		}
		if err := n.followClock(); err != nil {
			return err
		}
	}
	n.tell("completing the cluster on %s, %s: this takes some minutes", n.state.Hostname, n.state.Address)
	return n.initCluster(ctx, true)
}

// initCluster runs the phases of kubeadm init. A node becomes Ready only when its pods have a network, which takes
// longest, so the network is applied in parallel to the later phases. A success is recorded in the state file at once.
// A failure is kept in n.failure, and the table decides how to continue.
func (n *Node) initCluster(ctx context.Context, again bool) error {
	n.tries++
	meanwhile, cancel := context.WithCancel(ctx)
	defer cancel()
	var applied chan error
	manifest, err := n.networkManifest()
	if err != nil {
		return err
	}
	n.failure = n.Kubeadm.Init(ctx, InitOptions{
		Config: n.path(kubeadmFile), Again: again,
		KubeletStarted: func() {
			applied = make(chan error, 1)
			ready := "https://" + n.state.Address + ":6443/readyz"
			go func() { applied <- n.Cluster.Apply(meanwhile, n.path(superAdminFile), ready, manifest) }()
		},
	})
	if n.failure != nil {
		cancel()
		if applied != nil {
			<-applied
		}
		n.note("%v", n.failure)
		return ctx.Err()
	}
	n.networkApplied = applied != nil && <-applied == nil
	return n.save(n.state, initialised)
}

// finishCluster does everything that remains after kubeadm init. An interrupted start may have done a part of it.
func (n *Node) finishCluster(ctx context.Context) error {
	if n.tries == 0 {
		if err := n.keepAddress(ctx); err != nil {
			return err
		}
		if err := n.needImages(); err != nil {
			return err
		}
	}
	n.startKubelet(ctx)
	if !n.networkApplied {
		if err := n.applyNetwork(ctx); err != nil {
			return err
		}
	}
	if err := n.rotateKubelet(); err != nil {
		return err
	}
	if err := n.tellWorkers(); err != nil {
		return err
	}
	if err := n.save(n.state, done); err != nil {
		return err
	}
	n.forgetToken()
	n.told = ""
	n.tell("waiting for the node %s to be Ready", n.state.Hostname)
	waiting, cancel := context.WithTimeout(ctx, 30*time.Minute)
	defer cancel()
	if err := n.Cluster.AwaitReady(waiting, n.path(adminFile), n.state.Hostname); err != nil {
		n.tell("the node %s is not Ready yet: `kubectl describe node` shows the reason", n.state.Hostname)
	} else {
		n.tell("%s node %s is Ready, API at %s:6443", n.state.Role, n.state.Hostname, n.state.Address)
	}
	if ctx.Err() == nil {
		n.startManifests(ctx)
	}
	return ctx.Err()
}

// applyNetwork applies the manifest of the pods' network. It tries for some minutes, because the API server may be
// restarting.
func (n *Node) applyNetwork(ctx context.Context) error {
	manifest, err := n.networkManifest()
	if err != nil {
		return n.giveUp("flannel's manifest cannot be read: %v", err)
	}
	for tries := 1; ; tries++ {
		err := n.Cluster.Apply(ctx, n.path(adminFile), "", manifest)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n.note("%v", err)
		if tries >= 60 {
			return n.giveUp("the manifest of the pods' network could not be applied: %s. The next start tries again; "+
				"`journalctl -u kubelet` may show why the API server does not answer", oneLine(err))
		}
		if tries == 3 {
			n.tell("waiting for the API server")
		}
		n.Clock.Sleep(ctx, 5*time.Second)
	}
}

// tellWorkers publishes what workers need to join, and removes the super administrator's kubeconfig.
func (n *Node) tellWorkers() error {
	hash, err := caHash(n.path(authorityFile))
	if err != nil {
		return n.giveUp("%s cannot be read, and workers need its hash: %v. The next start tries again", authorityFile, err)
	}
	server := n.state.Address + ":6443"
	_, err = n.write(joinFile, fmt.Sprintf("# For a worker's node.toml. `/usr/libexec/k8simg-node token` prints it with "+
		"a new token, which is valid for 24 hours.\nrole = \"worker\"\nserver = \"%s\"\nca-cert-hash = \"%s\"\n",
		server, hash), 0o644)
	if err != nil {
		return err
	}
	if err := n.Files.MkdirAll(n.path("/root/.kube"), 0o755); err == nil {
		err = n.Files.Symlink(adminFile, n.path("/root/.kube/config"))
		if err != nil {
			return n.giveUp("/root/.kube/config cannot be created: %s", n.room(n.path("/root"), err))
		}
	}
	if err := n.Files.Remove(n.path(superAdminFile)); err != nil {
		return n.giveUp("%s cannot be removed: %v", superAdminFile, err)
	}
	if n.file.Role == single {
		return nil
	}
	n.say("for the workers' node.toml: server = \"%s\", ca-cert-hash = \"%s\"", server, hash)
	// The token is a secret: it is shown on the consoles and not written to the journal.
	if text, err := os.ReadFile(n.path(kubeadmFile)); err == nil && n.file.Token == "" {
		if token := firstToken(string(text)); token != "" {
			n.console(fmt.Sprintf("and token = \"%s\", for 24 hours. After that, `/usr/libexec/k8simg-node token` "+
				"creates a new one", token))
		}
	}
	return nil
}
