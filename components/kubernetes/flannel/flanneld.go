// Package flannel is flanneld: it connects this node's pods with those of other nodes, with flannel's vxlan or host-gw
// backend.
//
// Upstream's main package also links an etcd client, a cloud SDK and a UDP backend that needs cgo on amd64, so it
// cannot be compiled statically. This one uses the same packages for a Kubernetes node: it takes its subnet from the
// node's podCIDR, accepts the flags of upstream's manifest, and writes /run/flannel/subnet.env. With --cni-conf it also
// writes the configuration of the CNI plug-ins. Where upstream logs an error and continues without a network, it exits,
// and systemd or the kubelet restarts it.
package flannel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/flannel-io/flannel/pkg/backend"
	_ "github.com/flannel-io/flannel/pkg/backend/hostgw"
	_ "github.com/flannel-io/flannel/pkg/backend/vxlan"
	"github.com/flannel-io/flannel/pkg/ipmatch"
	"github.com/flannel-io/flannel/pkg/subnet"
	"github.com/flannel-io/flannel/pkg/subnet/kube"
	"github.com/flannel-io/flannel/pkg/trafficmngr"
	"github.com/flannel-io/flannel/pkg/trafficmngr/iptables"
	"github.com/flannel-io/flannel/pkg/trafficmngr/nftables"
	"github.com/flannel-io/flannel/pkg/version"
	"k8s.io/klog/v2"
)

