package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// joined reports whether the cluster has issued a certificate for this worker. The kubelet first writes the certificate
// and then its kubeconfig.
func (n *Node) joined() bool {
	certificate, err := os.ReadFile(n.path(clientPair))
	if err != nil {
		return false
	}
	whole, key := false, false
	for line := range strings.Lines(string(certificate)) {
		end, found := strings.CutPrefix(strings.TrimSpace(line), "-----END ")
		whole = whole || found && end == "CERTIFICATE-----"
		key = key || found && strings.HasSuffix(end, "PRIVATE KEY-----")
	}
	if !whole || !key {
		return false
	}
	return n.kubeletFileRotates() && n.notEmpty(kubeletConfig) && n.notEmpty(authorityFile)
}

// runWorker starts a worker that has joined.
func (n *Node) runWorker(ctx context.Context) error {
	n.startKubelet(ctx)
	n.forgetToken()
	if n.tellLapsed() {
		return nil
	}
	n.show(fmt.Sprintf("worker %s of %s", n.state.Hostname, n.file.Server))
	return nil
}

// finishWorker completes a successful join.
func (n *Node) finishWorker(ctx context.Context) error {
	if err := n.save(n.state, done); err != nil {
		return err
	}
	n.startKubelet(ctx)
	n.forgetToken()
	n.tell("worker %s has joined the cluster of %s", n.state.Hostname, n.file.Server)
	return nil
}

// joinAgain undoes a join that was interrupted or has failed.
func (n *Node) joinAgain(ctx context.Context) error {
	if n.failure == nil {
		n.say("the last start was interrupted while this machine joined its cluster; it joins again")
	}
	return n.undo(ctx)
}

// joinCluster waits for the control plane and joins. A failure is kept in n.failure; the table then undoes the join and
// calls joinCluster again.
func (n *Node) joinCluster(ctx context.Context) error {
	if n.file.Token == "" {
		return n.giveUp("node.toml: token: was removed after use, and this machine has not joined. Run " +
			"`/usr/libexec/k8simg-node token` on the control plane, write the new token into node.toml, and restart")
	}
	if !n.prepared {
		if err := n.needImages(); err != nil {
			return err
		}
		if err := n.needSpace("/var/lib", 100, "a new node"); err != nil {
			return err
		}
		if err := n.findAddress(ctx); err != nil {
			return err
		}
		if err := n.awaitClock(ctx); err != nil {
			return err
		}
		n.prepared = true
	}
	if n.pause > 0 {
		n.Clock.Sleep(ctx, n.pause)
	}
	for pause := 5 * time.Second; !n.Cluster.Reachable(ctx, n.file.Server); pause = min(2*pause, time.Minute) {
		n.tell("waiting for the control plane: %s (node.toml:%d) does not answer", n.file.Server, n.file.Line("server"))
		n.Clock.Sleep(ctx, pause)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	n.takeTime(ctx)
	state := State{Role: worker, Hostname: n.nodeName()}
	config, err := n.joinConfiguration(state)
	if err != nil {
		return err
	}
	if _, err := n.write(kubeadmFile, config, 0o600); err != nil {
		return err
	}
	if err := n.save(state, joining); err != nil {
		return err
	}
	n.tell("joining the cluster of %s as %s", n.file.Server, state.Hostname)
	n.failure = n.Cluster.Check(ctx, Membership{n.file.Server, n.file.Token, n.file.CACertHash, state.Hostname})
	if n.failure == nil {
		n.failure = n.Kubeadm.Join(ctx, n.path(kubeadmFile))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if n.failure != nil {
		n.note("%v", n.failure)
		if !n.joined() {
			n.refused()
		}
	}
	return nil
}

// Refusal is the reason why a worker cannot join.
type Refusal int

// Refusals.
const (
	TokenRefused Refusal = iota // the token is unknown or has expired
	OtherCluster                // the cluster has another certificate authority
	NameTaken                   // the cluster has a Ready node with the same name
	OtherTime                   // the control plane's certificate is not valid at this machine's time
	OtherName                   // the control plane's certificate is for other names
)

// JoinError is an error with a Refusal.
type JoinError struct {
	Refusal Refusal
	Err     error
}

func (e JoinError) Error() string { return e.Err.Error() }

// Unwrap returns the error without the Refusal.
func (e JoinError) Unwrap() error { return e.Err }

// refused reports why the machine has not joined, and sets the pause until the next attempt. The attempts continue
// without a restart, because the cause may be repaired on the control plane, for example by creating the token there.
func (n *Node) refused() {
	server := n.file.Server
	n.pause = 300 * time.Second
	text := ""
	var refusal JoinError
	if !errors.As(n.failure, &refusal) {
		refusal.Refusal = -1
	}
	switch refusal.Refusal {
	case TokenRefused:
		text = fmt.Sprintf("node.toml:%d: token: %s does not know the token, or it has expired. Run "+
			"`/usr/libexec/k8simg-node token` there, write the new token into node.toml, and restart",
			n.file.Line("token"), server)
	case OtherCluster:
		text = fmt.Sprintf("node.toml:%d: ca-cert-hash: is not the hash of the cluster of %s. Run "+
			"`cat /etc/kubernetes/k8simg-join` there, write the hash into node.toml, and restart",
			n.file.Line("ca-cert-hash"), server)
	case NameTaken:
		text = fmt.Sprintf("node.toml: hostname: the cluster already has a node with the name %s. Set another hostname "+
			"in node.toml, and restart", n.state.Hostname)
	case OtherName:
		text = fmt.Sprintf("node.toml:%d: server: the certificate of the control plane is not valid for %s: %s. Write "+
			"the address into node.toml that `cat /etc/kubernetes/k8simg-join` on the control plane shows, and restart",
			n.file.Line("server"), server, oneLine(n.failure))
	case OtherTime:
		text = fmt.Sprintf("the clock of this machine says %s UTC, and the certificate of %s is not valid at this time. "+
			"Check the clocks of both machines, or set ntp in node.toml and restart",
			n.Clock.Now().UTC().Format(minuteFormat), server)
		n.pause = 60 * time.Second
	default:
		n.pause = 30 * time.Second
		text = fmt.Sprintf("the cluster of %s could not be joined: %s. The next attempt is in %.0f s; "+
			"`journalctl -u k8simg-node` shows the whole log", server, oneLine(n.failure), n.pause.Seconds())
	}
	n.tell("%s", text)
	n.keepError(text)
}
