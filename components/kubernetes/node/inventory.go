package node

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ObjectKey identifies an object of the API.
type ObjectKey struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}

// statedKey returns the key that a manifest states for an object. Its namespace may be missing.
func statedKey(object *unstructured.Unstructured) ObjectKey {
	return ObjectKey{object.GetAPIVersion(), object.GetKind(), object.GetNamespace(), object.GetName()}
}

func (k ObjectKey) String() string {
	if k.Namespace == "" {
		return k.Kind + " " + k.Name
	}
	return k.Kind + " " + k.Namespace + "/" + k.Name
}

// unversioned returns the key with the API group alone: an object is the same in each version of its group.
func (k ObjectKey) unversioned() ObjectKey {
	if parsed, err := schema.ParseGroupVersion(k.APIVersion); err == nil {
		k.APIVersion = parsed.Group
	}
	return k
}

// Entry is an object that was applied, with its manifest.
type Entry struct {
	ObjectKey
	File string `json:"file"`
}

// Failure is an error of a manifest, or of an object in it.
type Failure struct {
	File   string `json:"file"`
	Object string `json:"object,omitempty"`
	Error  string `json:"error"`
}

func (f Failure) String() string {
	if f.Object == "" {
		return f.File + ": " + f.Error
	}
	return f.File + ": " + f.Object + ": " + f.Error
}

// inventory is the content of the inventory file: the objects in the order in which they were first applied, and the
// errors of the last application.
type inventory struct {
	Objects  []Entry   `json:"objects"`
	Failures []Failure `json:"failures,omitempty"`
}

// loadInventory reads an inventory. A missing file is an empty one.
func loadInventory(path string) (found inventory, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return found, err
	}
	return found, json.Unmarshal(text, &found)
}

// add adds or updates an entry, and reports whether the object is new.
func (i *inventory) add(entry Entry) bool {
	for at := range i.Objects {
		if i.Objects[at].unversioned() == entry.unversioned() {
			i.Objects[at] = entry
			return false
		}
	}
	i.Objects = append(i.Objects, entry)
	return true
}

func (i *inventory) text() string {
	text, err := json.MarshalIndent(i, "", " ")
	if err != nil {
		panic(err) // strings only
	}
	return string(text) + "\n"
}
