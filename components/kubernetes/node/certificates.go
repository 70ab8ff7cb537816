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

// Certificates have upstream's lifetime. The program renews the control plane's certificates when half of the lifetime
// or less is left: at each start before the kubelet, and once a day. A machine that was off for less than half a year
// still has valid certificates. A machine that was off for longer renews them before it uses them. The kubelet requests
// a new certificate from the cluster after 70 to 90 percent of the lifetime. On a control plane, the program creates
// that certificate if the kubelet did not get one in time.
const (
	certificateLife = year
	renewalLeft     = certificateLife / 2
	kubeletLeft     = 30 * 24 * time.Hour
	backdate        = 5 * time.Minute // as kubeadm: tolerates clocks that are slightly behind
)

// Paths of certificates and of their renewal.
const (
	pkiFolder     = "/etc/kubernetes/pki"
	kubeletPki    = "/var/lib/kubelet/pki"
	clientPair    = kubeletPki + "/kubelet-client-current.pem" // link to the newest certificate and key
	servingPair   = kubeletPki + "/kubelet.crt"                // self-signed by the kubelet
	journalFolder = "/etc/kubernetes/k8simg-renewal"           // complete set of new certificates, not yet installed
	draftFolder   = journalFolder + ".new"                     // incomplete set of new certificates
	takeUpFile    = "/run/k8simg/renewed"                      // names of programs that still use old certificates
	clusterCA     = pkiFolder + "/ca"
	frontProxyCA  = pkiFolder + "/front-proxy-ca"
	etcdCA        = pkiFolder + "/etcd/ca"
)

// dateOfPairFile is the time format in the names of the kubelet's certificate files.
const dateOfPairFile = "2006-01-02-15-04-05"

// holder is a file with a certificate that an authority of this machine has signed: NAME.crt with NAME.key, or a
// kubeconfig.
type holder struct {
	file, authority string
	program         string // the program that must be restarted after a renewal, or ""
}

// holders are the certificates of a control plane. etcd reads its files for each connection. The API server reads its
// files again when they change, but is restarted because the certificate for its connections to itself, which it
// creates at its start, is valid for three years only. The controller manager and the scheduler read their kubeconfigs
// only when they start.
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

// Request describes a new certificate.
type Request struct {
	Authority           string            // path of the authority's certificate and key, without .crt and .key
	Like                *x509.Certificate // a certificate with the same names and usages
	NotBefore, NotAfter time.Time
}

// Authorities signs with the certificate authorities of this machine.
type Authorities interface {
	// Sign returns a certificate with a new key, both in PEM.
	Sign(r Request) (certificate, key []byte, err error)
}

// isKubeconfig reports whether a file is a kubeconfig, by its name.
func isKubeconfig(file string) bool { return strings.HasSuffix(file, ".conf") }

// keyOf returns the path of a certificate's key.
func keyOf(certificate string) string { return strings.TrimSuffix(certificate, ".crt") + ".key" }

var errNotKubeadms = errors.New("the file must have exactly one user, as kubeadm writes it")

// kubeconfigUser parses a kubeconfig of kubeadm. It returns the whole file, and its only user as a part of it.
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

// pairIn returns the certificate and the key in a kubeconfig in PEM. They are empty if the kubeconfig refers to files.
func pairIn(kubeconfig []byte) (certificate, key []byte, err error) {
	_, user, err := kubeconfigUser(kubeconfig)
	if err != nil {
		return nil, nil, err
	}
	decode := func(name string) []byte {
		text, _ := user[name].(string)                  //nolint:errcheck // without the field, the result is empty
		out, _ := base64.StdEncoding.DecodeString(text) //nolint:errcheck // callers check the PEM
		return out
	}
	return decode("client-certificate-data"), decode("client-key-data"), nil
}

