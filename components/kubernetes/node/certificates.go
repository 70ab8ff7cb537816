package node

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// Certificates are valid for as long as upstream's. The program renews those of the control plane when half of that is
// left: at each start, before the kubelet, and once a day. A machine that was off for less than half a year comes back
// with valid certificates, and one that was off for longer renews them before it needs them. The kubelet asks the
// cluster for a new certificate after 70 to 90 percent of the old one's life. What the kubelet of a control plane did
// not get in time, the program makes.
const (
	certificateLife = year
	renewalLeft     = certificateLife / 2
	kubeletLeft     = 30 * 24 * time.Hour
	backdate        = 5 * time.Minute // as kubeadm does, for clocks that are set back a little
)

const (
	pkiFolder      = "/etc/kubernetes/pki"
	kubeletPki     = "/var/lib/kubelet/pki"
	clientPair     = kubeletPki + "/kubelet-client-current.pem" // a link to the newest
	servingPair    = kubeletPki + "/kubelet.crt"                // the kubelet makes it, and nobody verifies it
	journalFolder  = "/etc/kubernetes/k8simg-renewal"           // new certificates, all of them, until they are in place
	draftFolder    = journalFolder + ".new"                     // new certificates that are not complete
	takeUpFile     = "/run/k8simg/renewed"                      // programs that hold old certificates in memory
	clusterCA      = pkiFolder + "/ca"
	frontProxyCA   = pkiFolder + "/front-proxy-ca"
	etcdCA         = pkiFolder + "/etcd/ca"
	dateOfPairFile = "2006-01-02-15-04-05" // as the kubelet names its own
)

// holder is a file with a certificate that this machine's authorities sign: NAME.crt with NAME.key, or a kubeconfig.
type holder struct {
	file, authority string
	program         string // whose container is restarted
}

// holders are the certificates of a control plane. etcd reads its files for each connection. The API server reads its
// files again, but it also has a certificate in memory for its connections to itself, which lasts for three years from
// its start. The two others read their kubeconfigs at their start alone.
var holders = []holder{
	{pkiFolder + "/apiserver.crt", clusterCA, "kube-apiserver"},
	{pkiFolder + "/apiserver-kubelet-client.crt", clusterCA, "kube-apiserver"},
	{pkiFolder + "/apiserver-etcd-client.crt", etcdCA, "kube-apiserver"},
	{pkiFolder + "/front-proxy-client.crt", frontProxyCA, "kube-apiserver"},
	{pkiFolder + "/etcd/server.crt", etcdCA, ""},
	{pkiFolder + "/etcd/peer.crt", etcdCA, ""},
	{pkiFolder + "/etcd/healthcheck-client.crt", etcdCA, ""},
	{"/etc/kubernetes/controller-manager.conf", clusterCA, "kube-controller-manager"},
	{"/etc/kubernetes/scheduler.conf", clusterCA, "kube-scheduler"},
	{adminFile, clusterCA, ""},
	{superAdminFile, clusterCA, ""},
}

// Request is a certificate that is to be made.
type Request struct {
	Authority           string            // path of the authority's certificate and key, without their endings
	Like                *x509.Certificate // has the same names and usages
	NotBefore, NotAfter time.Time
}

// Authorities signs with the certificate authorities of this machine.
type Authorities interface {
	// Sign returns a certificate and its new key, both as PEM.
	Sign(r Request) (certificate, key []byte, err error)
}

func isKubeconfig(file string) bool { return strings.HasSuffix(file, ".conf") }

func keyOf(certificate string) string { return strings.TrimSuffix(certificate, ".crt") + ".key" }

var errNotKubeadms = errors.New("it is not as kubeadm has written it")

