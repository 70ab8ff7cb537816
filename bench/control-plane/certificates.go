// Certificates as kubeadm makes them, with keys on an elliptic curve.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// pki is a folder with certificates.
type pki struct {
	folder             string
	ca, etcd, frontend authority
	serial             int64
}

func (p *pki) file(name string) string { return filepath.Join(p.folder, name) }

func (p *pki) write(name, kind string, der []byte) error {
	return os.WriteFile(p.file(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// issue makes NAME.crt and NAME.key. Without a signer, it is an authority.
func (p *pki) issue(name, user, group string, signer *authority) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	p.serial++
	subject := pkix.Name{CommonName: user}
	if group != "" {
		subject.Organization = []string{group}
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(p.serial), Subject: subject,
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost", "kubernetes.default.svc"},
		BasicConstraintsValid: true,
	}
	parent, parentKey := template, key
	if signer != nil {
		parent, parentKey = signer.certificate, signer.key
	} else {
		template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
		template.ExtKeyUsage, template.IPAddresses, template.DNSNames = nil, nil, nil
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return authority{}, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return authority{}, err
	}
	if err := p.write(name+".crt", "CERTIFICATE", der); err != nil {
		return authority{}, err
	}
	return authority{certificate, key}, p.writeKey(name+".key", key)
}

func (p *pki) writeKey(name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return p.write(name, "EC PRIVATE KEY", der)
}

// newPKI makes all files of a control plane, of its clients, and of the measurement's own.
func newPKI(folder, server string) (*pki, error) {
	p := &pki{folder: folder}
	for _, each := range []struct {
		name string
		to   *authority
	}{{"ca", &p.ca}, {"etcd-ca", &p.etcd}, {"front-proxy-ca", &p.frontend}} {
		var err error
		if *each.to, err = p.issue(each.name, each.name, "", nil); err != nil {
			return nil, err
		}
	}
	for _, each := range []struct {
		name, user, group string
		signer            *authority
		kubeconfig        bool
	}{
		{"etcd-server", "bench", "", &p.etcd, false},
		{"etcd-peer", "bench", "", &p.etcd, false},
		{"apiserver-etcd-client", "kube-apiserver-etcd-client", "", &p.etcd, false},
		{"apiserver", "kube-apiserver", "", &p.ca, false},
		{"apiserver-kubelet-client", "kube-apiserver-kubelet-client", "kubeadm:cluster-admins", &p.ca, false},
		{"front-proxy-client", "front-proxy-client", "", &p.frontend, false},
		{"controller-manager", "system:kube-controller-manager", "", &p.ca, true},
		{"scheduler", "system:kube-scheduler", "", &p.ca, true},
		{"admin", "kubernetes-super-admin", "system:masters", &p.ca, false},
		{"node", "system:node:" + nodeName, "system:nodes", &p.ca, false},
		// Not of system:masters, which priority and fairness exempts.
		{"client", "bench-client", clientGroup, &p.ca, false},
	} {
		if _, err := p.issue(each.name, each.user, each.group, each.signer); err != nil {
			return nil, err
		}
		if each.kubeconfig {
			if err := p.writeKubeconfig(each.name, server); err != nil {
				return nil, err
			}
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	if err := p.write("sa.pub", "PUBLIC KEY", public); err != nil {
		return nil, err
	}
	return p, p.writeKey("sa.key", key)
}

func (p *pki) writeKubeconfig(name, server string) error {
	type object map[string]any
	text, err := json.Marshal(object{
		"apiVersion": "v1", "kind": "Config", "current-context": "bench",
		"clusters": []object{{"name": "bench", "cluster": object{
			"server": server, "certificate-authority": p.file("ca.crt"),
		}}},
		"contexts": []object{{"name": "bench", "context": object{"cluster": "bench", "user": "bench"}}},
		"users": []object{{"name": "bench", "user": object{
			"client-certificate": p.file(name + ".crt"), "client-key": p.file(name + ".key"),
		}}},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(p.file(name+".conf"), text, 0o600)
}
