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

// Renew renews the certificates of this machine that are due, and restarts the programs that use the old ones. All new
// certificates are written to a separate folder before the first of them replaces an old one. An interruption before
// the first replacement keeps the old certificates. The next run completes a renewal that was interrupted later.
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

// lookForRenewal returns the state of the renewal of a control plane's certificates.
func (n *Node) lookForRenewal() Finding {
	if n.exists(journalFolder) {
		return Begun
	}
	if !n.renewed && n.due().any() {
		return Due
	}
	return Any
}

// beginRenewal creates the new certificates in a folder. It renames the folder when all of them are on the disk.
func (n *Node) beginRenewal(context.Context) error {
	n.renewed = true // renewed once in each run
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

// renewalFailed reports an error. It does not change the text above the login prompt, because the node can still work
// for months.
func (n *Node) renewalFailed(format string, arguments ...any) error {
	text := fmt.Sprintf(format, arguments...)
	n.say("%s", text)
	n.keepError(text)
	return stop{text}
}

// draft creates a new certificate of the control plane.
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

// draftOfKubelet creates a new certificate for the kubelet, in a file with a name as the kubelet chooses it.
func (n *Node) draftOfKubelet(due renewable) error {
	certificate, key, err := n.sign(clusterCA, held{Certificate: due.kubelet})
	if err != nil {
		return err
	}
	name := kubeletPki + "/kubelet-client-" + n.Clock.Now().UTC().Format(dateOfPairFile) + ".pem"
	return n.draftFile(name, append(slices.Clone(certificate), key...), 0o600)
}

// sign signs a certificate that is like another one.
func (n *Node) sign(authority string, like held) (certificate, key []byte, err error) {
	signer, err := n.authority(authority)
	if err != nil {
		return nil, nil, err
	}
	from, until := n.span(signer)
	return n.Authorities.Sign(Request{n.path(authority), like.Certificate, from, until})
}

// draftFile writes a file into the folder for new certificates.
func (n *Node) draftFile(name string, text []byte, mode os.FileMode) error {
	path := n.path(draftFolder + name)
	if err := n.Files.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return n.Files.Write(path, text, mode)
}

// finishRenewal installs the new certificates. Each file is replaced atomically. A key and its certificate are replaced
// one after the other: programs that read them in between try again.
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
	pairs, _ := filepath.Glob(n.path(journalFolder + kubeletPki + "/*.pem")) //nolint:errcheck // the pattern is valid
	pair := ""
	for _, path := range pairs {
		pair = kubeletPki + "/" + filepath.Base(path)
		names, programs = append(names, pair), append(programs, kubeletUnit)
	}
	// If this run is killed from here on, the next run restarts the programs. A reboot restarts all of them anyway.
	err := n.addTakeUp(programs)
	for _, name := range names {
		if err == nil {
			err = install(name)
		}
	}
	if err == nil && pair != "" {
		// The rename replaces the link atomically.
		err = n.Files.Symlink(filepath.Base(pair), n.path(clientPair+".new"))
		if err == nil {
			err = n.Files.Rename(n.path(clientPair+".new"), n.path(clientPair))
		}
		if err == nil {
			err = n.Files.SyncFile(n.path(kubeletPki))
		}
	}
	// The folder is renamed before it is removed: a partly removed folder would look like a renewal of fewer certificates.
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
		return n.renewalFailed("the new certificates could not be installed: %s. The next run continues",
			n.room(n.path("/etc/kubernetes"), err))
	}
	n.note("%d files with certificates and keys were renewed", len(names))
	return nil
}

// addTakeUp adds programs to the list of those that still use old certificates. The list is in /run, because a reboot
// restarts all programs.
func (n *Node) addTakeUp(programs []string) error {
	all := append(n.takeUpList(), programs...)
	slices.Sort(all)
	all = slices.DeleteFunc(slices.Compact(all), func(name string) bool { return name == "" })
	return os.WriteFile(n.path(takeUpFile), []byte(strings.Join(all, "\n")+"\n"), 0o600)
}

// takeUpList returns the programs that still use old certificates.
func (n *Node) takeUpList() []string {
	text, err := os.ReadFile(n.path(takeUpFile))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text))
}

// takeUp ends a renewal: no certificate of the control plane is due any more, or none can be renewed.
func (n *Node) takeUp(ctx context.Context) error {
	switch err := n.due().err; {
	case errors.Is(err, errClock):
		n.note("%v: no certificate is renewed", err)
	case err != nil:
		//nolint:errcheck // renewalFailed has reported the error, and programs with old certificates are restarted below
		n.renewalFailed("the certificates of this control plane are not renewed: %s", oneLine(err))
	case !n.renewed:
		n.note("no certificate of this control plane is due")
	}
	// An interrupted run may have left keys.
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

// restartHolders restarts the programs that still use old certificates. It stops their containers, and the kubelet
// starts them again. The API server is restarted first, because the others wait for it.
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
		n.note("the kubelet creates a new certificate for its port")
	}
	programs := n.takeUpList()
	if len(programs) == 0 {
		return nil
	}
	pods, err := n.Runtime.Running(ctx)
	if err != nil {
		return n.renewalFailed("the programs of the control plane still use old certificates, and the container runtime "+
			"does not answer: %s. The next run tries again", oneLine(err))
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
					return n.renewalFailed("%s still uses an old certificate and could not be stopped: %s. The next run tries "+
						"again", program, oneLine(err))
				}
				n.note("%s was stopped; the kubelet starts it with its new certificate", program)
			}
		}
	}
	// TryRestart does nothing if the kubelet does not run.
	if slices.Contains(programs, kubeletUnit) {
		if err := n.Units.TryRestart(ctx, kubeletUnit); err != nil {
			return n.renewalFailed("the kubelet still uses an old certificate and could not be restarted: %v. The next run "+
				"tries again", err)
		}
	}
	if err := os.Remove(n.path(takeUpFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// lookAtWorker checks the certificates of a worker. The kubelet requests new certificates from the cluster by itself.
func (n *Node) lookAtWorker(ctx context.Context) error {
	n.tellLapsed()
	return n.restartHolders(ctx)
}

// joinAnew undoes the join of a worker whose certificate has expired. It then joins again with the token in node.toml.
func (n *Node) joinAnew(ctx context.Context) error {
	n.say("the certificate of this worker has expired; it joins again with the token in node.toml")
	return n.undo(ctx)
}