// kubeconfigUser is the only user of a kubeconfig that kubeadm has written, within the whole file.
func kubeconfigUser(text []byte) (whole, user map[string]any, err error) {
	if err := yaml.Unmarshal(text, &whole); err != nil {
		return nil, nil, err
	}
	users, ok := whole["users"].([]any)
	if !ok || len(users) != 1 {
		return nil, nil, errNotKubeadms
	}
	entry, ok := users[0].(map[string]any)
	if !ok {
		return nil, nil, errNotKubeadms
	}
	if user, ok = entry["user"].(map[string]any); !ok {
		return nil, nil, errNotKubeadms
	}
	return whole, user, nil
}

// pairIn returns the certificates and the key of a kubeconfig as PEM. They are nil when it names files.
func pairIn(kubeconfig []byte) (certificate, key []byte, err error) {
	_, user, err := kubeconfigUser(kubeconfig)
	if err != nil {
		return nil, nil, err
	}
	decode := func(name string) []byte {
		text, _ := user[name].(string)                  //nolint:errcheck // "" holds none
		out, _ := base64.StdEncoding.DecodeString(text) //nolint:errcheck // what is no PEM is found below
		return out
	}
	return decode("client-certificate-data"), decode("client-key-data"), nil
}

// withPair is a kubeconfig with another certificate and key.
func withPair(kubeconfig, certificate, key []byte) ([]byte, error) {
	whole, user, err := kubeconfigUser(kubeconfig)
	if err != nil {
		return nil, err
	}
	user["client-certificate-data"] = base64.StdEncoding.EncodeToString(certificate)
	user["client-key-data"] = base64.StdEncoding.EncodeToString(key)
	return yaml.Marshal(whole)
}

// pairOf reads the certificate and the key of a file: NAME.crt, a kubeconfig, or a file with both.
func (n *Node) pairOf(file string) (certificate, key []byte, err error) {
	text, err := os.ReadFile(n.path(file))
	switch {
	case err != nil:
		return nil, nil, err
	case isKubeconfig(file):
		return pairIn(text)
	case strings.HasSuffix(file, ".pem"):
		return text, text, nil
	}
	key, err = os.ReadFile(n.path(keyOf(file)))
	return text, key, err
}

// held is a certificate on the disk.
type held struct {
	*x509.Certificate
	whole bool // its key is there and belongs to it
}

// certificateOf reads the certificate of a file.
func (n *Node) certificateOf(file string) (held, error) {
	certificate, key, err := n.pairOf(file)
	if certificate == nil {
		if err == nil {
			err = fmt.Errorf("%s holds no certificate", file)
		}
		return held{}, err
	}
	found, wrong := parseCertificate(certificate)
	if wrong != nil {
		return held{}, fmt.Errorf("%s: %w", file, wrong)
	}
	_, mismatch := tls.X509KeyPair(certificate, key)
	return held{found, err == nil && mismatch == nil}, nil
}

// parseCertificate returns the first certificate of a PEM text.
func parseCertificate(text []byte) (*x509.Certificate, error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, errors.New("there is no certificate")
		}
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
}

// authority returns the certificate of an authority of this machine if it can sign now.
func (n *Node) authority(name string) (*x509.Certificate, error) {
	certificate, err := readCertificate(n.path(name + ".crt"))
	now := n.Clock.Now()
	switch {
	case err != nil:
		return nil, err
	case now.Before(certificate.NotBefore):
		return nil, errClock
	case !now.Before(certificate.NotAfter):
		return nil, fmt.Errorf("the certificate authority %s.crt has ended on %s; %s", name,
			certificate.NotAfter.UTC().Format(time.DateOnly), anew)
	case !n.exists(name + ".key"):
		return nil, fmt.Errorf("%s.key is not on this machine", name)
	}
	return certificate, nil
}

// errClock: no certificate that is made now would be valid.
var errClock = errors.New("the clock says that the cluster has not been made yet")

// span is for how long a new certificate of an authority is valid.
func (n *Node) span(authority *x509.Certificate) (from, until time.Time) {
	from, until = n.Clock.Now().Add(-backdate), n.Clock.Now().Add(certificateLife)
	if from.Before(authority.NotBefore) {
		from = authority.NotBefore
	}
	if until.After(authority.NotAfter) {
		until = authority.NotAfter
	}
	return from, until
}

