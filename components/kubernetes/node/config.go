package node

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	flannel "github.com/flannel-io/flannel/pkg/version"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	proxyconfig "k8s.io/kube-proxy/config/v1alpha1"
	kubeletapi "k8s.io/kubelet/config/v1beta1"
	tokenapi "k8s.io/kubernetes/cmd/kubeadm/app/apis/bootstraptoken/v1"
	kubeadmapi "k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm/v1beta4"
	"sigs.k8s.io/yaml"
)

const (
	containerd = "unix:///run/containerd/containerd.sock"
	writtenBy  = "# Written by k8simg-node from node.toml.\n"
	apiVersion = "kubeadm.k8s.io/v1beta4"
	tokenLife  = 24 * time.Hour
	year       = 8760 * time.Hour
)

// documents marshals objects into one file with several YAML documents.
func documents(objects ...any) (string, error) {
	text := writtenBy
	for i, object := range objects {
		out, err := yaml.Marshal(object)
		if err != nil {
			return "", err
		}
		if i > 0 {
			text += "---\n"
		}
		text += string(out)
	}
	return text, nil
}

// memory returns the machine's memory in MiB, or 0 if it is unknown.
func (n *Node) memory() int {
	text, err := os.ReadFile(n.path("/proc/meminfo"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "MemTotal:" {
			kibibytes, _ := strconv.Atoi(fields[1]) //nolint:errcheck // 0 means unknown
			return kibibytes / 1024
		}
	}
	return 0
}

// preloaded reports whether containerd has the cluster's container images. Otherwise it pulls them from registries.
func (n *Node) preloaded() bool { return n.exists(stampFile) }

// pullPolicy returns the pull policy for the cluster's container images.
func (n *Node) pullPolicy() corev1.PullPolicy {
	if n.preloaded() {
		return corev1.PullNever
	}
	return corev1.PullIfNotPresent
}

// environment returns the environment variables of a control-plane program: the pairs of name and value in more, and on
// machines with less than 3500 MiB a soft limit for Go's memory. The limit is share percent of the machine's memory,
// but not below least MiB. Above the limit, the garbage collector runs more often.
func (n *Node) environment(share, least int, more ...string) []kubeadmapi.EnvVar {
	var variables []kubeadmapi.EnvVar
	add := func(name, value string) {
		variables = append(variables, kubeadmapi.EnvVar{EnvVar: corev1.EnvVar{Name: name, Value: value}})
	}
	if memory := n.memory(); memory < 3500 {
		add("GOGC", "50")
		add("GOMEMLIMIT", fmt.Sprintf("%dMiB", max(memory*share/100, least)))
	}
	for i := 0; i+1 < len(more); i += 2 {
		add(more[i], more[i+1])
	}
	return variables
}

// arguments returns pairs of name and value as arguments of a program.
func arguments(pairs ...string) []kubeadmapi.Arg {
	var list []kubeadmapi.Arg
	for i := 0; i+1 < len(pairs); i += 2 {
		list = append(list, kubeadmapi.Arg{Name: pairs[i], Value: pairs[i+1]})
	}
	return list
}

// registration returns the kubelet's settings for kubeadm.
func (n *Node) registration(state State) kubeadmapi.NodeRegistrationOptions {
	options := kubeadmapi.NodeRegistrationOptions{
		Name:                  state.Hostname,
		CRISocket:             containerd,
		ImagePullPolicy:       n.pullPolicy(),
		IgnorePreflightErrors: n.image.IgnorePreflight,
	}
	if n.file.Address != "" {
		options.KubeletExtraArgs = arguments("node-ip", n.file.Address)
	}
	if n.file.Role == single {
		options.Taints = []corev1.Taint{} // no taint: the user's pods run on this node
	}
	return options
}

func minutes(count int) *metav1.Duration {
	return &metav1.Duration{Duration: time.Duration(count) * time.Minute}
}

// timeouts returns timeouts for machines with one slow core and an SD card.
func timeouts() *kubeadmapi.Timeouts {
	return &kubeadmapi.Timeouts{
		ControlPlaneComponentHealthCheck: minutes(20),
		KubeletHealthCheck:               minutes(10),
		KubernetesAPICall:                minutes(5),
		EtcdAPICall:                      minutes(5),
		TLSBootstrap:                     minutes(10),
		Discovery:                        minutes(1),
	}
}

// kubelet returns the kubelet's configuration that all roles have in common.
func (n *Node) kubelet() *kubeletapi.KubeletConfiguration {
	yes, failSwapOn := true, n.image.FailSwapOn
	memory := "100Mi"
	if n.memory() < 1500 {
		memory = "50Mi"
	}
	return &kubeletapi.KubeletConfiguration{
		TypeMeta: metav1.TypeMeta{APIVersion: "kubelet.config.k8s.io/v1beta1",
			Kind: "KubeletConfiguration"},
		CgroupDriver:             "systemd",
		ContainerRuntimeEndpoint: containerd,
		FailSwapOn:               &failSwapOn,
		MemorySwap:               kubeletapi.MemorySwapConfiguration{SwapBehavior: "NoSwap"},
		SeccompDefault:           &yes, // pods without a profile use the container runtime's default profile
		// All four thresholds are set, because setting one removes the defaults of the others.
		EvictionHard: map[string]string{
			"memory.available": memory, "nodefs.available": "5%", "nodefs.inodesFree": "5%", "imagefs.available": "5%",
		},
	}
}

// newToken returns a random bootstrap token.
func newToken(random io.Reader) (string, error) {
	const characters = "abcdefghijklmnopqrstuvwxyz0123456789"
	var token strings.Builder
	for i := range 22 {
		if i == 6 {
			token.WriteByte('.')
		}
		index, err := rand.Int(random, big.NewInt(int64(len(characters))))
		if err != nil {
			return "", err
		}
		token.WriteByte(characters[index.Int64()])
	}
	return token.String(), nil
}

// initConfiguration returns the configuration file for kubeadm init.
func (n *Node) initConfiguration(state State) (string, error) {
	token := n.file.Token
	if token == "" {
		var err error
		if token, err = newToken(n.Random); err != nil {
			return "", err
		}
	}
	id, secret, _ := strings.Cut(token, ".")
	isSingle := n.file.Role == single
	elect := func(pairs ...string) []kubeadmapi.Arg {
		if isSingle {
			// Each program has one instance. Leader election would write to the disk every other second.
			pairs = append(pairs, "leader-elect", "false")
		}
		return arguments(pairs...)
	}
	apiServer := arguments("profiling", "false", "max-requests-inflight", "100", "max-mutating-requests-inflight",
		"50", "event-ttl", "30m")
	if isSingle {
		// API priority and fairness prevents that one client delays the requests of other nodes. A cluster with one node
		// does without its queues and objects.
		apiServer = append(apiServer, arguments("enable-priority-and-fairness", "false")...)
	}
	var etcdMore []string
	if slices.Contains(n.image.UnsupportedEtcd, n.Architecture) {
		etcdMore = []string{"ETCD_UNSUPPORTED_ARCH", n.Architecture}
	}
	// The controller manager and the scheduler wait for the API server.
	ready := []string{"HYPERKUBE_API_READY", "https://" + state.Address + ":6443/readyz"}

	start := &kubeadmapi.InitConfiguration{
		TypeMeta:         metav1.TypeMeta{APIVersion: apiVersion, Kind: "InitConfiguration"},
		LocalAPIEndpoint: kubeadmapi.APIEndpoint{AdvertiseAddress: state.Address, BindPort: 6443},
		NodeRegistration: n.registration(state),
		BootstrapTokens: []tokenapi.BootstrapToken{{
			Token:       &tokenapi.BootstrapTokenString{ID: id, Secret: secret},
			Description: "of the first start",
			TTL:         &metav1.Duration{Duration: tokenLife},
			Usages:      []string{"signing", "authentication"},
			Groups:      []string{"system:bootstrappers:kubeadm:default-node-token"},
		}},
		Patches:  &kubeadmapi.Patches{Directory: n.path("/usr/share/k8simg/patches/" + n.file.Role)},
		Timeouts: timeouts(),
	}
	cluster := &kubeadmapi.ClusterConfiguration{
		TypeMeta:          metav1.TypeMeta{APIVersion: apiVersion, Kind: "ClusterConfiguration"},
		KubernetesVersion: n.image.KubernetesVersion,
		// Creating a dozen RSA keys takes a slow core minutes. ECDSA keys are fast to create, and to sign with at each
		// connection.
		EncryptionAlgorithm: kubeadmapi.EncryptionAlgorithmECDSAP256,
		Networking: kubeadmapi.Networking{PodSubnet: n.file.PodNetwork,
			ServiceSubnet: n.file.ServiceNetwork},
		Etcd: kubeadmapi.Etcd{Local: &kubeadmapi.LocalEtcd{
			DataDir: etcdFolder,
			ExtraArgs: arguments(
				"snapshot-count", "2000", // keeps fewer log entries in memory
				// The only member elects itself after the election timeout.
				"heartbeat-interval", "200", "election-timeout", "1000",
				// SD cards often block for hundreds of milliseconds; warnings about this are not useful.
				"log-level", "warn", "warning-apply-duration", "2s", "warning-unary-request-duration", "2s"),
			ExtraEnvs: n.environment(6, 48, etcdMore...),
		}},
		APIServer: kubeadmapi.APIServer{
			CertSANs: []string{state.Hostname, state.Hostname + ".local", "localhost", "127.0.0.1"},
			ControlPlaneComponent: kubeadmapi.ControlPlaneComponent{
				ExtraArgs: apiServer,
				// Writes the initial objects directly into etcd: see hyperkube/firstobjects.
				ExtraEnvs: n.environment(20, 180, "HYPERKUBE_FIRST_OBJECTS", "1"),
			},
		},
		ControllerManager: kubeadmapi.ControlPlaneComponent{
			// The controllers send about two hundred requests when they start. Upstream's limit of 20 per second would
			// delay them by ten seconds.
			ExtraArgs: elect("profiling", "false", "kube-api-qps", "100", "kube-api-burst", "200"),
			ExtraEnvs: n.environment(8, 64, ready...),
		},
		Scheduler: kubeadmapi.ControlPlaneComponent{
			ExtraArgs: elect("profiling", "false"),
			ExtraEnvs: n.environment(6, 48, ready...),
		},
	}
	proxy := &proxyconfig.KubeProxyConfiguration{
		TypeMeta:    metav1.TypeMeta{APIVersion: "kubeproxy.config.k8s.io/v1alpha1", Kind: "KubeProxyConfiguration"},
		Mode:        "nftables",
		ClusterCIDR: n.file.PodNetwork,
	}
	return documents(start, cluster, n.kubelet(), proxy)
}

// joinConfiguration returns the configuration file for kubeadm join.
func (n *Node) joinConfiguration(state State) (string, error) {
	return documents(&kubeadmapi.JoinConfiguration{
		TypeMeta:         metav1.TypeMeta{APIVersion: apiVersion, Kind: "JoinConfiguration"},
		NodeRegistration: n.registration(state),
		Discovery: kubeadmapi.Discovery{BootstrapToken: &kubeadmapi.BootstrapTokenDiscovery{
			APIServerEndpoint: n.file.Server, Token: n.file.Token, CACertHashes: []string{n.file.CACertHash},
		}},
		Timeouts: timeouts(),
	})
}

// standaloneConfiguration returns the configuration of a kubelet without an API server. Its pods are the files in a
// folder. The kubelet opens no port. If an administrator enables the port, the kubelet rejects all requests until an
// authentication method is configured too.
func (n *Node) standaloneConfiguration() (string, error) {
	no := false
	config := n.kubelet()
	resolver := "/run/systemd/resolve/resolv.conf"
	config.StaticPodPath = manifestFolder
	config.ResolverConfig = &resolver
	config.EnableServer = &no
	config.Authentication.Anonymous.Enabled = &no
	config.Authentication.Webhook.Enabled = &no
	config.Authorization.Mode = kubeletapi.KubeletAuthorizationModeAlwaysAllow
	return documents(config)
}

// standaloneNetwork returns the CNI configuration of a node without a cluster: as flanneld's, with one subnet and
// masquerading.
func (n *Node) standaloneNetwork() (string, error) {
	network, err := netip.ParsePrefix(n.file.PodNetwork)
	if err != nil {
		return "", err
	}
	type object map[string]any
	text, err := json.MarshalIndent(object{
		"cniVersion": "1.0.0",
		"name":       "cbr0",
		"plugins": []object{
			{
				"type": "bridge", "bridge": "cni0", "isGateway": true, "forceAddress": true, "ipMasq": true,
				"hairpinMode": true,
				"ipam": object{
					"type": "host-local", "dataDir": "/run/cni/networks",
					"ranges": [][]object{{{"subnet": netip.PrefixFrom(network.Addr(), 24).String()}}},
					"routes": []object{{"dst": "0.0.0.0/0"}},
				},
			},
			{"type": "portmap", "capabilities": object{"portMappings": true}},
		},
	}, "", "  ")
	return string(text) + "\n", err
}

// comment and placeholder match parts of flannel's manifest.
var (
	comment     = regexp.MustCompile(`(?m)^[ \t]*#.*\n`)
	placeholder = regexp.MustCompile(`@[A-Z_]+@`)
)

// networkManifest returns flannel's manifest with the values of this cluster in place of the placeholders. Comments are
// removed, because they mention placeholders.
func (n *Node) networkManifest() ([]byte, error) {
	text, err := os.ReadFile(n.path("/usr/share/k8simg/flannel.yaml"))
	if err != nil {
		return nil, err
	}
	text = comment.ReplaceAll(text, nil)
	for name, value := range map[string]string{
		"@POD_NETWORK@": n.file.PodNetwork, "@PULL_POLICY@": string(n.pullPolicy()), "@API_HOST@": n.state.Address,
		"@FLANNEL_VERSION@": flannel.Version, // the container image is of the same build
	} {
		text = bytes.ReplaceAll(text, []byte(name), []byte(value))
	}
	if name := placeholder.Find(text); name != nil {
		return nil, fmt.Errorf("/usr/share/k8simg/flannel.yaml: unknown placeholder %s", name)
	}
	return text, nil
}

// firstToken returns the bootstrap token in kubeadm's configuration file, or "" if the token was removed.
func firstToken(text string) string {
	var config struct {
		BootstrapTokens []struct {
			Token string `json:"token"`
		} `json:"bootstrapTokens"`
	}
	document, _, _ := strings.Cut(text, "\n---\n")
	if err := yaml.Unmarshal([]byte(document), &config); err != nil || len(config.BootstrapTokens) == 0 {
		return ""
	}
	return config.BootstrapTokens[0].Token
}

// withoutTokens returns kubeadm's configuration file without its tokens.
func withoutTokens(text string) string {
	return regexp.MustCompile(`(?m)^([- ]*token: ).*$`).ReplaceAllString(text, `${1}"" # removed after use`)
}
