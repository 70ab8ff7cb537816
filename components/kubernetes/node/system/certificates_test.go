package system

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/certificate"
	kubeadmapi "k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm"
	"k8s.io/kubernetes/cmd/kubeadm/app/phases/certs"
	"k8s.io/kubernetes/cmd/kubeadm/app/phases/certs/renewal"
	"k8s.io/kubernetes/cmd/kubeadm/app/phases/kubeconfig"
	configutil "k8s.io/kubernetes/cmd/kubeadm/app/util/config"

	"hyperkube/node"
)

const day = 24 * time.Hour

// ahead is a clock that is ahead of the system clock.
type ahead struct {
	clock
	by time.Duration
}

func (a *ahead) Now() time.Time { return time.Now().Add(a.by) }

// noPods is a container runtime without containers.
type noPods struct{ containers }

func (noPods) Running(context.Context) ([]node.Pod, error) { return nil, nil }

// noUnits records the units that are restarted.
type noUnits struct {
	units
	restarted []string
}

func (u *noUnits) TryRestart(_ context.Context, unit string) error {
	u.restarted = append(u.restarted, unit)
	return nil
}

// controlPlane is a folder in which kubeadm has created the certificates of a control plane.
type controlPlane struct {
	t      *testing.T
	root   string
	config *kubeadmapi.InitConfiguration
	clock  *ahead
	units  *noUnits
}

func newControlPlane(t *testing.T) *controlPlane {
	t.Helper()
	c := &controlPlane{t: t, root: t.TempDir(), clock: &ahead{}, units: &noUnits{}}
	config, err := configutil.DefaultedStaticInitConfiguration()
	c.must(err)
	config.CertificatesDir = c.root + "/etc/kubernetes/pki"
	config.LocalAPIEndpoint.AdvertiseAddress = "10.0.2.15"
	config.NodeRegistration.Name = "node"
	config.EncryptionAlgorithm = kubeadmapi.EncryptionAlgorithmECDSAP256
	config.APIServer.CertSANs = []string{"node.local", "127.0.0.1"}
	c.config = config
	c.must(certs.CreatePKIAssets(config))
	for _, name := range []string{"admin", "super-admin", "kubelet", "controller-manager", "scheduler"} {
		c.must(kubeconfig.CreateKubeConfigFile(name+".conf", c.root+"/etc/kubernetes", config))
	}
	c.put("/var/lib/k8simg/node.state", "role=single\nphase=done\nhostname=node\naddress=10.0.2.15\n")
	return c
}

func (c *controlPlane) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *controlPlane) put(name, text string) {
	c.t.Helper()
	c.must(os.MkdirAll(filepath.Dir(c.root+name), 0o755))
	c.must(os.WriteFile(c.root+name, []byte(text), 0o600))
}

// kubeletStarts stores the certificate of the kubelet's kubeconfig in a file, as the kubelet does.
func (c *controlPlane) kubeletStarts() {
	c.t.Helper()
	config, err := clientcmd.LoadFromFile(c.root + "/etc/kubernetes/kubelet.conf")
	c.must(err)
	user := config.AuthInfos[config.Contexts[config.CurrentContext].AuthInfo]
	_, err = c.store().Update(user.ClientCertificateData, user.ClientKeyData)
	c.must(err)
}

func (c *controlPlane) store() certificate.FileStore {
	c.t.Helper()
	folder := c.root + "/var/lib/kubelet/pki"
	store, err := certificate.NewFileStore("kubelet-client", folder, folder, "", "")
	c.must(err)
	return store
}

func (c *controlPlane) renew() string {
	c.t.Helper()
	var journal bytes.Buffer
	n, err := node.New(node.Machine{
		Root: c.root, Files: files{}, Clock: c.clock, Units: c.units, Runtime: noPods{}, Authorities: authorities{},
		Journal: &journal, Errors: io.Discard, Out: io.Discard, Reload: func() {},
	})
	c.must(err)
	if err := n.Renew(c.t.Context()); err != nil {
		c.t.Fatalf("%v\n%s", err, journal.String())
	}
	return journal.String()
}

func (c *controlPlane) manager() *renewal.Manager {
	c.t.Helper()
	manager, err := renewal.NewManager(&c.config.ClusterConfiguration, c.root+"/etc/kubernetes")
	c.must(err)
	return manager
}

// ends returns the expiry of each certificate that kubeadm renews.
func (c *controlPlane) ends() map[string]time.Time {
	c.t.Helper()
	found := map[string]time.Time{}
	manager := c.manager()
	for _, each := range manager.Certificates() {
		info, err := manager.GetCertificateExpirationInfo(each.Name)
		c.must(err)
		found[each.Name] = info.ExpirationDate
	}
	return found
}

