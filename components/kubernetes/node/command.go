package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"k8s.io/component-base/version"

	"hyperkube/node/nodefile"
)

// verb is a command of the program. Verbs without run need no machine; Main implements them.
type verb struct {
	name, argument, summary string
	help                    string // describes the verb in lines of at most 80 columns
	unit                    bool   // for systemd units, not for administrators
	run                     func(*Node, context.Context) error
}

// verbs lists the verbs in the order of the help.
var verbs = []verb{
	{name: "status", run: (*Node).Status, summary: "show role, addresses, certificates, disk and last error",
		help: `Shows what this machine is on one screen: role and phase, addresses, states of
the units, versions, the certificate that expires first, free disk space, and
the last error since the start.`},
	{name: "token", run: (*Node).Token, summary: "create a token and print a worker's node.toml",
		help: `Creates a bootstrap token, which is valid for 24 hours, and prints the node.toml
of a worker. Write it to the boot partition of the worker, and restart the
worker. The verb needs a control plane (role control-plane or single) whose API
server runs.`},
	{name: "kubeconfig", run: (*Node).Kubeconfig, summary: "print an administrator's kubeconfig for another machine",
		help: `Prints a kubeconfig with the address of this control plane, and the rights of
the cluster's administrator. Keep it secret. For example, on another machine:
  ssh root@ADDRESS /usr/libexec/k8simg-node kubeconfig >home.conf
  kubectl --kubeconfig home.conf get nodes
The first line says until when it is valid.`},
	{name: "renew", run: (*Node).Renew, summary: "renew the certificates of this node that are due",
		help: `Renews the certificates of a control plane if half of their lifetime or less is
left, and restarts the programs that use them. k8simg-renew.timer runs this verb
once a day. The kubelet renews its own certificate.`},
	{name: "report", run: (*Node).Report, summary: "write an archive for a bug report",
		help: `Writes an archive with logs, settings and the state of the machine below
/var/tmp and prints its path. The archive contains host names and addresses, but
no tokens, keys and kubeconfigs. Check it before you send it.`},
	{name: "reset", run: (*Node).Reset, summary: "delete this node and its data",
		help: `Stops the kubelet and deletes what the node consists of: certificates,
configuration, and on a control plane the cluster's data in etcd. There is no
further question. The next start creates a node from node.toml. Delete the Node
object of a worker on the control plane: kubectl delete node NAME`},
	{name: "check", argument: "FILE", summary: "report the mistakes in a node.toml",
		help: `Prints each mistake in FILE as node.toml:LINE: KEY: MESSAGE and exits with 2 if
there is one. It changes nothing.`},
	{name: "version", summary: "print the version of Kubernetes",
		help: `Prints the version of the Kubernetes programs on this machine.`},
	{name: "start", run: (*Node).Start, unit: true, summary: "create or start the node that node.toml describes",
		help: `Reads node.toml from the boot partition, applies host name, time server and SSH
key, and creates the node or starts the one that exists. It continues the work
of a start that was interrupted. k8simg-node.service runs this verb. To see its
log: journalctl -u k8simg-node`},
	{name: "prepare", run: (*Node).Prepare, unit: true, summary: "prepare an existing node for its kubelet",
		help: `Renews certificates that are due, and makes sure that an interface has the
address of the control plane. k8simg-prepare.service runs this verb before the
kubelet starts.`},
	{name: "apply", run: (*Node).Apply, unit: true, summary: "apply the manifests in /etc/k8simg/manifests",
		help: `Waits until the node of a control plane is Ready, applies the manifests
/etc/k8simg/manifests/*.yaml in the order of their names, and deletes the
objects of manifests that were removed. k8simg-manifests.service runs this verb.
It exits with 3 when it has failed so often that no further attempt follows. To
see its log: journalctl -u k8simg-manifests`},
	{name: "shutdown", run: (*Node).Shutdown, unit: true, summary: "stop the pods, then the control plane",
		help: `Stops the user's pods, the other pods of the cluster, the clients of the API
server, the API server, and etcd, in this order. k8simg-shutdown.service runs
this verb at shutdown, after the kubelet was stopped.`},
	{name: "verify-images", unit: true, summary: "verify the container images on the disk, once",
		run: func(n *Node, _ context.Context) error { return n.VerifyImages() },
		help: `Compares the files of the preloaded container images with their checksums, and
records the success, so that later calls do nothing. k8simg-images.service runs
this verb at the first start.`},
}

