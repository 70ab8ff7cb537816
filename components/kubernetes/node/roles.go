package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// mostTries is how often kubeadm init is run in one start.
const mostTries = 3

// clusterData reports whether etcd has stored anything here. Its write-ahead log is there before its first answer (etcd
// renames a finished wal.tmp to wal): without one, no API server has ever stored an object. What cannot be read counts
// as data.
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

// neverWorked reports whether a node that kubeadm has begun certainly never was part of a cluster, and cannot become
// one while it is undone: nothing is stored, and neither a kubelet nor a container runs that could store something.
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

// joined reports whether this worker has the certificate that the cluster gives to a node. The kubelet writes it, and
// then its kubeconfig.
func (n *Node) joined() bool {
	const name = "kubelet-client-current.pem"
	certificate, err := os.ReadFile(n.path("/var/lib/kubelet/pki/" + name))
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
	kubeconfig, err := os.ReadFile(n.path(kubeletFile))
	return err == nil && strings.Contains(string(kubeconfig), name) && n.notEmpty(kubeletConfig) &&
		n.notEmpty(authorityFile)
}

// Start makes the machine what node.toml says.
func (n *Node) Start(ctx context.Context) error {
	if err := os.MkdirAll(n.path("/run/k8simg"), 0o700); err != nil {
		return err
	}
	os.Remove(n.path(lastErrorFile)) //nolint:errcheck // it is only shown
	if n.state.situation() == Resetting {
		if err := n.run(ctx, func() Wish { return WantStart }); err != nil {
			return err
		}
	}
	if err := n.readSettings(); err != nil {
		return err
	}
	if n.wish() != WantOther {
		if err := n.applySettings(ctx); err != nil {
			return err
		}
	}
	if n.state.situation() == WorkerDone && n.wish() == WantWorker && n.file.Token != "" {
		// Whether this worker needs its token is a question of the time.
		if err := n.awaitClock(ctx); err != nil {
			return err
		}
		n.takeTime(ctx)
	}
	return n.run(ctx, n.wish)
}

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

// Prepare goes before the kubelet of a node that is made.
func (n *Node) Prepare(ctx context.Context) error {
	if err := n.Renew(ctx); err != nil && !errors.As(err, &stop{}) {
		n.note("%v", err) // the kubelet starts nevertheless: a certificate that is due is valid for months
	}
	return n.run(ctx, func() Wish { return WantPrepare })
}

// Reset deletes what the machine was. The next start makes the node again, from node.toml.
func (n *Node) Reset(ctx context.Context) error {
	if err := os.MkdirAll(n.path("/run/k8simg"), 0o700); err != nil {
		return err
	}
	if err := n.run(ctx, func() Wish { return WantReset }); err != nil {
		return err
	}
	n.say("this machine is no node any more; the next start makes one of it, as node.toml says")
	return nil
}

// --- what stops a start ---

func (n *Node) refuseByHand(context.Context) error {
	return n.giveUp("kubeadm was run here by hand; node.toml is left alone as long as /etc/kubernetes/kubelet.conf " +
		"is there")
}

func (n *Node) refuseForeignData(context.Context) error {
	return n.giveUp("/var/lib/etcd holds the data of a cluster, and nothing says that it is this machine's own; it "+
		"is left alone. %s", anew)
}

func (n *Node) refuseWorkerData(context.Context) error {
	return n.giveUp("/var/lib/etcd holds the data of a cluster, and a worker has none; it is left alone. %s", anew)
}

func (n *Node) refuseRole(context.Context) error {
	return n.giveUp("this machine is a %s of a cluster, and node.toml:%d says %s. Write role = \"%s\" back, or give "+
		"up what it was: %s",
		n.state.Role, n.file.Line("role"), n.file.Role, n.state.Role, anew)
}