func (c *controlPlane) pool(name string) *x509.CertPool {
	c.t.Helper()
	pool, err := certutil.NewPool(c.config.CertificatesDir + "/" + name + ".crt")
	c.must(err)
	return pool
}

func (c *controlPlane) pair(name string) tls.Certificate {
	c.t.Helper()
	found, err := tls.LoadX509KeyPair(c.config.CertificatesDir+"/"+name+".crt", c.config.CertificatesDir+"/"+name+".key")
	c.must(err)
	return found
}

func (c *controlPlane) userOf(kubeconfig string) tls.Certificate {
	c.t.Helper()
	config, err := clientcmd.LoadFromFile(c.root + "/etc/kubernetes/" + kubeconfig)
	c.must(err)
	user := config.AuthInfos[config.Contexts[config.CurrentContext].AuthInfo]
	found, err := tls.X509KeyPair(user.ClientCertificateData, user.ClientKeyData)
	c.must(err)
	return found
}

// meet checks that a client and a server accept each other's certificates at the clock's time.
func (c *controlPlane) meet(what, address string, server, client tls.Certificate,
	serverPool, clientPool *x509.CertPool) {
	c.t.Helper()
	near, far := net.Pipe()
	defer near.Close() //nolint:errcheck // a test
	defer far.Close()  //nolint:errcheck // a test
	answer := make(chan error, 1)
	go func() {
		answer <- tls.Server(far, &tls.Config{ //nolint:gosec // the newest version
			Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clientPool,
			Time: c.clock.Now,
		}).HandshakeContext(c.t.Context())
	}()
	connection := tls.Client(near, &tls.Config{ //nolint:gosec // the newest version
		Certificates: []tls.Certificate{client}, RootCAs: serverPool, ServerName: address, Time: c.clock.Now,
	})
	err := connection.HandshakeContext(c.t.Context())
	go connection.Read(make([]byte, 1)) //nolint:errcheck // takes the server's last message
	if refused := <-answer; err != nil || refused != nil {
		c.t.Errorf("%s: client: %v, server: %v", what, err, refused)
	}
}

// meetAll checks all pairs of clients and servers in a control plane.
func (c *controlPlane) meetAll() {
	c.t.Helper()
	cluster, etcd := c.pool("ca"), c.pool("etcd/ca")
	for _, address := range []string{"10.0.2.15", "127.0.0.1", "node.local", "kubernetes.default.svc"} {
		c.meet("administrator", address, c.pair("apiserver"), c.userOf("admin.conf"), cluster, cluster)
	}
	for _, name := range []string{"controller-manager.conf", "scheduler.conf", "super-admin.conf"} {
		c.meet(name, "10.0.2.15", c.pair("apiserver"), c.userOf(name), cluster, cluster)
	}
	kubelet, err := c.store().Current()
	c.must(err)
	c.meet("kubelet", "10.0.2.15", c.pair("apiserver"), *kubelet, cluster, cluster)
	c.meet("API server", "127.0.0.1", c.pair("etcd/server"), c.pair("apiserver-etcd-client"), etcd, etcd)
	c.meet("check of etcd", "localhost", c.pair("etcd/server"), c.pair("etcd/healthcheck-client"), etcd, etcd)
	c.meet("etcd", "10.0.2.15", c.pair("etcd/peer"), c.pair("etcd/peer"), etcd, etcd)
	c.meet("aggregated API", "127.0.0.1", c.pair("etcd/server"), c.pair("front-proxy-client"), etcd,
		c.pool("front-proxy-ca"))
}

