package node

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"time"
)

type boardKubeadm struct{ *board }

func (k boardKubeadm) step(name string) error {
	if err := k.event("kubeadm: %s", name); err != nil {
		return err
	}
	if k.cutAt == name {
		k.cutAt = ""
		panic(killed{})
	}
	if k.failsAt == name {
		if k.words != nil {
			return k.words
		}
		return fmt.Errorf("error execution phase %s", name)
	}
	return nil
}

func (k boardKubeadm) preflight(again bool) error {
	if again {
		return nil
	}
	for name, folder := range map[string]string{"manifests": manifestFolder, "var-lib-etcd": etcdFolder} {
		if entries, err := os.ReadDir(k.root + folder); err == nil && len(entries) > 0 {
			return fmt.Errorf("error execution phase preflight: %s is not empty", name)
		}
	}
	if k.has(kubeletFile) {
		return errors.New("error execution phase preflight: kubelet.conf exists")
	}
	return nil
}

func (k boardKubeadm) certificates(worker bool) error {
	if !k.has(authorityFile) {
		k.put(authorityFile, authority)
	}
	if k.get(authorityFile) == "" {
		return errors.New("error execution phase certs: ca.crt is empty")
	}
	if !worker {
		k.makeCertificates()
	}
	return k.step("certs")
}

func (k boardKubeadm) kubeletRuns() {
	k.put(kubeletConfig, "config\n")
	k.persist() // kubelet.service.d/30-node.conf
	k.kubelet = "active"
}

// etcdRuns creates etcd's log, as etcd does at its start.
func (k boardKubeadm) etcdRuns() error {
	const member = etcdFolder + "/member"
	if k.has(member + "/wal/0.wal") {
		return nil
	}
	k.put(member+"/snap/db", "")
	k.persist(k.root + member + "/snap/db")
	if err := k.step("etcd-database"); err != nil {
		return err
	}
	number := make([]byte, 8)
	rand.Read(number) //nolint:errcheck // never fails
	k.put(member+"/wal.tmp/0.wal", hex.EncodeToString(number))
	k.persist(k.root + member + "/wal.tmp/0.wal")
	k.must(os.Rename(k.root+member+"/wal.tmp", k.root+member+"/wal"))
	k.persist(k.root + member + "/wal")
	k.cluster = hex.EncodeToString(number)
	return nil
}

func (k boardKubeadm) Init(_ context.Context, options InitOptions) error {
	k.call("kubeadm init again=%t", options.Again)
	if err := k.preflight(options.Again); err != nil {
		return err
	}
	if k.onInit != nil {
		k.onInit()
	}
	if err := k.step("preflight"); err != nil {
		return err
	}
	if err := k.certificates(false); err != nil {
		return err
	}
	k.makeKubeconfigs()
	if err := k.step("kubeconfig"); err != nil {
		return err
	}
	k.put(manifestFolder+"/etcd.yaml", "manifest")
	if err := k.step("manifests"); err != nil {
		return err
	}
	k.kubeletRuns()
	if !k.noKubelet {
		options.KubeletStarted()
	}
	if err := k.step("kubelet-start"); err != nil {
		return err
	}
	k.keepOwnCertificate()
	if err := k.etcdRuns(); err != nil {
		return err
	}
	for _, name := range []string{"wait-control-plane", "addon"} {
		if err := k.step(name); err != nil {
			return err
		}
	}
	k.made = true
	return nil
}

func (k boardKubeadm) Join(context.Context, string) error {
	k.call("kubeadm join")
	if err := k.preflight(false); err != nil {
		return err
	}
	if k.onInit != nil {
		k.onInit()
	}
	if err := k.step("preflight"); err != nil {
		return err
	}
	if err := k.certificates(true); err != nil {
		return err
	}
	k.kubeletRuns()
	if err := k.step("kubelet-start"); err != nil {
		return err
	}
	certificate, key := k.leaf("system:node:node", k.now, certificateLife)
	k.put(clientPair, certificate+key)
	if err := k.step("bootstrap"); err != nil {
		return err
	}
	k.put(kubeletFile, "client-certificate: kubelet-client-current.pem\n")
	return k.step("kubelet-wait")
}

