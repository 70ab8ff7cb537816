package system

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/sets"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	kubeadmapi "k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm"
	v1beta4 "k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm/v1beta4"
	initphases "k8s.io/kubernetes/cmd/kubeadm/app/cmd/phases/init"
	joinphases "k8s.io/kubernetes/cmd/kubeadm/app/cmd/phases/join"
	resetphases "k8s.io/kubernetes/cmd/kubeadm/app/cmd/phases/reset"
	"k8s.io/kubernetes/cmd/kubeadm/app/cmd/phases/workflow"
	"k8s.io/kubernetes/cmd/kubeadm/app/constants"
	"k8s.io/kubernetes/cmd/kubeadm/app/discovery"
	"k8s.io/kubernetes/cmd/kubeadm/app/phases/kubeconfig"
	configutil "k8s.io/kubernetes/cmd/kubeadm/app/util/config"
	kubeconfigutil "k8s.io/kubernetes/cmd/kubeadm/app/util/kubeconfig"

	"hyperkube/node"
)

// kubeadm runs kubeadm's phases in this process.
type kubeadm struct{}

const containerd = "unix:///run/containerd/containerd.sock"

func (kubeadm) Init(_ context.Context, options node.InitOptions) error {
	config, err := configutil.LoadInitConfigurationFromFile(options.Config,
		configutil.LoadOrDefaultConfigurationOptions{SkipCRIDetect: true})
	if err != nil {
		return err
	}
	kubeadmapi.SetActiveTimeouts(config.Timeouts)
	data := &initData{config: config, ignored: sets.New(config.NodeRegistration.IgnorePreflightErrors...)}
	var phases []workflow.Phase
	if !options.Again {
		phases = append(phases, initphases.NewPreflightPhase())
	}
	started := workflow.Phase{Name: "kubelet-started",
		Run: func(workflow.RunData) error { options.KubeletStarted(); return nil }}
	// The phase kubelet-finalize is left out, because it restarts the kubelet while the kubelet starts pods. Package node
	// changes the kubelet's kubeconfig instead (rotateKubelet). That needs no restart.
	phases = append(phases,
		initphases.NewCertsPhase(), initphases.NewKubeConfigPhase(), initphases.NewEtcdPhase(),
		initphases.NewControlPlanePhase(),
		initphases.NewKubeletStartPhase(), started, initphases.NewWaitControlPlanePhase(),
		initphases.NewUploadConfigPhase(),
		initphases.NewMarkControlPlanePhase(), initphases.NewBootstrapTokenPhase(), initphases.NewAddonPhase())
	return run(phases, data)
}

func (kubeadm) Join(_ context.Context, file string) error {
	config, err := configutil.LoadJoinConfigurationFromFile(file,
		configutil.LoadOrDefaultConfigurationOptions{SkipCRIDetect: true})
	if err != nil {
		return err
	}
	kubeadmapi.SetActiveTimeouts(config.Timeouts)
	data := &joinData{config: config, ignored: sets.New(config.NodeRegistration.IgnorePreflightErrors...)}
	return classify(run([]workflow.Phase{
		joinphases.NewPreflightPhase(), joinphases.NewKubeletStartPhase(), joinphases.NewKubeletWaitBootstrapPhase(),
	}, data))
}

func (kubeadm) Reset(context.Context) error {
	// Without an API server: the only member of etcd is deleted with its data.
	data := &resetData{config: &kubeadmapi.ResetConfiguration{}}
	return run([]workflow.Phase{resetphases.NewPreflightPhase(), resetphases.NewRemoveETCDMemberPhase(),
		resetphases.NewCleanupNodePhase()}, data)
}

// run runs phases with their shared data.
func run(phases []workflow.Phase, data workflow.RunData) error {
	runner := workflow.NewRunner()
	for _, phase := range phases {
		runner.AppendPhase(phase)
	}
	runner.SetDataInitializer(func(*cobra.Command, []string) (workflow.RunData, error) { return data, nil })
	return runner.Run(nil)
}

// initData is the shared data of the phases of `kubeadm init`.
type initData struct {
	config   *kubeadmapi.InitConfiguration
	ignored  sets.Set[string]
	client   clientset.Interface
	original *clientcmdapi.Config
	local    *clientcmdapi.Config // original with the address of this machine's API server
}

func (d *initData) UploadCerts() bool                       { return false }
func (d *initData) CertificateKey() string                  { return d.config.CertificateKey }
func (d *initData) SetCertificateKey(key string)            { d.config.CertificateKey = key }
func (d *initData) SkipCertificateKeyPrint() bool           { return true }
func (d *initData) Cfg() *kubeadmapi.InitConfiguration      { return d.config }
func (d *initData) DryRun() bool                            { return false }
func (d *initData) SkipTokenPrint() bool                    { return true }
func (d *initData) IgnorePreflightErrors() sets.Set[string] { return d.ignored }
func (d *initData) CertificateWriteDir() string             { return d.config.CertificatesDir }
func (d *initData) CertificateDir() string                  { return d.config.CertificatesDir }
func (d *initData) KubeConfigDir() string                   { return constants.KubernetesDir }
func (d *initData) KubeConfigPath() string                  { return constants.GetAdminKubeConfigPath() }
func (d *initData) ManifestDir() string                     { return constants.GetStaticPodDirectory() }
func (d *initData) KubeletDir() string                      { return constants.KubeletRunDirectory }
func (d *initData) ExternalCA() bool                        { return false }
func (d *initData) OutputWriter() io.Writer                 { return os.Stdout }