// needImages makes sure that the images were checked; why they could not be, k8simg-images.service has told. That
// service does not start where there is a stamp: one of other images is looked at here.
func (n *Node) needImages() error {
	if !n.exists(checksumFile) || n.imagesChecked() {
		return nil
	}
	if n.exists(stampFile) {
		return n.VerifyImages()
	}
	text := "the container images are not as they were made, and without them there is no node: see above, " +
		"or `journalctl -u k8simg-images`"
	n.say("%s", text)
	n.keepError(text)
	return stop{text}
}

func (n *Node) startKubelet(ctx context.Context) {
	if err := n.Units.Start(ctx, kubeletUnit); err != nil {
		n.say("the kubelet could not be started: %v", err)
	}
}

func (n *Node) nothing(context.Context) error { return nil }

// keepKubelet keeps half-written files from the kubelet, which would begin a cluster while the start undoes it.
func (n *Node) keepKubelet(context.Context) error { return n.Files.Remove(n.path(kubeletConfig)) }

// keepAddress makes sure that the address that the control plane was made for is there, whatever the network says
// today.
func (n *Node) keepAddress(context.Context) error {
	n.ensureRoute()
	if n.state.Address == "" || n.hasAddress(n.state.Address) {
		return nil
	}
	n.say("no interface has %s, the address of this control plane; %s holds it", n.state.Address, spare)
	return n.holdAddress(n.state.Address)
}

// --- undone ---

// undo deletes everything that kubeadm has made, etcd's data included. Except for a reset, the table has made sure that
// there is none.
func (n *Node) undo(ctx context.Context) error {
	// Without it kubeadm does not ask an API server that is not there.
	if err := n.Files.Remove(n.path(adminFile)); err != nil {
		return err
	}
	n.Units.Stop(ctx, kubeletUnit) //nolint:errcheck // kubeadm stops it too, and tells
	if err := n.Kubeadm.Reset(ctx); err != nil {
		n.note("%v", err)
	}
	for _, name := range []string{
		flannelFile, standaloneFile, kubeletEnvFile, kubeletConfig, etcdFolder, kubeletFile, joinFile, kubeadmFile,
		"/root/.kube/config", journalFolder, draftFolder,
	} {
		if err := n.Files.Remove(n.path(name)); err != nil {
			return err
		}
	}
	return n.forget()
}

// undoForOther is for a machine that is to be something else.
func (n *Node) undoForOther(ctx context.Context) error {
	if err := n.undo(ctx); err != nil {
		return err
	}
	return n.applySettings(ctx)
}

func (n *Node) beginReset(context.Context) error {
	// A full disk is no reason to keep what is to be deleted.
	if err := n.save(n.state, resetting); err != nil {
		n.state.Phase = resetting
	}
	return nil
}

func (n *Node) finishReset(ctx context.Context) error {
	n.say("the reset of this machine was interrupted; it is finished")
	return n.undo(ctx)
}

// --- control plane ---

func (n *Node) runCluster(ctx context.Context) error {
	if err := n.keepAddress(ctx); err != nil {
		return err
	}
	n.startKubelet(ctx)
	n.forgetToken()
	n.show(fmt.Sprintf("%s node %s, API at %s:6443", n.state.Role, n.state.Hostname, n.state.Address))
	return nil
}

// makeAgain undoes a cluster that was begun and never worked.
func (n *Node) makeAgain(ctx context.Context) error {
	if n.failure == nil {
		n.say("the last start was interrupted while the cluster was being made; it is made again")
	} else if err := n.again(ctx, ""); err != nil {
		return err
	}
	return n.undo(ctx)
}

// again tells why kubeadm init has failed, and waits for the next try, or gives up after the last.
func (n *Node) again(ctx context.Context, kept string) error {
	why := oneLine(n.failure)
	if n.tries >= mostTries {
		return n.giveUp("the cluster could not be made: %s (`journalctl -u k8simg-node` has all of it; the next "+
			"start tries again)%s", why, kept)
	}
	n.say("kubeadm init failed, and is tried again: %s", why)
	n.Clock.Sleep(ctx, 10*time.Second)
	return ctx.Err()
}

