package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Manifests of the user, and what the node remembers of them.
const (
	userManifests  = "/etc/k8simg/manifests"
	inventoryFile  = "/var/lib/k8simg/manifests.json"
	triesFile      = "/run/k8simg/manifests-tries"
	manifestsLock  = "/run/k8simg/manifests.lock"
	manifestsUnit  = "k8simg-manifests.service"
	manifestSuffix = ".yaml"
)

// OriginLabel and its value are on every object that the program has applied. It deletes no other objects.
const (
	OriginLabel = "k8simg/origin"
	OriginValue = "manifests"
)

// fileAnnotation names the manifest of an object.
const fileAnnotation = "k8simg/manifest"

// mostManifestTries is the number of attempts to apply the same manifests between two starts of the machine.
const mostManifestTries = 10

// gaveUp is an error after which systemd does not run the verb again.
type gaveUp struct{ error }

func (g gaveUp) Unwrap() error { return g.error }

// Objects reads and changes objects of a cluster.
type Objects interface {
	// Key returns the key of an object, with the namespace in which it is or will be.
	Key(object *unstructured.Unstructured) (ObjectKey, error)
	// Apply applies an object server-side.
	Apply(ctx context.Context, key ObjectKey, object *unstructured.Unstructured) error
	// Prune deletes an object that has OriginLabel. An object without the label, or no object, is not an error.
	Prune(ctx context.Context, key ObjectKey) error
}

// manifest is a file with its objects.
type manifest struct {
	name    string
	objects []*unstructured.Unstructured
	err     error // why it has no objects
}

// readManifests reads the manifests in the order of their names, and returns a digest of their names and contents.
func (n *Node) readManifests() (found []manifest, digest string, err error) {
	entries, err := os.ReadDir(n.path(userManifests)) // sorted by name
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", err
	}
	sum := sha256.New()
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), manifestSuffix) || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(n.path(userManifests), entry.Name()))
		fmt.Fprintf(sum, "%q %q %v\n", entry.Name(), text, err) //nolint:errcheck // hashes return no errors
		one := manifest{name: entry.Name(), err: err}
		if err == nil {
			one.objects, one.err = readObjects(text)
		}
		found = append(found, one)
	}
	return found, hex.EncodeToString(sum.Sum(nil)), nil
}

// readObjects parses the objects of a manifest. One mistake makes the whole file invalid.
func readObjects(text []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for number := 1; ; number++ {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		switch {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, fmt.Errorf("document %d: %w", number, err)
		case len(object.Object) == 0:
			continue // only comments
		}
		if err := addObject(&objects, object); err != nil {
			return nil, fmt.Errorf("document %d: %w", number, err)
		}
	}
}

// addObject adds an object, or the objects of a List.
func addObject(objects *[]*unstructured.Unstructured, object *unstructured.Unstructured) error {
	if object.GetKind() == "List" {
		items, _, err := unstructured.NestedSlice(object.Object, "items")
		if err != nil {
			return err
		}
		for _, item := range items {
			content, ok := item.(map[string]any)
			if !ok {
				return errors.New("an item of a List is no object")
			}
			if err := addObject(objects, &unstructured.Unstructured{Object: content}); err != nil {
				return err
			}
		}
		return nil
	}
	switch {
	case object.GetKind() == "" || object.GetAPIVersion() == "":
		return errors.New("an object has no apiVersion or no kind")
	case object.GetName() == "":
		return fmt.Errorf("a %s has no metadata.name", object.GetKind())
	}
	*objects = append(*objects, object)
	return nil
}

// hasManifests reports whether there is something to apply or to delete.
func (n *Node) hasManifests() bool {
	found, _, err := n.readManifests()
	return err != nil || len(found) > 0 || n.exists(inventoryFile)
}

// startManifests starts the unit that applies the manifests, on a control plane that is complete.
func (n *Node) startManifests(ctx context.Context) {
	if !n.hasManifests() {
		return
	}
	if err := n.Units.Start(ctx, manifestsUnit); err != nil {
		n.note("%s could not be started: %v", manifestsUnit, err)
	}
}

// Apply applies the user's manifests to the cluster of this control plane, and deletes the objects of manifests that
// were removed.
func (n *Node) Apply(ctx context.Context) error {
	if situation := n.state.situation(); situation != ClusterDone {
		n.note("nothing is applied: this machine is not a complete control plane")
		return nil
	}
	if !n.hasManifests() {
		return nil
	}
	if err := os.MkdirAll(n.path("/run/k8simg"), 0o700); err != nil {
		return err
	}
	unlock, err := n.Files.Lock(n.path(manifestsLock))
	if err != nil {
		return err
	}
	defer unlock()
	waiting, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	if err := n.Cluster.AwaitReady(waiting, n.path(adminFile), n.state.Hostname); err != nil {
		return n.tryAgain("", fmt.Errorf("the node %s is not Ready: %w", n.state.Hostname, err))
	}
	objects, err := n.Cluster.Objects(n.path(adminFile))
	if err != nil {
		return n.tryAgain("", err)
	}
	for {
		found, digest, err := n.readManifests()
		if err != nil {
			return n.tryAgain("", err)
		}
		failures, err := n.applyAll(ctx, objects, found)
		if err != nil {
			return n.tryAgain(digest, err)
		}
		// systemd does not see changes while the unit runs.
		if _, now, err := n.readManifests(); err == nil && now != digest {
			continue
		}
		if failures > 0 {
			return n.tryAgain(digest, fmt.Errorf("errors in manifests: %d, see above", failures))
		}
		os.Remove(n.path(triesFile)) //nolint:errcheck // at worst, a later error has fewer attempts
		return nil
	}
}

