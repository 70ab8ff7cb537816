package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Renew renews what is due of this machine's certificates, and restarts the programs that hold the old ones. New
// certificates are complete on the disk, in a folder of their own, before the first of them takes the place of an old
// one. An interruption before that leaves the old ones, and one after that is finished by the next run.
func (n *Node) Renew(ctx context.Context) error {
	if err := os.MkdirAll(n.path("/run/k8simg"), 0o700); err != nil {
		return err
	}
	unlock, err := n.Files.Lock(n.path("/run/k8simg/renew.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	return n.run(ctx, func() Wish { return WantRenew })
}

// lookForRenewal finds out where the renewal of a control plane's certificates stands.
func (n *Node) lookForRenewal() Finding {
	if n.exists(journalFolder) {
		return Begun
	}
	if !n.renewed && n.due().any() {
		return Due
	}
	return Any
}

// beginRenewal makes new certificates beside the old ones. When they are all on the disk, one rename says so.
func (n *Node) beginRenewal(context.Context) error {
	n.renewed = true // once in a run
	due := n.due()
	if due.err != nil {
		n.note("%v", due.err)
	}
	err := n.Files.Remove(n.path(draftFolder))
	if err == nil {
		err = n.Files.MkdirAll(n.path(draftFolder), 0o700)
	}
	for _, each := range due.holders {
		if err == nil {
			err = n.draft(each)
		}
	}
	if err == nil && due.kubelet != nil {
		err = n.draftOfKubelet(due)
	}
	if err == nil {
		n.Files.Sync()
		err = n.Files.Rename(n.path(draftFolder), n.path(journalFolder))
	}
	if err == nil {
		err = n.Files.SyncFile(n.path(filepath.Dir(journalFolder)))
	}
	if err != nil {
		return n.renewalFailed("the certificates could not be renewed: %s", n.room(n.path("/etc/kubernetes"), err))
	}
	return nil
}

// renewalFailed tells, and leaves what is shown above the login prompt alone: the node may work for half a year.
func (n *Node) renewalFailed(format string, arguments ...any) error {
	text := fmt.Sprintf(format, arguments...)
	n.say("%s", text)
	n.keepError(text)
	return stop{text}
}

// draft makes a new certificate of a control plane.
func (n *Node) draft(h holder) error {
	old, err := n.certificateOf(h.file)
	if err != nil {
		return err
	}
	certificate, key, err := n.sign(h.authority, old)
	if err != nil {
		return fmt.Errorf("%s: %w", h.file, err)
	}
	if !isKubeconfig(h.file) {
		if err := n.draftFile(keyOf(h.file), key, 0o600); err != nil {
			return err
		}
		return n.draftFile(h.file, certificate, 0o644)
	}
	text, err := os.ReadFile(n.path(h.file))
	if err == nil {
		text, err = withPair(text, certificate, key)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", h.file, err)
	}
	return n.draftFile(h.file, text, 0o600)
}

// draftOfKubelet makes a new certificate of the kubelet, in a file with a date in its name as the kubelet makes it.
func (n *Node) draftOfKubelet(due renewable) error {
	certificate, key, err := n.sign(clusterCA, held{Certificate: due.kubelet})
	if err != nil {
		return err
	}
	name := kubeletPki + "/kubelet-client-" + n.Clock.Now().UTC().Format(dateOfPairFile) + ".pem"
	return n.draftFile(name, append(slices.Clone(certificate), key...), 0o600)
}

func (n *Node) sign(authority string, like held) (certificate, key []byte, err error) {
	signer, err := n.authority(authority)
	if err != nil {
		return nil, nil, err
	}
	from, until := n.span(signer)
	return n.Authorities.Sign(Request{n.path(authority), like.Certificate, from, until})
}

func (n *Node) draftFile(name string, text []byte, mode os.FileMode) error {
	path := n.path(draftFolder + name)
	if err := n.Files.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return n.Files.Write(path, text, mode)
}

// finishRenewal puts the new certificates into their places. Each file is replaced in one step. A key and its
// certificate are two steps: programs that read them in between try again.
func (n *Node) finishRenewal(context.Context) error {
	programs := []string{}
	install := func(name string) error {
		text, err := os.ReadFile(n.path(journalFolder + name))
		if err != nil {
			return err
		}
		info, err := os.Stat(n.path(journalFolder + name))
		if err != nil {
			return err
		}
		return n.replace(n.path(name), text, info.Mode().Perm())
	}
	var names []string
	for _, each := range holders {
		if n.exists(journalFolder + each.file) {
			if !isKubeconfig(each.file) {
				names = append(names, keyOf(each.file))
			}
			names = append(names, each.file)
			programs = append(programs, each.program)
		}
	}
	pairs, _ := filepath.Glob(n.path(journalFolder + kubeletPki + "/*.pem")) //nolint:errcheck // the pattern is good
	pair := ""
	for _, path := range pairs {
		pair = kubeletPki + "/" + filepath.Base(path)
		names, programs = append(names, pair), append(programs, kubeletUnit)
	}
	// From here on a run that is killed leaves the restarts to the next. A restart of the machine is one of all.
	err := n.addTakeUp(programs)
	for _, name := range names {
		if err == nil {
			err = install(name)
		}
	}
	if err == nil && pair != "" {
		// A link in one step.
		err = n.Files.Symlink(filepath.Base(pair), n.path(clientPair+".new"))
		if err == nil {
			err = n.Files.Rename(n.path(clientPair+".new"), n.path(clientPair))
		}
		if err == nil {
			err = n.Files.SyncFile(n.path(kubeletPki))
		}
	}
	// A folder that is removed in the middle would look like a renewal of fewer certificates.
	if err == nil {
		err = n.Files.Rename(n.path(journalFolder), n.path(draftFolder))
	}
	if err == nil {
		err = n.Files.SyncFile(n.path(filepath.Dir(journalFolder)))
	}
	if err == nil {
		err = n.Files.Remove(n.path(draftFolder))
	}
	if err != nil {
		return n.renewalFailed("the renewal of the certificates could not be finished: %s; the next run goes on",
			n.room(n.path("/etc/kubernetes"), err))
	}
	n.note("%d files with certificates are renewed", len(names))
	return nil
}

// addTakeUp notes programs that hold certificates of before. /run forgets them when the machine restarts.
func (n *Node) addTakeUp(programs []string) error {
	all := append(n.takeUpList(), programs...)
	slices.Sort(all)
	all = slices.DeleteFunc(slices.Compact(all), func(name string) bool { return name == "" })
	return os.WriteFile(n.path(takeUpFile), []byte(strings.Join(all, "\n")+"\n"), 0o600)
}

func (n *Node) takeUpList() []string {
	text, err := os.ReadFile(n.path(takeUpFile))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text))
}

