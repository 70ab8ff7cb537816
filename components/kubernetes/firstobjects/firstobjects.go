// Package firstobjects writes what a new cluster begins with into its database before its API server asks for it.
//
// An API server that finds an empty database makes some 140 roles and bindings, and is not ready before the last: two
// requests to itself for each, one after the other, through everything that a stranger's request goes through. The
// controller manager then makes an account for each of its controllers in the same way. On a small machine that takes
// longer than all else that a first start does. Here the same objects go to the database at once, while the API server
// is still reading its own description; it then finds each of them as it would have made it, and what is missing or
// different it still makes itself.
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

// Variable asks for the objects when it is "1" in an API server's environment. Without it an API server begins as
// upstream's does.
const Variable = "HYPERKUBE_FIRST_OBJECTS"

// Database is where an API server keeps its objects: the values of its flags --etcd-servers, --etcd-prefix,
// --etcd-cafile, --etcd-certfile and --etcd-keyfile.
type Database struct {
	Servers                   []string
	Prefix                    string
	CAFile, CertFile, KeyFile string
}

// Object is one of them as the database holds it.
type Object struct {
	Key   string // below the prefix, without a slash before it: clusterroles/view, roles/kube-system/NAME
	Value []byte // protocol buffers behind the four bytes that say so, in the version that is stored
}

// Objects are the roles and bindings of the authorizer's policy, and the service accounts that the bindings name. Each
// has its own UID; created says when they were made.
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

type maker struct {
	created  metav1.Time
	accounts map[string]bool
	objects  []Object
	err      error
}

// add appends object, completed as the API server completes what it is given: with the defaults of its version, a UID
// and a time.
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

// roles is what a database has at least one of once an API server was there.
const roles = "clusterroles/"

// atOnce is how many objects are on their way to the database together: it writes these to the disk in one go.
const atOnce = 32

// Write puts the objects into a database that no API server has used yet, and says how many were written: none when it
// was. What exists is never replaced. It waits for the database until ctx ends.
func Write(ctx context.Context, database Database) (int, error) {
	tls, err := (transport.TLSInfo{TrustedCAFile: database.CAFile, CertFile: database.CertFile, KeyFile: database.KeyFile}).ClientConfig()
	if err != nil {
		return 0, err
	}
	if database.CAFile == "" && database.CertFile == "" {
		tls = nil
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   database.Servers,
		TLS:         tls,
		Logger:      zap.NewNop(), // says nothing that the error does not
		DialOptions: []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.WaitForReady(true))},
	})
	if err != nil {
		return 0, err
	}
	defer client.Close() //nolint:errcheck // everything has been answered
	return write(ctx, client.KV, database.Prefix)
}

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
			// A revision of its own for each, as if it had been written by the API server.
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