// oneLine is an error for the console.
func oneLine(err error) string {
	words := strings.Join(strings.Fields(err.Error()), " ")
	if len(words) > 400 {
		words = strings.ToValidUTF8(words[:400], "") + "..."
	}
	return words
}

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
	n.tell("making a cluster on %s, %s: this takes some minutes", state.Hostname, state.Address)
	return n.initCluster(ctx, false)
}

// continueCluster runs kubeadm init once more on a machine where it has begun: with the same configuration, each of its
// phases but the preflight makes what is missing and leaves what is there.
func (n *Node) continueCluster(ctx context.Context) error {
	if n.failure != nil {
		if err := n.again(ctx, ". What it holds is kept; "+anew); err != nil {
			return err
		}
	} else {
		n.say("the last start was interrupted while the cluster was being made; it is finished, and what it holds " +
			"stays")
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
	n.tell("finishing the cluster on %s, %s: this takes some minutes", n.state.Hostname, n.state.Address)
	return n.initCluster(ctx, true)
}

// initCluster runs kubeadm's phases. A node is Ready once its pods have a network, which takes longest of all: it is
// applied beside what else kubeadm has to do. That kubeadm has succeeded is written down at once; that it has failed is
// left for the table.
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

// finishCluster does all that kubeadm init leaves to do. Each part may be done already, by a start that was
// interrupted.
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
		n.tell("the node %s is not Ready yet: `kubectl describe node` tells why", n.state.Hostname)
		return ctx.Err()
	}
	n.tell("%s node %s is Ready, API at %s:6443", n.state.Role, n.state.Hostname, n.state.Address)
	return nil
}

// applyNetwork makes the pods' network. The API server may be restarting.
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
			return n.giveUp("the API server does not take the pods' network: %s; the next start tries again",
				oneLine(err))
		}
		if tries == 3 {
			n.tell("waiting for the API server")
		}
		n.Clock.Sleep(ctx, 5*time.Second)
	}
}

func (n *Node) tellWorkers() error {
	hash, err := caHash(n.path(authorityFile))
	if err != nil {
		return n.giveUp("%s cannot be read, so workers cannot be told what they need: %v; the next start tries again",
			authorityFile, err)
	}
	server := n.state.Address + ":6443"
	_, err = n.write(joinFile, fmt.Sprintf("# For a worker's node.toml. `/usr/libexec/k8simg-node token` prints "+
		"this with a new token, "+
		"which is valid for 24 hours.\nrole = \"worker\"\nserver = \"%s\"\nca-cert-hash = \"%s\"\n", server, hash),
		0o644)
	if err != nil {
		return err
	}
	if err := n.Files.MkdirAll(n.path("/root/.kube"), 0o755); err == nil {
		err = n.Files.Symlink(adminFile, n.path("/root/.kube/config"))
		if err != nil {
			return n.giveUp("/root/.kube/config cannot be made: %s", n.room(n.path("/root"), err))
		}
	}
	if err := n.Files.Remove(n.path(superAdminFile)); err != nil {
		return n.giveUp("%s cannot be removed: %v", superAdminFile, err)
	}
	if n.file.Role == single {
		return nil
	}
	n.say("for the workers' node.toml: server = \"%s\", ca-cert-hash = \"%s\"", server, hash)
	// A secret goes to those who stand before the machine, and not into the journal.
	if text, err := os.ReadFile(n.path(kubeadmFile)); err == nil && n.file.Token == "" {
		if token := firstToken(string(text)); token != "" {
			n.console(fmt.Sprintf("and token = \"%s\", for 24 hours; after that, `/usr/libexec/k8simg-node token` "+
				"makes a new one", token))
		}
	}
	return nil
}

// --- worker ---

func (n *Node) runWorker(ctx context.Context) error {
	n.startKubelet(ctx)
	n.forgetToken()
	if n.tellLapsed() {
		return nil
	}
	n.show(fmt.Sprintf("worker %s of %s", n.state.Hostname, n.file.Server))
	return nil
}

func (n *Node) finishWorker(ctx context.Context) error {
	if err := n.save(n.state, done); err != nil {
		return err
	}
	n.startKubelet(ctx)
	n.forgetToken()
	n.tell("worker %s has joined the cluster of %s", n.state.Hostname, n.file.Server)
	return nil
}