// tryAgain counts the attempts to apply the same manifests. After the last one, the error is one after which systemd
// does not run the verb again.
func (n *Node) tryAgain(digest string, failure error) error {
	before, tries := "", 0
	fmt.Sscanf(n.readLine(triesFile), "%d %s", &tries, &before) //nolint:errcheck // zero tries without a file
	if before != digest {
		tries = 0
	}
	tries++
	line := fmt.Sprintf("%d %s\n", tries, digest)
	if err := os.WriteFile(n.path(triesFile), []byte(line), 0o600); err != nil {
		return gaveUp{errors.Join(failure, err)}
	}
	if tries < mostManifestTries {
		return failure
	}
	return gaveUp{fmt.Errorf("%w. This was attempt %d; the next one is at a change in %s, at the next start, or with "+
		"`systemctl restart %s`", failure, tries, userManifests, manifestsUnit)}
}

// application is one application of all manifests.
type application struct {
	*Node
	objects  Objects
	record   inventory
	desired  map[ObjectKey]string // the file of each object, by its key without a version
	troubled map[string]bool      // files with objects whose keys are not known
}

// applyAll applies all manifests, and returns the number of errors in them. An error of an object does not stop the
// others.
func (n *Node) applyAll(ctx context.Context, objects Objects, manifests []manifest) (int, error) {
	record, err := loadInventory(n.path(inventoryFile))
	if err != nil {
		return 0, fmt.Errorf("%s: %w. Remove the file: objects of manifests that were removed then stay", inventoryFile,
			err)
	}
	record.Failures = nil
	a := application{n, objects, record, map[ObjectKey]string{}, map[string]bool{}}
	for _, one := range manifests {
		if one.err != nil {
			a.troubled[one.name] = true
			a.fail(one.name, "", one.err)
			continue
		}
		for _, object := range one.objects {
			if err := a.apply(ctx, one.name, object); err != nil {
				return 0, err
			}
		}
	}
	if err := a.prune(ctx); err != nil {
		return 0, err
	}
	return len(a.record.Failures), a.save()
}

// fail records and logs an error of a manifest.
func (a *application) fail(file, object string, err error) {
	failure := Failure{File: file, Object: object, Error: oneLine(err)}
	a.record.Failures = append(a.record.Failures, failure)
	a.note("%s", failure)
}

// apply applies one object. It is in the inventory before it is in the cluster, so that an interruption loses none.
func (a *application) apply(ctx context.Context, file string, object *unstructured.Unstructured) error {
	key, err := a.objects.Key(object)
	if err != nil {
		a.troubled[file] = true
		a.fail(file, statedKey(object).String(), err)
		return ctx.Err()
	}
	if other, twice := a.desired[key.unversioned()]; twice {
		a.fail(file, key.String(), fmt.Errorf("the object is also in %s", other))
		return nil
	}
	a.desired[key.unversioned()] = file
	if a.record.add(Entry{key, file}) {
		if err := a.save(); err != nil {
			return err
		}
	}
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	if labels == nil {
		labels = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	labels[OriginLabel], annotations[fileAnnotation] = OriginValue, file
	object.SetLabels(labels)
	object.SetAnnotations(annotations)
	if err := a.objects.Apply(ctx, key, object); err != nil {
		a.fail(file, key.String(), err)
		return ctx.Err()
	}
	a.note("%s: %s applied", file, key)
	return nil
}

// prune deletes the objects that no manifest contains any more, the last applied first. Files with unknown objects keep
// theirs.
func (a *application) prune(ctx context.Context) error {
	var kept []Entry
	for _, entry := range slices.Backward(a.record.Objects) {
		if _, wanted := a.desired[entry.unversioned()]; wanted || a.troubled[entry.File] {
			kept = append(kept, entry)
			continue
		}
		if err := a.objects.Prune(ctx, entry.ObjectKey); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			a.fail(entry.File, entry.String(), fmt.Errorf("cannot be deleted: %w", err))
			kept = append(kept, entry)
			continue
		}
		a.note("%s: %s deleted", entry.File, entry)
	}
	slices.Reverse(kept)
	a.record.Objects = kept
	return nil
}

// save writes the inventory if it has changed.
func (a *application) save() error {
	_, err := a.write(inventoryFile, a.record.text(), 0o600)
	return err
}

// manifestLines returns what status shows of the manifests: nothing if there are none.
func (n *Node) manifestLines(add func(name, format string, arguments ...any)) {
	record, err := loadInventory(n.path(inventoryFile))
	switch {
	case err != nil:
		add("manifests", "%s: %v", inventoryFile, err)
	case len(record.Failures) > 0:
		add("manifests", "%d objects, %d failed: %s", len(record.Objects), len(record.Failures), record.Failures[0])
	case len(record.Objects) > 0:
		add("manifests", "%d objects applied", len(record.Objects))
	}
}