// takeUp does what is left when no certificate of a control plane is due.
func (n *Node) takeUp(ctx context.Context) error {
	if err := n.due().err; errors.Is(err, errClock) {
		n.note("%v: nothing is renewed", err)
	} else if err != nil {
		n.renewalFailed("the certificates of this control plane are not renewed: %s", oneLine(err)) //nolint:errcheck // told
	}
	// What an interrupted run has left holds keys.
	if n.exists(draftFolder) {
		if err := n.Files.Remove(n.path(draftFolder)); err != nil {
			return err
		}
	}
	if err := n.rotateKubelet(); err != nil {
		return err
	}
	return n.restartHolders(ctx)
}

// restartHolders restarts what holds certificates of before. The kubelet starts a container again that has stopped:
// the pod stays, and so does its manifest. The API server is first, for the others wait for it.
func (n *Node) restartHolders(ctx context.Context) error {
	if n.isServingDue() {
		if err := n.addTakeUp([]string{kubeletUnit}); err != nil {
			return err
		}
		for _, name := range []string{servingPair, keyOf(servingPair)} {
			if err := n.Files.Remove(n.path(name)); err != nil {
				return n.renewalFailed("%s cannot be removed: %v", name, err)
			}
		}
		n.note("the kubelet makes another certificate for its port")
	}
	programs := n.takeUpList()
	if len(programs) == 0 {
		return nil
	}
	pods, err := n.Runtime.Running(ctx)
	if err != nil {
		return n.renewalFailed("the programs of the control plane hold old certificates, and the container runtime does "+
			"not answer: %s", oneLine(err))
	}
	for _, program := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		if !slices.Contains(programs, program) {
			continue
		}
		for _, pod := range pods {
			if pod.Namespace != "kube-system" {
				continue
			}
			for _, container := range pod.Containers {
				if container.Name != program {
					continue
				}
				if err := n.Runtime.StopContainer(ctx, container.ID, min(container.Grace, time.Minute)); err != nil {
					return n.renewalFailed("%s holds an old certificate and could not be stopped: %s", program, oneLine(err))
				}
				n.note("%s is restarted with its new certificate", program)
			}
		}
	}
	// Before the kubelet's first start there is none to restart.
	if slices.Contains(programs, kubeletUnit) {
		if err := n.Units.TryRestart(ctx, kubeletUnit); err != nil {
			return n.renewalFailed("the kubelet holds an old certificate and could not be restarted: %v", err)
		}
	}
	if err := os.Remove(n.path(takeUpFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// lookAtWorker is for a machine without a certificate authority. Its kubelet asks the cluster for new certificates.
func (n *Node) lookAtWorker(ctx context.Context) error {
	n.tellLapsed()
	return n.restartHolders(ctx)
}

// joinAnew is for a worker whose certificate has ended, and that has been given another token.
func (n *Node) joinAnew(ctx context.Context) error {
	n.say("the certificate of this worker has ended; it joins anew with the token of node.toml")
	return n.undo(ctx)
}
