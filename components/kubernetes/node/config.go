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

// documents marshals objects into one file.
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

// memory is the machine's, in MiB.
func (n *Node) memory() int {
	text, err := os.ReadFile(n.path("/proc/meminfo"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "MemTotal:" {
			kibibytes, _ := strconv.Atoi(fields[1]) //nolint:errcheck // 0 is little memory
			return kibibytes / 1024
		}
	}
	return 0
}

// preloaded reports whether containerd has the images of this image, or the registries have to be asked.
func (n *Node) preloaded() bool { return n.exists(stampFile) }

func (n *Node) pullPolicy() corev1.PullPolicy {
	if n.preloaded() {
		return corev1.PullNever
	}
	return corev1.PullIfNotPresent
}

// environment is that of a control-plane program. The memory limit is soft: above it Go's garbage collector works
// harder. It is a share of the machine's memory in percent, at least some MiB; there is none on a machine with memory
// to spare.
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

func arguments(pairs ...string) []kubeadmapi.Arg {
	var list []kubeadmapi.Arg
	for i := 0; i+1 < len(pairs); i += 2 {
		list = append(list, kubeadmapi.Arg{Name: pairs[i], Value: pairs[i+1]})
	}
	return list
}

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
		options.Taints = []corev1.Taint{} // pods run here too
	}
	return options
}

func minutes(count int) *metav1.Duration {
	return &metav1.Duration{Duration: time.Duration(count) * time.Minute}
}

// timeouts are patience for one slow core and an SD card.
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

// kubelet is the part that is the same for every role.
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
		SeccompDefault:           &yes, // a pod that names no profile gets the runtime's instead of none
		// All four, for naming one takes the others' defaults away.
		EvictionHard: map[string]string{
			"memory.available": memory, "nodefs.available": "5%", "nodefs.inodesFree": "5%", "imagefs.available": "5%",
		},
	}
}

// newToken makes a bootstrap token by chance.
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

// initConfiguration is what kubeadm makes a control plane from.
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
			pairs = append(pairs, "leader-elect",
				"false") // there is one of each: an election is a write to the disk every other second
		}
		return arguments(pairs...)
	}
	apiServer := arguments("profiling", "false", "max-requests-inflight", "100", "max-mutating-requests-inflight",
		"50", "event-ttl", "30m")
	if isSingle {
		// A queue for each kind of client keeps a client that asks in a loop from taking the places of the nodes. A
		// single node spares itself the queues and the objects that describe them.
		apiServer = append(apiServer, arguments("enable-priority-and-fairness", "false")...)
	}
	var etcdMore []string
	if slices.Contains(n.image.UnsupportedEtcd, n.Architecture) {
		etcdMore = []string{"ETCD_UNSUPPORTED_ARCH", n.Architecture}
	}
	// Who begins before the API server waits for it.
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
		// A key on an elliptic curve is made in an instant, where one for RSA takes a slow core many seconds, a dozen
		// times; and signing, once for each connection, is cheap.
		EncryptionAlgorithm: kubeadmapi.EncryptionAlgorithmECDSAP256,
		Networking: kubeadmapi.Networking{PodSubnet: n.file.PodNetwork,
			ServiceSubnet: n.file.ServiceNetwork},
		Etcd: kubeadmapi.Etcd{Local: &kubeadmapi.LocalEtcd{
			DataDir: etcdFolder,
			ExtraArgs: arguments(
				"snapshot-count", "2000", // fewer entries of the log in memory
				// It is alone, and waits for this long before it elects itself.
				"heartbeat-interval", "200", "election-timeout", "1000",
				// SD cards pause for hundreds of milliseconds, which is no news.
				"log-level", "warn", "warning-apply-duration", "2s", "warning-unary-request-duration", "2s"),
			ExtraEnvs: n.environment(6, 48, etcdMore...),
		}},
		APIServer: kubeadmapi.APIServer{
			CertSANs: []string{state.Hostname, state.Hostname + ".local", "localhost", "127.0.0.1"},
			ControlPlaneComponent: kubeadmapi.ControlPlaneComponent{
				ExtraArgs: apiServer,
				// The first objects are written into the database at once, not one after the other through the API
				// server.
				ExtraEnvs: n.environment(20, 180, "HYPERKUBE_FIRST_OBJECTS", "1"),
			},
		},
		ControllerManager: kubeadmapi.ControlPlaneComponent{
			// Its controllers begin one after the other, with some two hundred requests together, which upstream's
			// limit of 20 a second makes ten seconds of.
			ExtraArgs: elect("profiling", "false", "kube-api-qps", "100",
				"kube-api-burst", "200"),
			ExtraEnvs: n.environment(8, 64, ready...),
		},
		Scheduler: kubeadmapi.ControlPlaneComponent{ExtraArgs: elect("profiling", "false"), ExtraEnvs: n.environment(6,
			48, ready...)},
	}
	proxy := &proxyconfig.KubeProxyConfiguration{
		TypeMeta:    metav1.TypeMeta{APIVersion: "kubeproxy.config.k8s.io/v1alpha1", Kind: "KubeProxyConfiguration"},
		Mode:        "nftables",
		ClusterCIDR: n.file.PodNetwork,
	}
	return documents(start, cluster, n.kubelet(), proxy)
}

// joinConfiguration is what kubeadm makes a worker from.
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

// standaloneConfiguration is a kubelet of its own: pods are files. It listens to nobody; if somebody turns that on,
// nobody is let in.
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

// standaloneNetwork is the pods' network of a node without a cluster: flanneld's, with one subnet and masquerading.
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

var comment = regexp.MustCompile(`(?m)^[ \t]*#.*\n`)
var placeholder = regexp.MustCompile(`@[A-Z_]+@`)

// networkManifest is flannel's, for this cluster. Comments are left out, for they describe the placeholders.
func (n *Node) networkManifest() ([]byte, error) {
	text, err := os.ReadFile(n.path("/usr/share/k8simg/flannel.yaml"))
	if err != nil {
		return nil, err
	}
	text = comment.ReplaceAll(text, nil)
	for name, value := range map[string]string{
		"@POD_NETWORK@": n.file.PodNetwork, "@PULL_POLICY@": string(n.pullPolicy()), "@API_HOST@": n.state.Address,
		"@FLANNEL_VERSION@": flannel.Version, // the image is made of the same build
	} {
		text = bytes.ReplaceAll(text, []byte(name), []byte(value))
	}
	if name := placeholder.Find(text); name != nil {
		return nil, fmt.Errorf("/usr/share/k8simg/flannel.yaml: %s is not known", name)
	}
	return text, nil
}

// firstToken is the bootstrap token in kubeadm's file, empty when it was removed.
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

// withoutTokens is kubeadm's file after its tokens were used. Everything else stays as it is.
func withoutTokens(text string) string {
	return regexp.MustCompile(`(?m)^([- ]*token: ).*$`).ReplaceAllString(text, `${1}"" # removed after use`)
}
