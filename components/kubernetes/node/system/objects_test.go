package system

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"hyperkube/node"
)

// objectServer is an API server with ConfigMaps, Namespaces, CustomResourceDefinitions, and the kind that a
// CustomResourceDefinition adds.
type objectServer struct {
	*httptest.Server
	lock     sync.Mutex
	objects  map[string]map[string]any // by path
	requests []string
	widgets  bool // the kind Widget is served
	gets     int  // requests for the definition, of which the first ones find it not established
}

func startObjects(t *testing.T) (*objectServer, node.Objects) {
	t.Helper()
	server := &objectServer{objects: map[string]map[string]any{}}
	server.Server = httptest.NewServer(server)
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "admin.conf")
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "x", `+
		`"clusters": [{"name": "x", "cluster": {"server": %q}}], "users": [{"name": "x", "user": {}}], `+
		`"contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}]}`, server.URL)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := cluster{}.Objects(path)
	if err != nil {
		t.Fatal(err)
	}
	return server, found
}

// discovery returns the answer to a request of the discovery API, or nil.
func (s *objectServer) discovery(path string) any {
	resource := func(name, kind string, namespaced bool) metav1.APIResource {
		return metav1.APIResource{Name: name, Kind: kind, Namespaced: namespaced, Verbs: []string{"get", "patch"}}
	}
	list := func(version string, resources ...metav1.APIResource) any {
		return metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
			GroupVersion: version, APIResources: resources}
	}
	group := func(name string) metav1.APIGroup {
		version := metav1.GroupVersionForDiscovery{GroupVersion: name + "/v1", Version: "v1"}
		return metav1.APIGroup{Name: name, Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version}
	}
	switch path {
	case "/api":
		return metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}}
	case "/apis":
		groups := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"},
			Groups: []metav1.APIGroup{group("apiextensions.k8s.io")}}
		if s.widgets {
			groups.Groups = append(groups.Groups, group("toys.example"))
		}
		return groups
	case "/api/v1":
		return list("v1", resource("configmaps", "ConfigMap", true), resource("namespaces", "Namespace", false))
	case "/apis/apiextensions.k8s.io/v1":
		return list("apiextensions.k8s.io/v1", resource("customresourcedefinitions", "CustomResourceDefinition", false))
	case "/apis/toys.example/v1":
		return list("toys.example/v1", resource("widgets", "Widget", true))
	}
	return nil
}

func (s *objectServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.lock.Lock()
	defer s.lock.Unlock()
	w.Header().Set("Content-Type", "application/json")
	answer := func(status int, object any) {
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(object) //nolint:errcheck // the client sees it
	}
	if found := s.discovery(r.URL.Path); found != nil {
		answer(http.StatusOK, found)
		return
	}
	body, _ := io.ReadAll(r.Body) //nolint:errcheck // the test sees what is missing
	s.requests = append(s.requests, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
	object, there := s.objects[r.URL.Path]
	missing := metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure",
		Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound}
	switch {
	case r.Method == http.MethodPatch:
		applied := map[string]any{}
		if err := json.Unmarshal(body, &applied); err != nil {
			panic(err)
		}
		applied["metadata"].(map[string]any)["uid"] = "the-uid"
		s.objects[r.URL.Path] = applied
		answer(http.StatusOK, applied)
	case !there:
		answer(http.StatusNotFound, missing)
	case r.Method == http.MethodDelete:
		delete(s.objects, r.URL.Path)
		answer(http.StatusOK, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
			Status: "Success"})
	default:
		if s.gets++; strings.Contains(r.URL.Path, "customresourcedefinitions") && s.gets > 2 {
			s.widgets = true
			object["status"] = map[string]any{"conditions": []any{
				map[string]any{"type": "Established", "status": "True"}}}
		}
		answer(http.StatusOK, object)
	}
}

func object(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	made := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind}}
	made.SetName(name)
	made.SetNamespace(namespace)
	return made
}

// apply applies an object with the label of manifests.
func apply(t *testing.T, to node.Objects, one *unstructured.Unstructured) node.ObjectKey {
	t.Helper()
	one.SetLabels(map[string]string{node.OriginLabel: node.OriginValue})
	key, err := to.Key(one)
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Apply(t.Context(), key, one); err != nil {
		t.Fatal(err)
	}
	return key
}

func TestObjectsAreAppliedToTheirResources(t *testing.T) {
	server, found := startObjects(t)
	for _, c := range []struct {
		one    *unstructured.Unstructured
		key    string
		wanted string
	}{
		{object("v1", "ConfigMap", "", "c"), "ConfigMap default/c", "/api/v1/namespaces/default/configmaps/c"},
		{object("v1", "ConfigMap", "app", "c"), "ConfigMap app/c", "/api/v1/namespaces/app/configmaps/c"},
		{object("v1", "Namespace", "ignored", "app"), "Namespace app", "/api/v1/namespaces/app"},
	} {
		if key := apply(t, found, c.one); key.String() != c.key {
			t.Errorf("%s instead of %s", key, c.key)
		}
		last := server.requests[len(server.requests)-1]
		if !strings.HasPrefix(last, "PATCH "+c.wanted+"?fieldManager=k8simg&force=true&") {
			t.Error(last)
		}
	}
	if _, err := found.Key(object("toys.example/v1", "Widget", "", "w")); err == nil ||
		!strings.Contains(err.Error(), "Widget") {
		t.Errorf("an unknown kind: %v", err)
	}
}

// TestAKindThatAManifestAdds applies an object of a kind that the object before it has added.
func TestAKindThatAManifestAdds(t *testing.T) {
	server, found := startObjects(t)
	if _, err := found.Key(object("toys.example/v1", "Widget", "", "w")); err == nil {
		t.Error("the kind is known too early")
	}
	apply(t, found, object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "widgets.toys.example"))
	if key := apply(t, found, object("toys.example/v1", "Widget", "", "w")); key.String() != "Widget default/w" {
		t.Error(key)
	}
	if _, there := server.objects["/apis/toys.example/v1/namespaces/default/widgets/w"]; !there {
		t.Error(server.requests)
	}
}

func TestOnlyObjectsWithTheLabelAreDeleted(t *testing.T) {
	server, found := startObjects(t)
	key := apply(t, found, object("v1", "ConfigMap", "", "c"))
	const path = "/api/v1/namespaces/default/configmaps/c"
	metadata := server.objects[path]["metadata"].(map[string]any)
	labels := metadata["labels"]
	metadata["labels"] = map[string]any{}
	if err := found.Prune(t.Context(), key); err != nil || server.objects[path] == nil {
		t.Errorf("an object without the label: %v", err)
	}
	metadata["labels"] = labels
	if err := found.Prune(t.Context(), key); err != nil || server.objects[path] != nil {
		t.Errorf("an object with the label: %v", err)
	}
	if last := server.requests[len(server.requests)-1]; !strings.HasPrefix(last, "DELETE "+path) ||
		!strings.Contains(last, "the-uid") || !strings.Contains(last, "Background") {
		t.Error(last)
	}
	if err := found.Prune(t.Context(), key); err != nil {
		t.Errorf("an object that is not there: %v", err)
	}
	if err := found.Prune(t.Context(), node.ObjectKey{APIVersion: "toys.example/v1", Kind: "Widget", Namespace: "a",
		Name: "w"}); err != nil {
		t.Errorf("a kind that is not there: %v", err)
	}
	server.Close()
	if err := found.Prune(t.Context(), key); err == nil {
		t.Error("a server that does not answer is no success")
	}
}
