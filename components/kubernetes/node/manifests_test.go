package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// boardObjects are the objects of the fake cluster. The kind Unknown does not exist, and Namespaces are in no
// namespace.
type boardObjects struct{ *board }

func (o boardObjects) Key(object *unstructured.Unstructured) (ObjectKey, error) {
	key := statedKey(object)
	switch {
	case key.Kind == "Unknown":
		return key, errors.New("no matches for kind")
	case key.Kind == "Namespace":
		key.Namespace = ""
	case key.Namespace == "":
		key.Namespace = "default"
	}
	return key, nil
}

func (o boardObjects) Apply(_ context.Context, key ObjectKey, object *unstructured.Unstructured) error {
	o.call("object %s", key)
	if err := o.event("object %s", key); err != nil {
		return err
	}
	if err := o.refused[key.Name]; err != nil {
		return err
	}
	if o.objects == nil {
		o.objects = map[ObjectKey]map[string]string{}
	}
	o.objects[key.unversioned()] = object.GetLabels()
	if o.onApply != nil {
		o.onApply(key.Name)
	}
	return nil
}

func (o boardObjects) Prune(_ context.Context, key ObjectKey) error {
	o.call("prune %s", key)
	if err := o.event("prune %s", key); err != nil {
		return err
	}
	if err := o.refused[key.Name]; err != nil {
		return err
	}
	delete(o.objects, key.unversioned())
	return nil
}