// withPair returns a kubeconfig with another certificate and key.
func withPair(kubeconfig, certificate, key []byte) ([]byte, error) {
	whole, user, err := kubeconfigUser(kubeconfig)
	if err != nil {
		return nil, err
	}
	user["client-certificate-data"] = base64.StdEncoding.EncodeToString(certificate)
	user["client-key-data"] = base64.StdEncoding.EncodeToString(key)
	return yaml.Marshal(whole)
}

// pairOf reads the certificate and the key of a file: NAME.crt, a kubeconfig, or a .pem file with both.
func (n *Node) pairOf(file string) (certificate, key []byte, err error) {
	text, err := os.ReadFile(n.path(file))
	switch {
	case err != nil:
		return nil, nil, err
	case isKubeconfig(file):
		if certificate, key, err = pairIn(text); err != nil {
			err = fmt.Errorf("%s: %w", file, err)
		}
		return certificate, key, err
	case strings.HasSuffix(file, ".pem"):
		return text, text, nil
	}
	key, err = os.ReadFile(n.path(keyOf(file)))
	return text, key, err
}

// held is a certificate on the disk.
type held struct {
	*x509.Certificate
	whole bool // the matching key is on the disk too
}

// certificateOf reads the certificate of a file.
func (n *Node) certificateOf(file string) (held, error) {
	certificate, key, err := n.pairOf(file)
	if certificate == nil {
		if err == nil {
			err = fmt.Errorf("%s contains no certificate", file)
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

// parseCertificate returns the first certificate in a PEM text.
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

// authority returns the certificate of an authority, or an error if the authority cannot sign now.
func (n *Node) authority(name string) (*x509.Certificate, error) {
	certificate, err := readCertificate(n.path(name + ".crt"))
	now := n.Clock.Now()
	switch {
	case err != nil:
		return nil, err
	case now.Before(certificate.NotBefore):
		return nil, errClock
	case !now.Before(certificate.NotAfter):
		return nil, fmt.Errorf("the certificate authority %s.crt has expired on %s. %s", name,
			certificate.NotAfter.UTC().Format(time.DateOnly), startOver)
	case !n.exists(name + ".key"):
		return nil, fmt.Errorf("%s.key is not on this machine. Renew the certificates where the key is", name)
	}
	return certificate, nil
}

// errClock is the error of a clock that is set to a time before the authority's. New certificates would be invalid.
var errClock = errors.New("the clock is set to a time before the cluster was created")

// span returns the validity of a new certificate of an authority.
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

// isDue reports whether a certificate must be renewed: its key is missing, less than left remains of its lifetime, it
// is not valid yet, or it is valid for longer than a new one. The last two were created while the clock was ahead, or
// by an earlier image. A certificate that expires together with its authority is not due, because a new one would
// expire on the same day.
func (n *Node) isDue(c held, authority *x509.Certificate, left time.Duration) bool {
	now := n.Clock.Now()
	ends := c.NotAfter.Sub(now)
	switch {
	case !c.whole, now.Before(c.NotBefore), ends > certificateLife+24*time.Hour:
		return true
	}
	return ends < left && !endsWith(c, authority)
}

// endsWith reports whether a certificate expires together with its authority.
func endsWith(c held, authority *x509.Certificate) bool {
	return authority != nil && !c.NotAfter.Before(authority.NotAfter.Add(-time.Hour))
}

// renewable lists the certificates that are due.
type renewable struct {
	holders []holder
	kubelet *x509.Certificate // names and usages of the kubelet's new certificate; nil: not due
	err     error             // why certificates cannot be renewed
}

func (r renewable) any() bool { return len(r.holders) > 0 || r.kubelet != nil }

// due returns the certificates of a control plane that are due. If one is due, all are renewed, so that the programs
// are restarted only once.
func (n *Node) due() renewable {
	var found renewable
	signers := map[string]*x509.Certificate{}
	for _, name := range []string{clusterCA, frontProxyCA, etcdCA} {
		certificate, err := n.authority(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // kubeadm has not created it yet
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

// dueOfKubelet returns the names and usages of the kubelet's new certificate, or nil if the program does not have to
// create one.
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

// kubeletFileRotates reports whether the kubelet's kubeconfig refers to the certificate file that the kubelet renews.
func (n *Node) kubeletFileRotates() bool {
	text, err := os.ReadFile(n.path(kubeletFile))
	return err == nil && bytes.Contains(text, []byte(filepath.Base(clientPair)))
}

// rotateKubelet changes the kubelet's kubeconfig so that it refers to the certificate file that the kubelet renews.
// kubeadm writes the first certificate into the kubeconfig itself, and the kubelet does not start after that
// certificate has expired. A running kubelet does not read the kubeconfig again.
func (n *Node) rotateKubelet() error {
	text, err := os.ReadFile(n.path(kubeletFile))
	if err != nil || n.kubeletFileRotates() {
		return nil //nolint:nilerr // a worker that has not joined has no kubeconfig
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

// isServingDue reports whether the certificate of the kubelet's port must be removed, so that the kubelet creates a new
// one. If only the certificate or only the key exists, the kubelet does not start.
func (n *Node) isServingDue() bool {
	if !n.exists(servingPair) && !n.exists(keyOf(servingPair)) {
		return false
	}
	certificate, err := n.certificateOf(servingPair)
	return err != nil || n.isDue(certificate, nil, renewalLeft)
}

// lapsed reports whether the certificate of this worker has expired.
func (n *Node) lapsed() bool {
	certificate, err := n.certificateOf(clientPair)
	return err == nil && n.Clock.Now().After(certificate.NotAfter)
}

// lapsedText says how to repair a worker whose certificate has expired.
func (n *Node) lapsedText() string {
	ended := ""
	if certificate, err := n.certificateOf(clientPair); err == nil {
		ended = certificate.NotAfter.UTC().Format(time.DateOnly)
	}
	return fmt.Sprintf("the certificate of this worker has expired on %s, and the cluster rejects it. Run "+
		"`/usr/libexec/k8simg-node token` on the control plane, write the line token = \"...\" into node.toml on this "+
		"worker, and restart: the worker then joins again", ended)
}

// tellLapsed reports whether the certificate of this worker has expired. If so, it prints how to repair the worker.
func (n *Node) tellLapsed() bool {
	if !n.lapsed() {
		return false
	}
	text := n.lapsedText()
	n.tell("%s", text)
	n.keepError(text)
	return true
}

// certificates returns the certificates of a node by file.
func (n *Node) certificates() map[string]*x509.Certificate {
	found := map[string]*x509.Certificate{}
	for _, pattern := range []string{
		pkiFolder + "/*.crt", pkiFolder + "/etcd/*.crt", clientPair, servingPair, "/etc/kubernetes/*.conf",
	} {
		paths, _ := filepath.Glob(n.path(pattern)) //nolint:errcheck // the patterns are valid
		for _, path := range paths {
			name := "/" + strings.TrimPrefix(strings.TrimPrefix(path, n.Root), "/")
			if certificate, err := n.certificateOf(name); err == nil {
				found[name] = certificate.Certificate
			}
		}
	}
	return found
}

// certificateLines adds the lines about certificates to the status.
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
			return fmt.Sprintf("has expired on %s", ends.UTC().Format(time.DateOnly))
		}
		return fmt.Sprintf("expires on %s, in %d days", ends.UTC().Format(time.DateOnly), days)
	}
	if first != "" {
		text := fmt.Sprintf("%d, the first %s: %s", len(names), describe(all[first].NotAfter), first)
		if n.Clock.Now().Before(all[first].NotBefore) {
			text += ", which is not valid yet"
		}
		add("certificates", "%s", text)
	}
	if n.state.situation() == WorkerDone && n.lapsed() {
		add("to do", "%s", n.lapsedText())
	}
	if authority := all[authorityFile]; authority != nil {
		text := describe(authority.NotAfter)
		if authority.NotAfter.Sub(n.Clock.Now()) < year {
			text += "; it is not renewed: create a new cluster before that"
		}
		add("authority", "%s", text)
	}
}
