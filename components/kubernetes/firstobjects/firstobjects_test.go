package firstobjects

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/component-helpers/auth/rbac/reconciliation"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"
)

var moment = time.Date(2026, 11, 1, 12, 0, 0, 7, time.UTC)

// stored returns Objects decoded as a reader of the database does.
func stored(t *testing.T) map[string]runtime.Object {
	t.Helper()
	objects, err := Objects(moment)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]runtime.Object{}
	uids := map[string]bool{}
	for _, object := range objects {
		decoded, _, err := legacyscheme.Codecs.UniversalDeserializer().Decode(object.Value, nil, nil)
		if err != nil {
			t.Fatalf("%s: %v", object.Key, err)
		}
		metadata, err := meta.Accessor(decoded)
		if err != nil {
			t.Fatal(err)
		}
		if uid := string(metadata.GetUID()); uid == "" || uids[uid] {
			t.Errorf("%s has no UID of its own: %q", object.Key, uid)
		} else {
			uids[uid] = true
		}
		if !metadata.GetCreationTimestamp().Time.Equal(moment.Truncate(time.Second)) {
			t.Errorf("%s was made at %v", object.Key, metadata.GetCreationTimestamp())
		}
		if found[object.Key] != nil {
			t.Errorf("%s is there twice", object.Key)
		}
		found[object.Key] = decoded
	}
	return found
}

// roleReader returns the existing roles to the API server's reconciliation; a dry run writes nothing.
type roleReader struct {
	reconciliation.RuleOwnerModifier
	objects map[string]runtime.Object
}

func (r roleReader) Get(namespace, name string) (reconciliation.RuleOwner, error) {
	if namespace == "" {
		return reconciliation.ClusterRoleRuleOwner{ClusterRole: r.objects["clusterroles/"+name].(*rbacv1.ClusterRole)}, nil
	}
	return reconciliation.RoleRuleOwner{Role: r.objects["roles/"+namespace+"/"+name].(*rbacv1.Role)}, nil
}

// bindingReader is the same for bindings.
type bindingReader struct {
	reconciliation.RoleBindingModifier
	objects map[string]runtime.Object
}

func (r bindingReader) Get(namespace, name string) (reconciliation.RoleBinding, error) {
	if namespace == "" {
		binding := r.objects["clusterrolebindings/"+name].(*rbacv1.ClusterRoleBinding)
		return reconciliation.ClusterRoleBindingAdapter{ClusterRoleBinding: binding}, nil
	}
	binding := r.objects["rolebindings/"+namespace+"/"+name].(*rbacv1.RoleBinding)
	return reconciliation.RoleBindingAdapter{RoleBinding: binding}, nil
}

// The API server reconciles each role and binding at its start, and must find no difference.
func TestNothingIsLeftToReconcile(t *testing.T) {
	known := stored(t)
	looked := 0
	role := func(owner reconciliation.RuleOwner) {
		looked++
		options := reconciliation.ReconcileRoleOptions{Role: owner, Client: roleReader{objects: known}}
		if result, err := options.Run(); err != nil || result.Operation != reconciliation.ReconcileNone {
			t.Errorf("role %s/%s: %v, %v", owner.GetNamespace(), owner.GetName(), result, err)
		}
	}
	binding := func(b reconciliation.RoleBinding) {
		looked++
		options := reconciliation.ReconcileRoleBindingOptions{RoleBinding: b, Client: bindingReader{objects: known}}
		if result, err := options.Run(); err != nil || result.Operation != reconciliation.ReconcileNone {
			t.Errorf("binding %s/%s: %v, %v", b.GetNamespace(), b.GetName(), result, err)
		}
	}
	for _, r := range append(bootstrappolicy.ClusterRoles(), bootstrappolicy.ControllerRoles()...) {
		role(reconciliation.ClusterRoleRuleOwner{ClusterRole: &r})
	}
	for _, b := range append(bootstrappolicy.ClusterRoleBindings(), bootstrappolicy.ControllerRoleBindings()...) {
		binding(reconciliation.ClusterRoleBindingAdapter{ClusterRoleBinding: &b})
	}
	for _, roles := range bootstrappolicy.NamespaceRoles() {
		for _, r := range roles {
			role(reconciliation.RoleRuleOwner{Role: &r})
		}
	}
	for _, bindings := range bootstrappolicy.NamespaceRoleBindings() {
		for _, b := range bindings {
			binding(reconciliation.RoleBindingAdapter{RoleBinding: &b})
		}
	}
	accounts := 0
	for key, object := range known {
		if account, is := object.(*corev1.ServiceAccount); is {
			accounts++
			if key != "serviceaccounts/"+account.Namespace+"/"+account.Name {
				t.Errorf("%s is the account %s/%s", key, account.Namespace, account.Name)
			}
		}
	}
	if known["serviceaccounts/kube-system/daemon-set-controller"] == nil {
		t.Error("the controllers have no accounts")
	}
	if looked+accounts != len(known) {
		t.Errorf("%d objects, of which %d are accounts and %d are reconciled", len(known), accounts, looked)
	}
}