// usageLine returns the verb with its argument.
func (v verb) usageLine() string { return strings.TrimSpace(v.name + " " + v.argument) }

// usage prints the help.
func usage(out io.Writer) {
	var text strings.Builder
	text.WriteString("Usage: k8simg-node VERB\n\n" +
		"Creates and maintains the node that node.toml on the boot partition describes.\n")
	for _, unit := range []bool{false, true} {
		if unit {
			text.WriteString("\nVerbs for systemd units:\n")
		} else {
			text.WriteString("\nVerbs for administrators:\n")
		}
		for _, v := range verbs {
			if v.unit == unit {
				fmt.Fprintf(&text, "  %-14s %s\n", v.usageLine(), v.summary)
			}
		}
	}
	text.WriteString("\n`k8simg-node VERB --help` describes a verb.\n" +
		"Exit codes: 0 success, 1 failure, 2 wrong arguments or mistakes in node.toml,\n" +
		"3 failure after the last attempt.\n")
	io.WriteString(out, text.String()) //nolint:errcheck // the error could not be reported
}

// Main runs the program with the arguments after its name, and returns the exit code. It calls machine only for verbs
// that need one.
func Main(arguments []string, machine func() (Machine, error)) int {
	return command(arguments, machine, os.Stdout, os.Stderr)
}

// command is Main with other outputs.
func command(arguments []string, machine func() (Machine, error), out, problems io.Writer) int {
	isHelp := func(argument string) bool { return argument == "-h" || argument == "--help" }
	wrong := func(format string, values ...any) int {
		fmt.Fprintf(problems, "k8simg-node: "+format+"\n\n", values...) //nolint:errcheck // the exit code says it too
		usage(problems)
		return 2
	}
	if len(arguments) == 0 {
		return wrong("a verb is missing")
	}
	if isHelp(arguments[0]) || arguments[0] == "help" {
		usage(out)
		return 0
	}
	name, rest := arguments[0], arguments[1:]
	at := slices.IndexFunc(verbs, func(v verb) bool { return v.name == name })
	if at < 0 {
		return wrong("there is no verb %q", name)
	}
	v := verbs[at]
	if slices.ContainsFunc(rest, isHelp) {
		fmt.Fprintf(out, "Usage: k8simg-node %s\n\n%s\n", v.usageLine(), v.help) //nolint:errcheck // as in usage
		return 0
	}
	switch {
	case v.argument != "" && len(rest) != 1:
		return wrong("%s needs one argument, %s", name, v.argument)
	case v.argument == "" && len(rest) > 0:
		return wrong("%s has no arguments, but was given %q", name, rest[0])
	}
	var err error
	switch name {
	case "check":
		return checkFile(rest[0], problems)
	case "version":
		_, err = fmt.Fprintln(out, version.Get().GitVersion)
	default:
		err = v.on(machine)
	}
	return exitCode(err, problems)
}

// on runs the verb on a machine.
func (v verb) on(machine func() (Machine, error)) error {
	built, err := machine()
	if err != nil {
		return err
	}
	n, err := New(built)
	if err != nil {
		return err
	}
	return v.run(n, context.Background())
}

// exitCode reports an error, unless that was done already.
func exitCode(err error, out io.Writer) int {
	if err == nil {
		return 0
	}
	if !errors.As(err, &stop{}) {
		hint := ""
		if errors.Is(err, fs.ErrPermission) {
			hint = ". Run k8simg-node as root"
		}
		fmt.Fprintf(out, "k8simg-node: %v%s\n", err, hint) //nolint:errcheck // the exit code says it too
	}
	if errors.As(err, &gaveUp{}) {
		return 3
	}
	return 1
}

// checkFile reports the mistakes in a node.toml.
func checkFile(path string, out io.Writer) int {
	_, mistakes, err := nodefile.Load(path, nodefile.Options{})
	if err != nil {
		return exitCode(err, out)
	}
	for _, mistake := range mistakes {
		fmt.Fprintln(out, mistake) //nolint:errcheck // the exit code says it too
	}
	if len(mistakes) > 0 {
		return 2
	}
	return 0
}