func leafOf(t *testing.T, pair tls.Certificate) *x509.Certificate {
	t.Helper()
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// TestTwoYears moves the clock of a control plane in three steps, which are longer than half the lifetime of a
// certificate.
func TestTwoYears(t *testing.T) {
	c := newControlPlane(t)
	c.renew() // before the kubelet's first start
	c.kubeletStarts()
	c.meetAll()
	first := c.ends()
	c.renew()
	text, err := os.ReadFile(c.root + "/etc/kubernetes/kubelet.conf")
	c.must(err)
	if !strings.Contains(string(text), "client-key: /var/lib/kubelet/pki/kubelet-client-current.pem") ||
		strings.Contains(string(text), "-data: LS0tLS1CRUdJTiBFQyBQUklWQVRF") {
		t.Errorf("the kubelet's file holds a key: %s", text)
	}
	names := leafOf(t, c.pair("apiserver"))
	for name, ends := range c.ends() {
		if !ends.Equal(first[name]) {
			t.Errorf("%s was renewed at once", name)
		}
	}
	for _, days := range []int{240, 480, 730} {
		c.clock.by, c.units.restarted = time.Duration(days)*day, nil
		journal := c.renew()
		for name, ends := range c.ends() {
			if left := ends.Sub(c.clock.Now()); left < 364*day || left > 366*day {
				t.Errorf("after %d days %s ends in %s\n%s", days, name, left, journal)
			}
		}
		c.meetAll()
		if restarted := slices.Contains(c.units.restarted, "kubelet.service"); restarted != (days == 480) {
			t.Errorf("after %d days the kubelet's certificate is another: %v", days, restarted)
		}
	}
	kubelet, err := c.store().Current()
	c.must(err)
	subject := leafOf(t, *kubelet).Subject
	if subject.CommonName != "system:node:node" || !slices.Equal(subject.Organization, []string{"system:nodes"}) {
		t.Error(subject)
	}
	// The kubelet can store its next certificate.
	made, key, err := authorities{}.Sign(node.Request{Authority: c.config.CertificatesDir + "/ca",
		Like: leafOf(t, *kubelet), NotBefore: c.clock.Now(), NotAfter: c.clock.Now().Add(day)})
	c.must(err)
	_, err = c.store().Update(made, key)
	c.must(err)
	next, err := c.store().Current()
	c.must(err)
	if ends := leafOf(t, *next).NotAfter; ends.After(c.clock.Now().Add(2 * day)) {
		t.Errorf("the kubelet's next certificate ends on %s", ends)
	}
	renewed := leafOf(t, c.pair("apiserver"))
	if !slices.Equal(names.DNSNames, renewed.DNSNames) || len(names.IPAddresses) != len(renewed.IPAddresses) ||
		names.Subject.String() != renewed.Subject.String() || names.PublicKeyAlgorithm != renewed.PublicKeyAlgorithm ||
		names.KeyUsage != renewed.KeyUsage || !slices.Equal(names.ExtKeyUsage, renewed.ExtKeyUsage) {
		t.Errorf("%v is %v", names, renewed)
	}
	if administrator := leafOf(t, c.userOf("admin.conf")).Subject; administrator.CommonName != "kubernetes-admin" {
		t.Error(administrator)
	}
	for _, name := range []string{"k8simg-renewal", "k8simg-renewal.new"} {
		if _, err := os.Stat(c.root + "/etc/kubernetes/" + name); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
}

func TestCertificatesEndWithTheirAuthority(t *testing.T) {
	c := newControlPlane(t)
	c.kubeletStarts()
	authority, err := certutil.CertsFromFile(c.config.CertificatesDir + "/ca.crt")
	c.must(err)
	if life := authority[0].NotAfter.Sub(authority[0].NotBefore); life < 3649*day || life > 3651*day {
		t.Errorf("the authority is valid for %s", life)
	}
	c.clock.by = 3600 * day
	c.renew()
	for name, ends := range c.ends() {
		if ends.After(authority[0].NotAfter.Add(time.Minute)) || ends.Before(c.clock.Now().Add(49*day)) {
			t.Errorf("%s ends on %s", name, ends)
		}
	}
	c.meetAll()
	c.clock.by = 3640 * day
	before := c.ends()
	c.renew()
	for name, ends := range c.ends() {
		if !ends.Equal(before[name]) {
			t.Errorf("%s was renewed for nothing", name)
		}
	}
}

func TestClockThatIsAhead(t *testing.T) {
	c := newControlPlane(t)
	c.kubeletStarts()
	c.clock.by = 2000 * day
	c.renew()
	c.meetAll()
	c.clock.by = 0
	c.renew()
	c.meetAll()
	for name, ends := range c.ends() {
		if ends.After(time.Now().Add(366 * day)) {
			t.Errorf("%s ends on %s", name, ends)
		}
	}
}

func TestSigningWithoutAuthority(t *testing.T) {
	request := node.Request{Authority: t.TempDir() + "/ca", Like: &x509.Certificate{}}
	if _, _, err := (authorities{}).Sign(request); err == nil {
		t.Error("a certificate was signed without an authority")
	}
}

func TestClockThatNobodySets(t *testing.T) {
	if moved := (clock{}).Moved(); moved.Abs() > time.Second {
		t.Errorf("the clock has moved by %s", moved)
	}
}

func TestOneRunAtATime(t *testing.T) {
	path := t.TempDir() + "/lock"
	unlock, err := files{}.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan struct{})
	go func() {
		if other, err := (files{}).Lock(path); err == nil {
			other()
		}
		close(second)
	}()
	select {
	case <-second:
		t.Error("two runs have the lock")
	case <-time.After(100 * time.Millisecond):
	}
	unlock()
	<-second
}