// Main is flanneld's main function.
func Main() {
	options, err := parseOptions(os.Args[1:], os.LookupEnv)
	if err != nil {
		fmt.Fprintf(os.Stderr, "flanneld: %v\n", err)
		os.Exit(2)
	}
	if options.version {
		fmt.Fprintln(os.Stderr, version.Version) // standard error, as upstream
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = run(ctx, options)
	stop()
	klog.Flush()
	if err != nil {
		fmt.Fprintf(os.Stderr, "flanneld: %v\n", err)
		os.Exit(1)
	}
}

// run sets up the node's network and maintains it until ctx ends. As upstream, it leaves the packet filter's rules, so
// that pods keep their network while flanneld restarts.
func run(ctx context.Context, options *options) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()

	if options.cniConf != "" {
		if err := removeStaleCNIConf(options.cniConf, options.subnetFile); err != nil {
			return err
		}
	}
	manager, err := kube.NewSubnetManager(ctx, options.kubeAPIURL, options.kubeconfig, options.annotationPrefix,
		options.netConf, options.setNetworkAvailable)
	if err != nil {
		return fmt.Errorf("subnet manager: %w", err)
	}
	failed := make(chan error, 1)
	var ready atomic.Bool
	if options.healthzPort > 0 {
		serveHealth(ctx, options, &ready, &running, failed)
	}
	config, err := manager.GetNetworkConfig(ctx)
	if err != nil {
		return fmt.Errorf("network configuration %s: %w", options.netConf, err)
	}
	if err := bridgeTrafficIsFiltered(config); err != nil {
		return err
	}
	outside, err := findInterface(ctx, manager, config, options)
	if err != nil {
		return err
	}
	chosen, err := backend.NewManager(ctx, manager, outside).GetBackend(config.BackendType)
	if err != nil {
		return fmt.Errorf("%w (this flanneld has vxlan and host-gw; %s names it)", err, options.netConf)
	}
	network, err := chosen.RegisterNetwork(ctx, &running, config)
	if err != nil {
		return fmt.Errorf("backend %s: %w", config.BackendType, err)
	}
	if err := filterTraffic(ctx, config, network, options); err != nil {
		return err
	}
	lease := network.Lease()
	err = manager.HandleSubnetFile(options.subnetFile, config, options.ipMasq, lease.Subnet, lease.IPv6Subnet,
		network.MTU())
	if err != nil {
		return fmt.Errorf("write %s: %w", options.subnetFile, err)
	}
	klog.Infof("Wrote %s", options.subnetFile)
	if options.cniConf != "" {
		if err := writeCNIConf(options.cniConf, lease, network.MTU()); err != nil {
			return fmt.Errorf("write %s: %w", options.cniConf, err)
		}
		klog.Infof("Wrote %s", options.cniConf)
	}

	running.Add(1)
	go func() {
		defer running.Done()
		network.Run(ctx)
	}()
	ready.Store(true)
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		klog.Errorf("systemd was not told that flanneld is ready: %v", err)
	}
	if err := manager.CompleteLease(ctx, lease, &running); err != nil {
		return fmt.Errorf("node status: %w", err)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// bridgeTrafficIsFiltered returns an error if packets between pods would bypass kube-proxy's rules.
func bridgeTrafficIsFiltered(config *subnet.Config) error {
	needed := map[string]bool{
		"/proc/sys/net/bridge/bridge-nf-call-iptables":  config.EnableIPv4,
		"/proc/sys/net/bridge/bridge-nf-call-ip6tables": config.EnableIPv6,
	}
	for path, wanted := range needed {
		if !wanted {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("the kernel module br_netfilter is missing: %w", err)
		}
	}
	return nil
}

// findInterface chooses the interface by which other nodes reach this one. An address in the node's annotations has
// priority over the flags; the default is the interface of the default route.
func findInterface(ctx context.Context, manager subnet.Manager, config *subnet.Config,
	options *options) (*backend.ExternalInterface, error) {
	family, err := ipmatch.GetIPFamily(config.EnableIPv4, config.EnableIPv6)
	if err != nil {
		return nil, fmt.Errorf("network configuration %s: %w", options.netConf, err)
	}
	public := ipmatch.PublicIPOpts{PublicIP: options.publicIP, PublicIPv6: options.publicIPv6}
	v4, v6 := manager.GetStoredPublicIP(ctx)
	if v4 != "" {
		public.PublicIP = v4
	}
	if v6 != "" {
		public.PublicIPv6 = v6
	}

	type wish struct{ name, expression, reach string }
	var wishes []wish
	for _, name := range options.interfaces {
		wishes = append(wishes, wish{name: name})
	}
	for _, expression := range options.interfaceExpressions {
		wishes = append(wishes, wish{expression: expression})
	}
	if options.interfaceCanReach != "" {
		wishes = append(wishes, wish{reach: options.interfaceCanReach})
	}
	if len(wishes) == 0 {
		address := public.PublicIP
		if address == "" {
			address = public.PublicIPv6
		}
		wishes = append(wishes, wish{name: address})
	}
	var refusals []error
	for _, w := range wishes {
		found, err := ipmatch.LookupExtIface(w.name, w.expression, w.reach, family, public)
		if err == nil && found != nil {
			return found, nil
		}
		refusals = append(refusals, err)
	}
	return nil, fmt.Errorf("no interface to reach other nodes by: %w", errors.Join(refusals...))
}

// filterTraffic installs the rules for masquerading and forwarding, and maintains them. Outdated rules are found from
// the subnet file of the last run.
//
// It also removes rules of the other packet filter, which may be left from an earlier configuration. This fails if its
// programs are not installed, so errors are only logged.
func filterTraffic(ctx context.Context, config *subnet.Config, network backend.Network, options *options) error {
	var rules, other trafficmngr.TrafficManager = &iptables.IPTablesManager{}, &nftables.NFTablesManager{}
	if config.EnableNFTables {
		rules, other = other, rules
	}
	if err := other.CleanUp(ctx); err != nil {
		klog.Warningf("Rules of the packet filter that is not used are not cleaned up: %v", err)
	}
	if err := rules.Init(ctx); err != nil {
		return fmt.Errorf("packet filter: %w", err)
	}
	if options.ipMasq {
		last, err := readSubnetFile(options.subnetFile)
		if err != nil {
			klog.Warningf("Rules of an earlier run are not cleaned up: %v", err)
		}
		if err := rules.SetupAndEnsureMasqRules(ctx, config.Network, last.subnet, last.network,
			config.IPv6Network, last.subnet6, last.network6, network.Lease(), options.resyncSeconds,
			options.masqNotRandom); err != nil {
			return fmt.Errorf("masquerading rules: %w", err)
		}
	}
	if options.forwardRules {
		rules.SetupAndEnsureForwardRules(ctx, config.Network, config.IPv6Network, options.resyncSeconds)
	}
	return nil
}

// serveHealth serves /healthz, and /readyz with status 200 once the node's network is set up, until ctx ends. If it
// cannot listen, it sends an error to failed.
func serveHealth(ctx context.Context, options *options, ready *atomic.Bool, running *sync.WaitGroup,
	failed chan<- error) {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "flanneld is running")
	})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			http.Error(w, "flanneld is not ready yet", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, "flanneld is ready")
	})
	server := &http.Server{
		Addr:              net.JoinHostPort(options.healthzIP, strconv.Itoa(options.healthzPort)),
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
	}
	running.Add(2)
	go func() {
		defer running.Done()
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("health server: %w", err)
		}
	}()
	go func() {
		defer running.Done()
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		server.Shutdown(grace) //nolint:errcheck // the process ends in either case
	}()
}