// newEtcd starts an etcd and returns a client for it.
func newEtcd(t *testing.T) *clientv3.Client {
	t.Helper()
	config := embed.NewConfig()
	config.Dir = t.TempDir()
	config.LogLevel = "fatal" // it logs its end as an error
	local := url.URL{Scheme: "unix", Host: "peer:1"}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{local}, []url.URL{local}
	local.Host = "client:1"
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{local}, []url.URL{local}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	t.Chdir(config.Dir) // where its sockets are
	server, err := embed.StartEtcd(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{local.String()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() }) //nolint:errcheck // the test is over
	return client
}

func TestWrite(t *testing.T) {
	client := newEtcd(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// An object that existed before the API server.
	const kept = "/registry/serviceaccounts/kube-system/job-controller"
	if _, err := client.Put(ctx, kept, "mine"); err != nil {
		t.Fatal(err)
	}
	objects, err := Objects(moment)
	if err != nil {
		t.Fatal(err)
	}
	written, err := Write(ctx, Database{Servers: client.Endpoints(), Prefix: "/registry"})
	if err != nil || written != len(objects)-1 {
		t.Fatalf("%d of %d objects were written: %v", written, len(objects), err)
	}
	answer, err := client.Get(ctx, "/registry/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	var expected, found []string
	revisions := map[int64]bool{}
	for _, object := range objects {
		expected = append(expected, "/registry/"+object.Key)
	}
	for _, pair := range answer.Kvs {
		found = append(found, string(pair.Key))
		if revisions[pair.ModRevision] {
			t.Errorf("%s shares its revision", pair.Key)
		}
		revisions[pair.ModRevision] = true
		if string(pair.Key) == kept && string(pair.Value) != "mine" {
			t.Errorf("%s was replaced", kept)
		}
	}
	slices.Sort(expected)
	if !slices.Equal(expected, found) {
		t.Errorf("expected\n%s\nfound\n%s", strings.Join(expected, "\n"), strings.Join(found, "\n"))
	}
	// In an existing cluster, deleted objects are not written again.
	if _, err := client.Delete(ctx, "/registry/clusterroles/view"); err != nil {
		t.Fatal(err)
	}
	if written, err := Write(ctx, Database{Servers: client.Endpoints(), Prefix: "/registry"}); err != nil || written != 0 {
		t.Errorf("a second start wrote %d objects: %v", written, err)
	}
}

func TestNoDatabaseIsAnErrorOnceTimeIsUp(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	nobody := Database{Servers: []string{"unix://nobody:1"}, Prefix: "/registry"}
	if written, err := Write(ctx, nobody); err == nil || written != 0 {
		t.Errorf("%d objects, error %v", written, err)
	}
	_, err := Write(ctx, Database{Servers: []string{"https:..a:1"}, CAFile: "nowhere"})
	if err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a missing certificate is told as %v", err)
	}
}