// names returns the names of the objects in the cluster, sorted.
func (o boardObjects) names() string {
	var names []string
	for key := range o.objects {
		names = append(names, key.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// controlPlaneBoard returns a machine with a complete control plane.
func controlPlaneBoard(t *testing.T) *board {
	t.Helper()
	b := newBoard(t, 1000)
	b.starts()
	b.notCalled("systemctl start " + manifestsUnit)
	return b
}

func configMap(name string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n", name)
}

func (b *board) manifest(name string, objects ...string) {
	b.t.Helper()
	b.put(userManifests+"/"+name, strings.Join(objects, "---\n"))
}

// inCluster compares the names of the objects in the cluster.
func (b *board) inCluster(wanted string) {
	b.t.Helper()
	if found := (boardObjects{b}).names(); found != wanted {
		b.t.Errorf("the cluster has %q instead of %q\n%s", found, wanted, b.journal.String())
	}
}

func TestManifestsAreAppliedInTheOrderOfTheirNames(t *testing.T) {
	b := controlPlaneBoard(t)
	b.manifest("20-b.yaml", configMap("b1"), "# nothing\n", configMap("b2"))
	b.manifest("10-a.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n",
		`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "json", "namespace": "a"}}`+"\n")
	b.manifest("30-list.yaml", "apiVersion: v1\nkind: List\nitems:\n- "+
		strings.ReplaceAll(strings.TrimSpace(configMap("c")), "\n", "\n  ")+"\n")
	b.manifest("40-other.yml", configMap("other"))
	b.manifest(".hidden.yaml", configMap("hidden"))
	b.must(b.power("apply"))
	var applied []string
	for _, call := range b.calls {
		if name, found := strings.CutPrefix(call, "object "); found {
			applied = append(applied, name)
		}
	}
	if found := strings.Join(applied, ", "); found != "Namespace a, ConfigMap a/json, ConfigMap default/b1, "+
		"ConfigMap default/b2, ConfigMap default/c" {
		t.Error(found)
	}
	if slices.Index(b.calls, "await node") > slices.Index(b.calls, "object Namespace a") {
		t.Errorf("it does not wait for the node: %q", b.calls)
	}
	b.called("lock manifests.lock", "objects with admin.conf")
	for key, labels := range b.objects {
		if labels[OriginLabel] != OriginValue {
			t.Errorf("%s has no label: %v", key, labels)
		}
	}
	b.must(b.power("status"))
	if !strings.Contains(b.out.String(), "manifests     5 objects applied\n") {
		t.Error(b.out.String())
	}
}

func TestObjectsOfRemovedManifestsAreDeleted(t *testing.T) {
	b := controlPlaneBoard(t)
	b.manifest("a.yaml", configMap("a1"), configMap("a2"), configMap("a3"))
	b.manifest("b.yaml", configMap("b"))
	b.must(b.power("apply"))
	b.inCluster("a1 a2 a3 b")
	b.remove(userManifests + "/a.yaml")
	b.manifest("c.yaml", configMap("a2")) // moved
	b.must(b.power("apply"))
	b.inCluster("a2 b")
	if first, second := slices.Index(b.calls, "prune ConfigMap default/a3"),
		slices.Index(b.calls, "prune ConfigMap default/a1"); first < 0 || first > second {
		t.Errorf("the last object is not the first to go: %q", b.calls)
	}
	b.must(b.power("apply"))
	b.notCalled("prune")
	b.remove(userManifests)
	b.must(b.power("apply"))
	b.inCluster("")
}

func TestAnErrorDoesNotStopOtherManifests(t *testing.T) {
	b := controlPlaneBoard(t)
	b.refused = map[string]error{"bad": errors.New("spec is\ninvalid")}
	b.manifest("10.yaml", configMap("bad"), configMap("good"))
	b.manifest("20.yaml", "a: [")
	b.manifest("30.yaml", "apiVersion: x/v1\nkind: Unknown\nmetadata: {name: u}\n", configMap("known"))
	b.manifest("40.yaml", configMap("good"))
	b.manifest("50.yaml", "apiVersion: v1\nkind: ConfigMap\n")
	b.manifest("60.yaml", configMap("last"))
	err := b.power("apply")
	if err == nil || errors.As(err, &gaveUp{}) {
		t.Fatal(err)
	}
	b.inCluster("good known last")
	for _, words := range []string{"10.yaml: ConfigMap default/bad: spec is invalid\n", "20.yaml: document 1: ",
		"30.yaml: Unknown u: no matches for kind\n", "40.yaml: ConfigMap default/good: the object is also in 10.yaml\n",
		"50.yaml: document 1: a ConfigMap has no metadata.name\n", "60.yaml: ConfigMap default/last applied\n"} {
		if !strings.Contains(b.journal.String(), words) {
			t.Errorf("the journal lacks %q: %s", words, b.journal.String())
		}
	}
	b.must(b.power("status"))
	if !strings.Contains(b.out.String(), "5 failed: 10.yaml: ConfigMap default/bad: spec is invalid") {
		t.Error(b.out.String())
	}
	b.refused = nil
	for _, name := range []string{"20.yaml", "30.yaml", "40.yaml", "50.yaml"} {
		b.remove(userManifests + "/" + name)
	}
	b.must(b.power("apply"))
	b.inCluster("bad good last")
	b.must(b.power("status"))
	if !strings.Contains(b.out.String(), "3 objects applied") {
		t.Error(b.out.String())
	}
}

func TestAManifestWithAMistakeKeepsItsObjects(t *testing.T) {
	b := controlPlaneBoard(t)
	b.manifest("a.yaml", configMap("a1"), configMap("a2"))
	b.manifest("b.yaml", configMap("b"))
	b.must(b.power("apply"))
	b.manifest("a.yaml", "a: [")
	b.remove(userManifests + "/b.yaml")
	if b.power("apply") == nil {
		t.Error("a mistake is a success")
	}
	b.inCluster("a1 a2")
	b.manifest("a.yaml", configMap("a2"))
	b.refused = map[string]error{"a1": errors.New("it has a finalizer")}
	if b.power("apply") == nil ||
		!strings.Contains(b.journal.String(), "a.yaml: ConfigMap default/a1: cannot be deleted") {
		t.Error(b.journal.String())
	}
	b.refused = nil
	b.must(b.power("apply"))
	b.inCluster("a2")
}

// TestNoObjectIsForgotten ends the program at each of its events. What it has applied is deleted later, when its
// manifest is gone.
func TestNoObjectIsForgotten(t *testing.T) {
	for at := 1; ; at++ {
		b := controlPlaneBoard(t)
		b.manifest("a.yaml", configMap("a1"), configMap("a2"))
		b.killAt = at
		if b.power("apply"); !b.dead { //nolint:errcheck // it is killed
			if at < 6 {
				t.Errorf("only %d events", at)
			}
			return
		}
		b.killAt = -1
		b.remove(userManifests)
		b.must(b.power("apply"))
		b.inCluster("")
	}
}

func TestChangesWhileManifestsAreApplied(t *testing.T) {
	b := controlPlaneBoard(t)
	b.manifest("a.yaml", configMap("a"))
	b.onApply = func(name string) {
		if name == "a" {
			b.manifest("b.yaml", configMap("b"))
		}
	}
	b.must(b.power("apply"))
	b.inCluster("a b")
}

func TestAttemptsAreLimited(t *testing.T) {
	b := controlPlaneBoard(t)
	b.manifest("a.yaml", "a: [")
	for tries := 1; tries < mostManifestTries; tries++ {
		if err := b.power("apply"); err == nil || errors.As(err, &gaveUp{}) {
			t.Fatalf("attempt %d: %v", tries, err)
		}
	}
	for range 2 {
		err := b.power("apply")
		var problems strings.Builder
		if !errors.As(err, &gaveUp{}) || exitCode(err, &problems) != 3 || !strings.Contains(problems.String(), "attempt 1") {
			t.Fatalf("%v %s", err, problems.String())
		}
	}
	// Another file is another attempt.
	b.manifest("b.yaml", configMap("b"))
	if err := b.power("apply"); err == nil || errors.As(err, &gaveUp{}) {
		t.Fatal(err)
	}
	b.manifest("a.yaml", configMap("a"))
	b.must(b.power("apply"))
	if b.has(triesFile) {
		t.Error("a success does not end the count")
	}
	b.notReady = errors.New("timeout")
	if err := b.power("apply"); err == nil || !strings.Contains(err.Error(), "the node node is not Ready: timeout") {
		t.Error(err)
	}
	b.notCalled("object")
}

func TestOnlyAControlPlaneAppliesManifests(t *testing.T) {
	b := newBoard(t, 1000)
	b.manifest("a.yaml", configMap("a"))
	b.must(b.power("apply"))
	b.notCalled("await", "objects")
	for _, state := range []State{{Role: worker, Phase: done}, {Role: standalone, Phase: done},
		{Role: single, Phase: initialising}, {Role: single, Phase: resetting}} {
		b.put(stateFile, state.text())
		b.must(b.power("apply"))
		b.notCalled("await", "objects")
	}
	b.put(inventoryFile, "{")
	b.put(stateFile, State{Role: single, Phase: done, Hostname: "node"}.text())
	if err := b.power("apply"); err == nil || !strings.Contains(err.Error(), inventoryFile) {
		t.Error(err)
	}
}

// TestTheStartStartsTheUnit starts the unit when the cluster was created, and at each later start.
func TestTheStartStartsTheUnit(t *testing.T) {
	b := newBoard(t, 1000)
	b.manifest("a.yaml", configMap("a"))
	b.starts()
	b.called("systemctl start " + manifestsUnit)
	b.boot()
	b.starts()
	b.called("systemctl start " + manifestsUnit)
	b.put(inventoryFile, "{}")
	b.must(b.power("reset"))
	if b.has(inventoryFile) {
		t.Error("the inventory of a deleted cluster stays")
	}
}
