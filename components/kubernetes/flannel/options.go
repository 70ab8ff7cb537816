package flannel

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"k8s.io/klog/v2"
)

// options are the flags of flanneld: those of upstream's manifest, and --cni-conf.
type options struct {
	version              bool
	kubeAPIURL           string
	kubeconfig           string
	annotationPrefix     string
	netConf              string
	setNetworkAvailable  bool
	interfaces           []string
	interfaceExpressions []string
	interfaceCanReach    string
	publicIP, publicIPv6 string
	subnetFile           string
	cniConf              string
	ipMasq               bool
	masqNotRandom        bool
	forwardRules         bool
	resyncSeconds        int
	healthzIP            string
	healthzPort          int
}

// parseOptions reads flags. For a flag that is not given it reads FLANNELD_NAME, with underscores instead of dashes.
func parseOptions(arguments []string, lookup func(string) (string, bool)) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("flanneld", flag.ExitOnError)
	appendTo := func(list *[]string) func(string) error {
		return func(value string) error {
			*list = append(*list, value)
			return nil
		}
	}
	kubeSubnetManager := true
	flags.BoolVar(&o.version, "version", false, "print the version and exit")
	flags.BoolVar(&kubeSubnetManager, "kube-subnet-mgr", true,
		"take the subnet from the node's podCIDR; this flanneld has no other source")
	flags.StringVar(&o.kubeAPIURL, "kube-api-url", "", "API server's `URL`; not needed in a pod or with a kubeconfig")
	flags.StringVar(&o.kubeconfig, "kubeconfig-file", "", "kubeconfig `file`; not needed in a pod")
	flags.StringVar(&o.annotationPrefix, "kube-annotation-prefix", "flannel.alpha.coreos.com",
		"prefix of the node's annotations")
	flags.StringVar(&o.netConf, "net-config-path", "/etc/kube-flannel/net-conf.json", "network configuration `file`")
	flags.BoolVar(&o.setNetworkAvailable, "set-node-network-unavailable", true,
		"set the node's condition NetworkUnavailable to false when ready")
	flags.Func("iface", "`name` or address of the interface that connects to other nodes; may be repeated, the first "+
		"match is used", appendTo(&o.interfaces))
	flags.Func("iface-regex", "the same as a regular `expression`; may be repeated", appendTo(&o.interfaceExpressions))
	flags.StringVar(&o.interfaceCanReach, "iface-can-reach", "", "use the interface of the route to this `address`")
	flags.StringVar(&o.publicIP, "public-ip", "", "`address` of this node for other nodes")
	flags.StringVar(&o.publicIPv6, "public-ipv6", "", "IPv6 `address` of this node for other nodes")
	flags.StringVar(&o.subnetFile, "subnet-file", "/run/flannel/subnet.env",
		"write the subnet and the MTU to this `file`")
	flags.StringVar(&o.cniConf, "cni-conf", "",
		"write a CNI configuration for bridge, host-local and portmap to this `file`; empty: none")
	flags.BoolVar(&o.ipMasq, "ip-masq", false, "masquerade traffic that leaves the pods' network")
	flags.BoolVar(&o.masqNotRandom, "ip-masq-fully-random-disable", false,
		"do not choose the ports of masqueraded traffic at random")
	flags.BoolVar(&o.forwardRules, "iptables-forward-rules", true, "accept the pods' traffic in the FORWARD chain")
	flags.IntVar(&o.resyncSeconds, "iptables-resync", 5, "interval in `seconds` for checking the packet filter's rules")
	flags.StringVar(&o.healthzIP, "healthz-ip", "0.0.0.0", "`address` of the health server")
	flags.IntVar(&o.healthzPort, "healthz-port", 0, "`port` of the health server; 0: none")

	// klog's flags for log files are omitted: the log goes to standard error, and from there to the journal.
	logging := flag.NewFlagSet("", flag.ContinueOnError)
	klog.InitFlags(logging)
	for _, name := range []string{"v", "vmodule"} {
		f := logging.Lookup(name)
		flags.Var(f.Value, f.Name, f.Usage)
	}

	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err := setFromEnvironment(flags, lookup); err != nil {
		return nil, err
	}
	if o.version {
		return o, nil
	}
	if !kubeSubnetManager {
		return nil, errors.New("--kube-subnet-mgr=false: this flanneld takes its subnet from the Kubernetes API only")
	}
	// The library reads these too, but searches for a pod before it fails.
	if os.Getenv("NODE_NAME") == "" && (os.Getenv("POD_NAME") == "" || os.Getenv("POD_NAMESPACE") == "") {
		return nil, errors.New("the environment must name the node: NODE_NAME, or POD_NAME and POD_NAMESPACE")
	}
	return o, nil
}

// setFromEnvironment sets the flags that were not given on the command line.
func setFromEnvironment(flags *flag.FlagSet, lookup func(string) (string, bool)) error {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var mistakes []error
	flags.VisitAll(func(f *flag.Flag) {
		variable := "FLANNELD_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, found := lookup(variable)
		if given[f.Name] || !found || value == "" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s=%s: %w", variable, value, err))
		}
	})
	return errors.Join(mistakes...)
}