// isDue reports whether a certificate is to be renewed when less than left is left of its life: also one that is not
// valid yet or valid for longer than a new one, because it was made while the clock was ahead or by an earlier image.
// One that ends with its authority is not: a new one would end on the same day.
func (n *Node) isDue(c held, authority *x509.Certificate, left time.Duration) bool {
	now := n.Clock.Now()
	ends := c.NotAfter.Sub(now)
	switch {
	case !c.whole, now.Before(c.NotBefore), ends > certificateLife+24*time.Hour:
		return true
	}
	return ends < left && !endsWith(c, authority)
}

func endsWith(c held, authority *x509.Certificate) bool {
	return authority != nil && !c.NotAfter.Before(authority.NotAfter.Add(-time.Hour))
}

// renewable is what the disk says about renewal: certificates of the control plane, and of the kubelet, that are due.
type renewable struct {
	holders []holder
	kubelet *x509.Certificate // the new one is like it
	err     error             // why nothing can be renewed
}

func (r renewable) any() bool { return len(r.holders) > 0 || r.kubelet != nil }

// due finds out what is to be renewed on a control plane. All its certificates are renewed together, because their
// programs are restarted for it.
func (n *Node) due() renewable {
	var found renewable
	signers := map[string]*x509.Certificate{}
	for _, name := range []string{clusterCA, frontProxyCA, etcdCA} {
		certificate, err := n.authority(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // kubeadm makes it first
		} else if err != nil {
			return renewable{err: err}
		}
		signers[name] = certificate
	}
	oneIsDue := false
	for _, each := range holders {
		signer := signers[each.authority]
		certificate, err := n.certificateOf(each.file)
		if signer == nil || errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			found.err = errors.Join(found.err, err)
			continue
		}
		found.holders = append(found.holders, each)
		oneIsDue = oneIsDue || n.isDue(certificate, signer, renewalLeft)
	}
	if !oneIsDue {
		found.holders = nil
	}
	if signer := signers[clusterCA]; signer != nil && n.exists(kubeletFile) {
		found.kubelet = n.dueOfKubelet(signer)
	}
	return found
}