func (d *initData) KubeConfig() (*clientcmdapi.Config, error) {
	if d.local == nil {
		config, err := clientcmd.LoadFromFile(d.KubeConfigPath())
		if err != nil {
			return nil, err
		}
		d.original, d.local = config.DeepCopy(), config
		kubeconfigutil.PointKubeConfigToLocalAPIEndpoint(d.local, &d.config.LocalAPIEndpoint)
	}
	return d.local, nil
}

func (d *initData) KubeConfigOriginal() (*clientcmdapi.Config, error) {
	if _, err := d.KubeConfig(); err != nil {
		return nil, err
	}
	return d.original, nil
}

// Client returns a client for the administrator, and first makes sure that the administrator is authorized. The API
// server must be running.
func (d *initData) Client() (clientset.Interface, error) {
	if d.client == nil {
		client, err := kubeconfig.EnsureAdminClusterRoleBinding(constants.KubernetesDir, &d.config.LocalAPIEndpoint,
			nil)
		if err != nil {
			return nil, err
		}
		d.client = client
	}
	return d.client, nil
}

func (d *initData) Tokens() []string {
	tokens := make([]string, 0, len(d.config.BootstrapTokens))
	for _, token := range d.config.BootstrapTokens {
		tokens = append(tokens, token.Token.String())
	}
	return tokens
}

func (d *initData) PatchesDir() string {
	if d.config.Patches == nil {
		return ""
	}
	return d.config.Patches.Directory
}

// joinData is the shared data of the phases of `kubeadm join`.
type joinData struct {
	config  *kubeadmapi.JoinConfiguration
	ignored sets.Set[string]
	tls     *clientcmdapi.Config
	start   *kubeadmapi.InitConfiguration
}

func (d *joinData) CertificateKey() string                  { return "" }
func (d *joinData) Cfg() *kubeadmapi.JoinConfiguration      { return d.config }
func (d *joinData) IgnorePreflightErrors() sets.Set[string] { return d.ignored }
func (d *joinData) OutputWriter() io.Writer                 { return os.Stdout }
func (d *joinData) DryRun() bool                            { return false }
func (d *joinData) KubeConfigDir() string                   { return constants.KubernetesDir }
func (d *joinData) KubeletDir() string                      { return constants.KubeletRunDirectory }
func (d *joinData) ManifestDir() string                     { return constants.GetStaticPodDirectory() }
func (d *joinData) CertificateWriteDir() string             { return v1beta4.DefaultCertificatesDir }

func (d *joinData) PatchesDir() string {
	if d.config.Patches == nil {
		return ""
	}
	return d.config.Patches.Directory
}

func (d *joinData) TLSBootstrapCfg() (*clientcmdapi.Config, error) {
	if d.tls == nil {
		config, err := discovery.For(nil, d.config)
		if err != nil {
			return nil, err
		}
		d.tls = config
	}
	return d.tls, nil
}

// InitCfg returns the cluster's configuration with the settings of this node.
func (d *joinData) InitCfg() (*kubeadmapi.InitConfiguration, error) {
	if d.start != nil {
		return d.start, nil
	}
	tls, err := d.TLSBootstrapCfg()
	if err != nil {
		return nil, err
	}
	client, err := kubeconfigutil.ToClientSet(tls)
	if err != nil {
		return nil, err
	}
	config, err := configutil.FetchInitConfigurationFromCluster(client, nil, "preflight", false, false, true, false)
	if err != nil {
		return nil, err
	}
	// The kubelet's kubeconfig uses the cluster's name.
	_, info, err := kubeconfigutil.GetClusterFromKubeConfig(tls)
	if err != nil {
		return nil, err
	}
	current := tls.Contexts[tls.CurrentContext]
	if current == nil {
		return nil, errors.New("the cluster's kubeconfig has no current context")
	}
	tls.Clusters = map[string]*clientcmdapi.Cluster{config.ClusterName: info}
	current.Cluster = config.ClusterName
	config.NodeRegistration = d.config.NodeRegistration
	d.start = config
	return config, nil
}

var errNoControlPlane = errors.New("a worker has no control plane")

func (d *joinData) Client() (clientset.Interface, error) { return nil, errNoControlPlane }
func (d *joinData) WaitControlPlaneClient() (clientset.Interface, error) {
	return nil, errNoControlPlane
}

// resetData is the shared data of the phases of `kubeadm reset`.
type resetData struct {
	config *kubeadmapi.ResetConfiguration
}

func (d *resetData) ForceReset() bool                         { return true }
func (d *resetData) InputReader() io.Reader                   { return os.Stdin }
func (d *resetData) IgnorePreflightErrors() sets.Set[string]  { return sets.New[string]() }
func (d *resetData) Cfg() *kubeadmapi.InitConfiguration       { return nil }
func (d *resetData) ResetCfg() *kubeadmapi.ResetConfiguration { return d.config }
func (d *resetData) DryRun() bool                             { return false }
func (d *resetData) Client() clientset.Interface              { return nil }
func (d *resetData) CertificatesDir() string                  { return v1beta4.DefaultCertificatesDir }
func (d *resetData) CRISocketPath() string                    { return containerd }
func (d *resetData) CleanupTmpDir() bool                      { return false }
