// Command hyperkube contains the programs of a cluster in one binary: Kubernetes' seven programs, etcd and etcdctl,
// CoreDNS, flanneld, and k8simg-node. The name by which it is called selects the program.
//
// The programs share most of their packages (etcd, CoreDNS and flanneld also contain the API server's gRPC and
// Kubernetes' client), so one binary is smaller than three of Kubernetes' programs, and its code is shared in memory,
// also between containers. Each case below does the same as main() of upstream's cmd/NAME; compare them after each
// upgrade.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	_ "time/tzdata" // CronJob time zones, in kube-apiserver and kube-controller-manager

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	etcdctl "go.etcd.io/etcd/etcdctl/v3/ctlv3"
	"hyperkube/coredns"
	_ "hyperkube/english" // before kubectl's packages
	"hyperkube/etcd"
	"hyperkube/firstobjects"
	"hyperkube/flannel"
	"hyperkube/node"
	"hyperkube/node/system"
	"hyperkube/startup"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // kubectl's authentication plug-ins
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // build information metric
	"k8s.io/component-base/version"
	"k8s.io/klog/v2"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubeadm "k8s.io/kubernetes/cmd/kubeadm/app"
	kubeadmerrors "k8s.io/kubernetes/cmd/kubeadm/app/util/errors"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// patches is set by the linker: the comma-separated names of the patches of upstream's sources, or "none".
var patches = "unknown"

// program is one of hyperkube's programs. run returns the exit code; kubeadm and kubectl print their errors and exit by
// themselves, as they do upstream.
type program struct {
	name string
	run  func() int
	// goFlags and pFlags say whether the program keeps the global flags that linked packages register. Those of Go's flag
	// package are cAdvisor's, for the kubelet, and CoreDNS' own. pflag has --version, which the servers use. All other
	// programs drop them, or their help would list them.
	goFlags, pFlags bool
}

// The commands are constructed only when they run: constructing a command registers flags, feature gates and signal
// handlers, and those of two commands would conflict in one process.
var programs = []program{
	{name: "coredns", run: runCoreDNS, goFlags: true},
	{name: "etcd", run: func() int { etcd.Main(); return 0 }},
	{name: "etcdctl", run: func() int { etcdctl.MustStart(); return 0 }},
	{name: "flanneld", run: runFlanneld},
	{name: "k8simg-node", run: runNode},
	{name: "kube-apiserver", run: runAPIServer, pFlags: true},
	{name: "kube-controller-manager", run: afterAPI(runControllerManager), pFlags: true},
	{name: "kube-proxy", run: func() int { return cli.Run(proxy.NewProxyCommand()) }, pFlags: true},
	{name: "kube-scheduler", run: afterAPI(runScheduler), pFlags: true},
	{name: "kubeadm", run: runKubeadm},
	{name: "kubectl", run: afterAPI(runKubectl)},
	{name: "kubelet", run: runKubelet, goFlags: true, pFlags: true},
}

// afterAPI wraps a program that needs the API server: it runs once the API server is ready, if the environment has its
// URL.
func afterAPI(run func() int) func() int {
	return func() int {
		if err := startup.AwaitAPI(os.Getenv(startup.APIReady), os.Stderr); err != nil {
			fmt.Fprintf(os.Stderr, "hyperkube: %v\n", err)
			return 2
		}
		return run()
	}
}

func runAPIServer() int {
	command := apiserver.NewAPIServerCommand()
	if os.Getenv(firstobjects.Variable) == "1" {
		run := command.RunE
		command.RunE = func(command *cobra.Command, arguments []string) error {
			go writeFirstObjects(command.Flags())
			return run(command, arguments)
		}
	}
	return cli.Run(command)
}

// writeFirstObjects writes the initial objects of a cluster. It runs in parallel to the start of the API server, which
// takes longer. The API server creates the objects that are missing.
func writeFirstObjects(flags *pflag.FlagSet) {
	value := func(flag string) string { return flags.Lookup(flag).Value.String() }
	servers, _ := flags.GetStringSlice("etcd-servers") //nolint:errcheck // the API server reports errors of this flag
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	began := time.Now()
	written, err := firstobjects.Write(ctx, firstobjects.Database{
		Servers: servers, Prefix: value("etcd-prefix"),
		CAFile: value("etcd-cafile"), CertFile: value("etcd-certfile"), KeyFile: value("etcd-keyfile"),
	})
	if err != nil {
		klog.ErrorS(err, "First objects were not all written", "written", written)
	} else if written > 0 {
		klog.InfoS("First objects written", "written", written, "after", time.Since(began).Round(time.Millisecond))
	}
}

func runControllerManager() int { return cli.Run(controllermanager.NewControllerManagerCommand()) }

func runScheduler() int { return cli.Run(scheduler.NewSchedulerCommand()) }

func runKubelet() int { return cli.Run(kubelet.NewKubeletCommand(context.Background())) }

func runCoreDNS() int {
	useClientGatesFromEnvironment()
	coredns.Main()
	return 0
}

func runFlanneld() int {
	useClientGatesFromEnvironment()
	flannel.Main()
	return 0
}

func runNode() int {
	useClientGatesFromEnvironment()
	return node.Main(os.Args[1:], system.New)
}

func runKubeadm() int {
	useClientGatesFromEnvironment()
	kubeadmerrors.HandleError(kubeadm.Run())
	return 0
}

func runKubectl() int {
	useClientGatesFromEnvironment()
	// -v must take effect before the command is constructed: kubectl reads .kuberc and looks for plug-ins there.
	logs.GlogSetter(kubectl.GetLogVerbosity(os.Args)) //nolint:errcheck // the flag itself reports a wrong level
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err)
	}
	return 0
}

// find returns the program with a name, or nil.
func find(name string) *program {
	for i := range programs {
		if programs[i].name == name {
			return &programs[i]
		}
	}
	return nil
}

func usage(out io.Writer) {
	fmt.Fprintf(out, "Usage: hyperkube PROGRAM [ARGUMENT...]\n"+
		"       PROGRAM [ARGUMENT...]   through a link of that name\n"+
		"       hyperkube --version     prints the version and the patches\n\n"+
		"Kubernetes %s in one binary. Programs:\n", version.Get().GitVersion)
	for _, p := range programs {
		fmt.Fprintf(out, "  %s\n", p.name)
	}
}

func main() {
	name := filepath.Base(os.Args[0])
	selected := find(name)
	if selected == nil && name == "hyperkube" && len(os.Args) > 1 {
		switch name = os.Args[1]; name {
		case "-h", "--help", "help":
			usage(os.Stdout)
			return
		case "--version", "version":
			fmt.Printf("hyperkube %s\npatches: %s\n", version.Get().GitVersion, strings.ReplaceAll(patches, ",", ", "))
			return
		}
		if selected = find(name); selected != nil {
			// Continue as if called through a link of that name; kubectl and cobra read os.Args.
			os.Args = os.Args[1:]
		}
	}
	if selected == nil {
		if name != "hyperkube" {
			fmt.Fprintf(os.Stderr, "hyperkube: there is no program named %q\n\n", name)
		}
		usage(os.Stderr)
		os.Exit(2)
	}
	if !selected.goFlags {
		flag.CommandLine = flag.NewFlagSet(os.Args[0], flag.ExitOnError)
	}
	if !selected.pFlags {
		pflag.CommandLine = pflag.NewFlagSet(os.Args[0], pflag.ExitOnError)
	}
	os.Exit(selected.run())
}
