// Package firstobjects writes the initial objects of a new cluster into its database before the API server needs them.
//
// With an empty database, an API server creates about 140 roles and bindings before it is ready, with two requests to
// itself for each, one after the other, including authentication and admission. The controller manager then creates a
// service account for each of its controllers in the same way. On a small machine this takes longer than everything
// else of a first start. This package writes the same objects directly to the database while the API server is
// starting. The API server then finds them as it would have created them, and still creates those that are missing or
// different.
package firstobjects

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/rbac/install"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"
)

// Variable enables the package when it is "1" in the API server's environment. Without it, the API server starts as
// upstream's does.
const Variable = "HYPERKUBE_FIRST_OBJECTS"

// Database is the API server's database: the values of its flags --etcd-servers, --etcd-prefix, --etcd-cafile,
// --etcd-certfile and --etcd-keyfile.
type Database struct {
	Servers                   []string
	Prefix                    string
	CAFile, CertFile, KeyFile string
}

// Object is an object as stored in the database.
type Object struct {
	Key   string // relative to the prefix: clusterroles/view, roles/kube-system/NAME
	Value []byte // protocol buffers after Kubernetes' four-byte prefix, in the storage version
}

// Objects returns the roles and bindings of the authorizer's policy, and the service accounts in the bindings. Each has
// a new UID; created is their creation time.
func Objects(created time.Time) ([]Object, error) {
	maker := maker{created: metav1.NewTime(created.Truncate(time.Second)), accounts: map[string]bool{}}
	for _, role := range append(bootstrappolicy.ClusterRoles(), bootstrappolicy.ControllerRoles()...) {
		maker.add("clusterroles", &role, &role.ObjectMeta, rbacv1.SchemeGroupVersion)
	}
	for _, binding := range append(bootstrappolicy.ClusterRoleBindings(), bootstrappolicy.ControllerRoleBindings()...) {
		maker.add("clusterrolebindings", &binding, &binding.ObjectMeta, rbacv1.SchemeGroupVersion)
		maker.addAccounts(binding.Subjects)
	}
	for _, roles := range bootstrappolicy.NamespaceRoles() {
		for _, role := range roles {
			maker.add("roles", &role, &role.ObjectMeta, rbacv1.SchemeGroupVersion)
		}
	}
	for _, bindings := range bootstrappolicy.NamespaceRoleBindings() {
		for _, binding := range bindings {
			maker.add("rolebindings", &binding, &binding.ObjectMeta, rbacv1.SchemeGroupVersion)
			maker.addAccounts(binding.Subjects)
		}
	}
	return maker.objects, maker.err
}

// maker collects objects.
type maker struct {
	created  metav1.Time
	accounts map[string]bool // service accounts that were added
	objects  []Object
	err      error
}

// add appends object, completed as by the API server: with the defaults of its version, a UID and a time.
func (m *maker) add(resource string, object runtime.Object, metadata *metav1.ObjectMeta, version schema.GroupVersion) {
	legacyscheme.Scheme.Default(object)
	metadata.UID = uuid.NewUUID()
	metadata.CreationTimestamp = m.created
	key := resource + "/" + metadata.Name
	if metadata.Namespace != "" {
		key = resource + "/" + metadata.Namespace + "/" + metadata.Name
	}
	serializer := protobuf.NewSerializer(legacyscheme.Scheme, legacyscheme.Scheme)
	value, err := runtime.Encode(legacyscheme.Codecs.EncoderForVersion(serializer, version), object)
	if err != nil {
		m.err = errors.Join(m.err, fmt.Errorf("%s: %w", key, err))
		return
	}
	m.objects = append(m.objects, Object{Key: key, Value: value})
}

// addAccounts appends the service accounts among the subjects of a binding.
func (m *maker) addAccounts(subjects []rbacv1.Subject) {
	for _, subject := range subjects {
		name := subject.Namespace + "/" + subject.Name
		if subject.Kind != rbacv1.ServiceAccountKind || m.accounts[name] {
			continue
		}
		m.accounts[name] = true
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: subject.Namespace, Name: subject.Name}}
		m.add("serviceaccounts", account, &account.ObjectMeta, corev1.SchemeGroupVersion)
	}
}

// roles is the prefix of objects that exist once an API server has used the database.
const roles = "clusterroles/"

// atOnce is the number of objects written concurrently: etcd writes them to the disk together.
const atOnce = 32

// Write writes the objects into a database that no API server has used yet, and returns how many were written: none if
// it was used. Existing objects are not replaced. It waits for the database until ctx ends.
func Write(ctx context.Context, database Database) (int, error) {
	files := transport.TLSInfo{TrustedCAFile: database.CAFile, CertFile: database.CertFile, KeyFile: database.KeyFile}
	tls, err := files.ClientConfig()
	if err != nil {
		return 0, err
	}
	if database.CAFile == "" && database.CertFile == "" {
		tls = nil
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   database.Servers,
		TLS:         tls,
		Logger:      zap.NewNop(), // the error has the same information
		DialOptions: []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.WaitForReady(true))},
	})
	if err != nil {
		return 0, err
	}
	defer client.Close() //nolint:errcheck // all requests have ended
	return write(ctx, client.KV, database.Prefix)
}

// write is Write with a client.
func write(ctx context.Context, database clientv3.KV, prefix string) (int, error) {
	prefix += "/"
	used, err := database.Get(ctx, prefix+roles, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil || used.Count > 0 {
		return 0, err
	}
	objects, err := Objects(time.Now())
	if err != nil {
		return 0, err
	}
	var (
		waiting sync.WaitGroup
		lock    sync.Mutex
		written int
		failed  error
	)
	places := make(chan struct{}, atOnce)
	for _, object := range objects {
		places <- struct{}{}
		waiting.Go(func() {
			defer func() { <-places }()
			key := prefix + object.Key
			// A separate transaction and revision for each object, as from the API server.
			answer, err := database.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", 0)).
				Then(clientv3.OpPut(key, string(object.Value))).Commit()
			lock.Lock()
			defer lock.Unlock()
			if err != nil {
				failed = err
			} else if answer.Succeeded {
				written++
			}
		})
	}
	waiting.Wait()
	return written, failed
}