func (k boardKubeadm) Reset(context.Context) error {
	k.call("kubeadm reset")
	if err := k.event("kubeadm reset"); err != nil {
		return err
	}
	if k.has(manifestFolder + "/etcd.yaml") {
		k.remove(etcdFolder + "/member")
	}
	for _, name := range []string{"admin.conf", "super-admin.conf", "kubelet.conf", "pki"} {
		k.remove("/etc/kubernetes/" + name)
	}
	for _, folder := range []string{manifestFolder, "/var/lib/kubelet"} {
		entries, err := os.ReadDir(k.root + folder)
		k.must(err)
		for _, entry := range entries {
			k.remove(folder + "/" + entry.Name())
		}
	}
	return nil
}

// leaf returns a certificate that the authority of the tests has signed, and its key.
func (b *board) leaf(name string, from time.Time, life time.Duration) (certificate, key string) {
	made, private, err := boardAuthorities{b}.Sign(Request{
		Like:      &x509.Certificate{Subject: pkix.Name{CommonName: name}},
		NotBefore: from, NotAfter: from.Add(life),
	})
	b.must(err)
	return string(made), string(private)
}

// makeCertificates creates the missing certificates of a control plane.
func (b *board) makeCertificates() {
	key, err := x509.MarshalECPrivateKey(authorityKey)
	b.must(err)
	private := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key}))
	for _, name := range []string{clusterCA, frontProxyCA, etcdCA} {
		if !b.has(name + ".key") {
			b.put(name+".crt", authority)
			b.put(name+".key", private)
		}
	}
	for _, each := range holders {
		if !isKubeconfig(each.file) && !b.has(each.file) {
			certificate, key := b.leaf(each.file, b.now, certificateLife)
			b.put(each.file, certificate)
			b.put(keyOf(each.file), key)
		}
	}
}

func (b *board) makeKubeconfigs() {
	for _, name := range []string{"admin", "super-admin", "controller-manager", "scheduler", "kubelet"} {
		file := "/etc/kubernetes/" + name + ".conf"
		if b.get(file) != "" {
			continue
		}
		certificate, key := b.leaf(name, b.now, certificateLife)
		text, err := withPair([]byte("clusters:\n- cluster: {server: \"https://"+"10.0.2.15:6443\"}\n  name: kubernetes\n"+
			"users:\n- name: "+name+"\n  user: {}\n"), []byte(certificate), []byte(key))
		b.must(err)
		b.put(file, string(text))
	}
}

// keepOwnCertificate stores the certificate of the kubelet's kubeconfig in a file, as the kubelet does.
func (b *board) keepOwnCertificate() {
	if b.has(clientPair) {
		return
	}
	certificate, key, err := pairIn([]byte(b.get(kubeletFile)))
	b.must(err)
	b.put(kubeletPki+"/kubelet-client-first.pem", string(certificate)+string(key))
	b.persist(b.root + kubeletPki + "/kubelet-client-first.pem")
	b.must(os.Symlink("kubelet-client-first.pem", b.root+clientPair))
	b.persist()
}

type boardAuthorities struct{ *board }

func (a boardAuthorities) Sign(r Request) (certificate, key []byte, err error) {
	signer, err := parseCertificate([]byte(authority))
	if err != nil {
		return nil, nil, err
	}
	private := newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: r.Like.Subject, NotBefore: r.NotBefore,
		NotAfter: r.NotAfter, ExtKeyUsage: r.Like.ExtKeyUsage, DNSNames: r.Like.DNSNames, IPAddresses: r.Like.IPAddresses,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, private.Public(), authorityKey)
	if err != nil {
		return nil, nil, err
	}
	text, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: text}), nil
}