// dueOfKubelet returns what the kubelet's next certificate is like, nil when the kubelet needs none from here.
func (n *Node) dueOfKubelet(signer *x509.Certificate) *x509.Certificate {
	certificate, err := n.certificateOf(clientPair)
	if errors.Is(err, os.ErrNotExist) && !n.kubeletFileRotates() {
		certificate, err = n.certificateOf(kubeletFile) // the kubelet has not started yet
	}
	now := n.Clock.Now()
	if err == nil && certificate.whole && !now.Before(certificate.NotBefore) &&
		(certificate.NotAfter.Sub(now) >= kubeletLeft || endsWith(certificate, signer)) {
		return nil
	}
	return &x509.Certificate{
		Subject:     pkix.Name{CommonName: "system:node:" + n.state.Hostname, Organization: []string{"system:nodes"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

// kubeletFileRotates reports whether the kubelet's kubeconfig names the file that the kubelet renews.
func (n *Node) kubeletFileRotates() bool {
	text, err := os.ReadFile(n.path(kubeletFile))
	return err == nil && bytes.Contains(text, []byte(filepath.Base(clientPair)))
}

// rotateKubelet lets the kubelet's kubeconfig name the certificate that the kubelet renews, once there is one. kubeadm
// writes the first certificate into the kubeconfig itself, and a kubelet that starts after its end would not start.
// A running kubelet does not read the file.
func (n *Node) rotateKubelet() error {
	text, err := os.ReadFile(n.path(kubeletFile))
	if err != nil || n.kubeletFileRotates() {
		return nil //nolint:nilerr // a worker that has not joined has none
	}
	if certificate, err := n.certificateOf(clientPair); err != nil || !certificate.whole {
		return nil //nolint:nilerr // the kubelet has not stored it yet
	}
	whole, user, err := kubeconfigUser(text)
	if err != nil {
		return fmt.Errorf("%s: %w", kubeletFile, err)
	}
	delete(user, "client-certificate-data")
	delete(user, "client-key-data")
	user["client-certificate"], user["client-key"] = clientPair, clientPair
	out, err := yaml.Marshal(whole)
	if err != nil {
		return err
	}
	_, err = n.write(kubeletFile, string(out), 0o600)
	return err
}

// isServingDue reports whether the kubelet is to make another certificate for its own port, which it does when there is
// none. A file without the other keeps the kubelet from starting.
func (n *Node) isServingDue() bool {
	if !n.exists(servingPair) && !n.exists(keyOf(servingPair)) {
		return false
	}
	certificate, err := n.certificateOf(servingPair)
	return err != nil || n.isDue(certificate, nil, renewalLeft)
}

// lapsed reports whether the cluster does not let this worker in any more: its certificate has ended.
func (n *Node) lapsed() bool {
	certificate, err := n.certificateOf(clientPair)
	return err == nil && n.Clock.Now().After(certificate.NotAfter)
}

// lapsedText says what a person has to do about it.
func (n *Node) lapsedText() string {
	ended := ""
	if certificate, err := n.certificateOf(clientPair); err == nil {
		ended = certificate.NotAfter.UTC().Format(time.DateOnly)
	}
	return fmt.Sprintf("the certificate of this worker has ended on %s, and the cluster does not let it in. "+
		"`/usr/libexec/k8simg-node token` on the control plane makes a token; write token = \"...\" into node.toml, "+
		"and restart: the worker joins anew", ended)
}

// tellLapsed says so when the certificate of this worker has ended, and reports whether it has.
func (n *Node) tellLapsed() bool {
	if !n.lapsed() {
		return false
	}
	text := n.lapsedText()
	n.tell("%s", text)
	n.keepError(text)
	return true
}

// certificates are those that a node has, by file.
func (n *Node) certificates() map[string]*x509.Certificate {
	found := map[string]*x509.Certificate{}
	for _, pattern := range []string{
		pkiFolder + "/*.crt", pkiFolder + "/etcd/*.crt", clientPair, servingPair, "/etc/kubernetes/*.conf",
	} {
		paths, _ := filepath.Glob(n.path(pattern)) //nolint:errcheck // the patterns are good
		for _, path := range paths {
			name := "/" + strings.TrimPrefix(strings.TrimPrefix(path, n.Root), "/")
			if certificate, err := n.certificateOf(name); err == nil {
				found[name] = certificate.Certificate
			}
		}
	}
	return found
}

// certificateLines are what `status` says about certificates.
func (n *Node) certificateLines(add func(name, format string, arguments ...any)) {
	all := n.certificates()
	names := make([]string, 0, len(all))
	for name := range all {
		if !all[name].IsCA {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	first := ""
	for _, name := range names {
		if first == "" || all[name].NotAfter.Before(all[first].NotAfter) {
			first = name
		}
	}
	describe := func(ends time.Time) string {
		days := int(ends.Sub(n.Clock.Now()).Hours() / 24)
		if n.Clock.Now().After(ends) {
			return fmt.Sprintf("has ended on %s", ends.UTC().Format(time.DateOnly))
		}
		return fmt.Sprintf("ends on %s, in %d days", ends.UTC().Format(time.DateOnly), days)
	}
	if first != "" {
		text := fmt.Sprintf("%d, the first %s: %s", len(names), describe(all[first].NotAfter), first)
		if n.Clock.Now().Before(all[first].NotBefore) {
			text += ", and is not valid yet"
		}
		add("certificates", "%s", text)
	}
	if n.state.situation() == WorkerDone && n.lapsed() {
		add("to do", "%s", n.lapsedText())
	}
	if authority := all[authorityFile]; authority != nil {
		text := describe(authority.NotAfter)
		if authority.NotAfter.Sub(n.Clock.Now()) < year {
			text += "; nothing renews it, and the cluster has to be made anew before that"
		}
		add("authority", "%s", text)
	}
}
