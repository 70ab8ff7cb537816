package system

import (
	"crypto/x509"
	"path/filepath"

	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
	kubeadmapi "k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm"
	"k8s.io/kubernetes/cmd/kubeadm/app/phases/certs/renewal"
	"k8s.io/kubernetes/cmd/kubeadm/app/util/pkiutil"

	"hyperkube/node"
)

// authorities signs certificates as `kubeadm certs renew` does. kubeadm's renewal manager is not used, because it
// overwrites certificates and keys in place, and calculates their validity from the time at which the process started.
type authorities struct{}

func (authorities) Sign(r node.Request) (certificate, key []byte, err error) {
	authority, signer, err := pkiutil.TryLoadCertAndKeyFromDisk(filepath.Dir(r.Authority), filepath.Base(r.Authority))
	if err != nil {
		return nil, nil, err
	}
	made, private, err := renewal.NewFileRenewer(authority, signer).Renew(request(r))
	if err != nil {
		return nil, nil, err
	}
	if key, err = keyutil.MarshalPrivateKeyToPEM(private); err != nil {
		return nil, nil, err
	}
	return pkiutil.EncodeCertPEM(made), key, nil
}

// request converts a Request to kubeadm's type.
func request(r node.Request) *pkiutil.CertConfig {
	return &pkiutil.CertConfig{
		Config: certutil.Config{
			CommonName:   r.Like.Subject.CommonName,
			Organization: r.Like.Subject.Organization,
			AltNames:     certutil.AltNames{DNSNames: r.Like.DNSNames, IPs: r.Like.IPAddresses},
			Usages:       append([]x509.ExtKeyUsage{}, r.Like.ExtKeyUsage...),
			NotBefore:    r.NotBefore,
		},
		NotAfter:            r.NotAfter,
		EncryptionAlgorithm: kubeadmapi.EncryptionAlgorithmECDSAP256,
	}
}
