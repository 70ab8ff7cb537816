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

// authorities signs as `kubeadm certs renew` does. kubeadm's manager of renewals would write over a certificate and its
// key in place, and date them by the time at which the process began.
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