func (n *Node) joinAgain(ctx context.Context) error {
	if n.failure == nil {
		n.say("the last start was interrupted while this machine was joining; it joins again")
	}
	return n.undo(ctx)
}

// joinCluster waits for the control plane, and joins. What has failed is left for the table, which undoes it and comes
// here again.
func (n *Node) joinCluster(ctx context.Context) error {
	if n.file.Token == "" {
		return n.giveUp("node.toml: token: was removed after use, and this machine has not joined. " +
			"`/usr/libexec/k8simg-node token` on the control plane makes one; write it into node.toml, and restart")
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

// Refusal is why a cluster does not take a worker.
type Refusal int

// Refusals.
const (
	TokenRefused Refusal = iota // unknown or expired
	OtherCluster                // its certificate authority is another
	NameTaken                   // it has a node of that name
	OtherTime                   // its certificates are not valid at this machine's time
	OtherName                   // its certificate is for other names
)

// JoinError is a Refusal with what was seen.
type JoinError struct {
	Refusal Refusal
	Err     error
}

func (e JoinError) Error() string { return e.Err.Error() }

// Unwrap returns what was seen.
func (e JoinError) Unwrap() error { return e.Err }

// refused tells why the machine has not joined, and sets the pause until the next try. Only a person mends a wrong word
// in a file, but the control plane's side can be mended too: a token can be made there.
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
		text = fmt.Sprintf("node.toml:%d: token: %s does not know it, or it has expired. Make one with "+
			"`/usr/libexec/k8simg-node token` there, "+
			"write it into node.toml, and restart", n.file.Line("token"), server)
	case OtherCluster:
		text = fmt.Sprintf("node.toml:%d: ca-cert-hash: %s is not the cluster that it belongs to. `cat "+
			"/etc/kubernetes/k8simg-join` there shows "+
			"the right one; write it into node.toml, and restart", n.file.Line("ca-cert-hash"), server)
	case NameTaken:
		text = fmt.Sprintf("node.toml: hostname: the cluster has a node named %s already. Give this one another "+
			"name, and restart", n.state.Hostname)
	case OtherName:
		text = fmt.Sprintf("node.toml:%d: server: %s is not what the control plane's certificate is for: %s",
			n.file.Line("server"), server, oneLine(n.failure))
	case OtherTime:
		text = fmt.Sprintf("the clock of this machine says %s UTC, and %s has another time: certificates are not "+
			"valid. Set ntp in node.toml",
			n.Clock.Now().UTC().Format(minuteFormat), server)
		n.pause = 60 * time.Second
	default:
		text = fmt.Sprintf("the cluster of %s could not be joined: %s", server, oneLine(n.failure))
		n.pause = 30 * time.Second
	}
	n.tell("%s", text)
	n.keepError(text)
}

// --- standalone ---

// leaveStandalone keeps the files of the kubelet's pods, which are a person's; kubeadm wants their folder empty.
func (n *Node) leaveStandalone(ctx context.Context) error {
	n.Units.Stop(ctx, kubeletUnit) //nolint:errcheck // what it says is in the journal
	manifests := n.path(manifestFolder)
	entries, err := os.ReadDir(manifests)
	if err == nil && len(entries) > 0 {
		if err := n.Files.MkdirAll(manifests+".standalone", 0o755); err != nil {
			return n.giveUp("%s.standalone cannot be made: %s", manifestFolder, n.room(manifests, err))
		}
		for _, entry := range entries {
			if err := n.Files.Rename(filepath.Join(manifests, entry.Name()), filepath.Join(manifests+".standalone",
				entry.Name())); err != nil {
				return n.giveUp("%s cannot be moved: %v", filepath.Join(manifestFolder, entry.Name()), err)
			}
		}
		n.say("the pods of %s belong to the role standalone; they are in %s.standalone now", manifestFolder,
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
	// The kubelet's unit reads it after its own settings: no kubeconfig, no API server.
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
