package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"k8simg/components/maintscript/eval"
	"k8simg/components/maintscript/vfs"
)

// node of a tree. Names need not be UTF-8, and JSON must be: each byte of a path or target stands for the character
// of
// that number.
type node struct {
	Path     string            `json:"path"` // without a leading slash
	Type     string            `json:"type"` // file, directory, symlink, char, block, fifo, socket
	Mode     uint32            `json:"mode"`
	UID      uint32            `json:"uid"`
	GID      uint32            `json:"gid"`
	MTime    int64             `json:"mtime"`
	Size     int64             `json:"size"`
	Target   string            `json:"target,omitempty"`
	Device   uint64            `json:"device,omitempty"`
	Link     string            `json:"link,omitempty"`     // path of the same file with another name
	Xattrs   map[string]string `json:"xattrs,omitempty"`   // values as hexadecimal digits
	Source   string            `json:"source,omitempty"`   // request: the file's content, a path below BLOBS
	Excluded bool              `json:"excluded,omitempty"` // request: the image leaves it out in the end
	By       string            `json:"by,omitempty"`       // result: the script
	Content  string            `json:"content,omitempty"`  // result: a file below OUT; "" for what was not changed
}

type requestFile struct {
	eval.Request
	Nodes     []node `json:"nodes"`
	Contested []struct {
		First  contestant `json:"first"`
		Second contestant `json:"second"`
	} `json:"contested"`
}

// contestant is the file of one package at a path that two packages have.
type contestant struct {
	Package string `json:"package"`
	Origin  string `json:"origin"`
	Node    node   `json:"node"`
}

type removal struct {
	Path string `json:"path"`
	By   string `json:"by"`
}

type result struct {
	Report  *eval.Report `json:"report"`
	Nodes   []node       `json:"nodes"`
	Removed []removal    `json:"removed"`
}

var typeNames = []string{"file", "directory", "symlink", "char", "block", "fifo", "socket"}

func typeOf(name string) (vfs.Type, error) {
	for number, each := range typeNames {
		if each == name {
			return vfs.Type(number), nil
		}
	}
	return 0, fmt.Errorf("unknown type of node %q", name)
}

func fromText(text string) (string, error) {
	var out []byte
	for _, r := range text {
		if r > 0xff {
			return "", errPath
		}
		out = append(out, byte(r))
	}
	return string(out), nil
}

func toText(name string) string {
	var out strings.Builder
	for i := 0; i < len(name); i++ {
		out.WriteRune(rune(name[i]))
	}
	return out.String()
}

func readRequest(file, blobs string) (*eval.Request, *vfs.FS, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	var read requestFile
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&read); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	request := read.Request
	request.Excluded = map[string]bool{}
	fs := vfs.New(request.Date)
	for _, p := range request.Packages {
		for i := range p.Files {
			if p.Files[i], err = fromText(p.Files[i]); err != nil {
				return nil, nil, err
			}
		}
		sort.Strings(p.Files)
	}
	// Directories come before what they hold, and links after what they name.
	sort.SliceStable(read.Nodes, func(i, j int) bool {
		a, b := read.Nodes[i], read.Nodes[j]
		if (a.Link != "") != (b.Link != "") {
			return b.Link != ""
		}
		return a.Path < b.Path
	})
	request.Packages = eval.Order(request.Packages)
	for _, each := range read.Nodes {
		if err := addNode(fs, &request, each, blobs); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", each.Path, err)
		}
	}
	request.Contested = map[string][]eval.Contestant{}
	for _, each := range read.Contested {
		for _, one := range []contestant{each.First, each.Second} {
			made, err := one.read(blobs)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", one.Node.Path, err)
			}
			name, _ := fromText(one.Node.Path)
			request.AddContestant("/"+name, made)
		}
	}
	return &request, fs, nil
}

func (c contestant) read(blobs string) (eval.Contestant, error) {
	n, load, err := nodeOf(c.Node, blobs)
	n.Changed = c.Origin
	return eval.Contestant{Package: c.Package, Node: n, Size: c.Node.Size, Load: load}, err
}

func addNode(fs *vfs.FS, request *eval.Request, each node, blobs string) error {
	name, err := fromText(each.Path)
	if err != nil {
		return err
	}
	at := "/" + name
	if each.Excluded {
		request.Excluded[at] = true
	}
	if each.Link != "" {
		link, err := fromText(each.Link)
		if err != nil {
			return err
		}
		return fs.PutLink("/"+link, at)
	}
	n, load, err := nodeOf(each, blobs)
	if err != nil {
		return err
	}
	return fs.Put(at, n, each.Size, load)
}

// nodeOf gives a node and what loads its content.
func nodeOf(each node, blobs string) (vfs.Node, func() ([]byte, error), error) {
	kind, err := typeOf(each.Type)
	if err != nil {
		return vfs.Node{}, nil, err
	}
	target, err := fromText(each.Target)
	if err != nil {
		return vfs.Node{}, nil, err
	}
	n := vfs.Node{Type: kind, Mode: each.Mode, UID: each.UID, GID: each.GID, MTime: each.MTime, Target: target,
		Device: each.Device}
	for name, value := range each.Xattrs {
		if n.Xattrs == nil {
			n.Xattrs = map[string][]byte{}
		}
		if n.Xattrs[name], err = hex.DecodeString(value); err != nil {
			return n, nil, err
		}
	}
	if kind == vfs.File && each.Size > 0 {
		return n, func() ([]byte, error) { return readBlob(blobs, each.Source), nil }, nil
	}
	return n, nil, nil
}

// readBlob reads a content, which is named by its SHA-256. A damaged one ends the program: no script may go on with
// it.
func readBlob(blobs, source string) []byte {
	data, err := os.ReadFile(filepath.Join(blobs, source))
	if err == nil && fmt.Sprintf("%x", sha256.Sum256(data)) != strings.ReplaceAll(source, "/", "") {
		err = fmt.Errorf("the blob %s is damaged", source)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "maintscript:", err)
		os.Exit(1)
	}
	return data
}

// state of a path before the evaluation.
type state struct {
	node  *vfs.Node
	value vfs.Node
}

func snapshot(entries []vfs.Entry) map[string]state {
	given := make(map[string]state, len(entries))
	for _, e := range entries {
		given[e.Path] = state{e.Node, *e.Node}
	}
	return given
}

func sameMetadata(a, b vfs.Node) bool {
	if a.Type != b.Type || a.Mode != b.Mode || a.UID != b.UID || a.GID != b.GID || a.Target != b.Target ||
		a.Device != b.Device || len(a.Xattrs) != len(b.Xattrs) {
		return false
	}
	for name, value := range a.Xattrs {
		if !bytes.Equal(value, b.Xattrs[name]) {
			return false
		}
	}
	return true
}

// sameContent compares a file with what it was, which may be another node of the same path.
func sameContent(old state, now *vfs.Node) (bool, error) {
	if now.Type != vfs.File || old.node == now && !now.Written() {
		return true, nil
	}
	if old.value.Size() != now.Size() {
		return false, nil
	}
	was, err := old.value.Content()
	if err != nil {
		return false, err
	}
	is, err := now.Content()
	return bytes.Equal(was, is), err
}

// isVolatile: what lies in these folders does not outlive the installation.
func isVolatile(name string) bool {
	for _, folder := range []string{"run/", "tmp/", "var/tmp/", "dev/", "proc/", "sys/"} {
		if strings.HasPrefix(name, folder) {
			return true
		}
	}
	return false
}

func writeResult(out string, machine *eval.Machine, given map[string]state) error {
	r := result{Report: &machine.Report, Nodes: []node{}, Removed: []removal{}}
	entries := machine.FS.Entries()
	for i, each := range machine.Report.Diverted {
		machine.Report.Diverted[i] = toText(each)
	}
	names := map[*vfs.Node]string{} // first path of a node
	written := map[*vfs.Node]string{}
	there := make(map[string]bool, len(entries))
	if err := os.MkdirAll(filepath.Join(out, "files"), 0o755); err != nil {
		return err
	}
	for _, e := range entries {
		there[e.Path] = true
		if isVolatile(e.Path) {
			continue
		}
		first, further := names[e.Node]
		if !further {
			names[e.Node] = e.Path
		}
		old, known := given[e.Path]
		same, err := true, error(nil)
		if known {
			same, err = sameContent(old, e.Node)
		}
		if err != nil {
			return err
		}
		if known && same && sameMetadata(old.value, *e.Node) && (old.node == e.Node || e.Node.Type == vfs.File &&
			!further || e.Node.Type != vfs.File) {
			continue
		}
		change := node{Path: toText(e.Path), Type: typeNames[e.Node.Type], Mode: e.Node.Mode, UID: e.Node.UID,
			GID:   e.Node.GID,
			MTime: e.Node.MTime, Size: e.Node.Size(), Target: toText(e.Node.Target), Device: e.Node.Device, By: e.Node.Changed}
		for name, value := range e.Node.Xattrs {
			if change.Xattrs == nil {
				change.Xattrs = map[string]string{}
			}
			change.Xattrs[name] = hex.EncodeToString(value)
		}
		if further && e.Node.Type == vfs.File {
			change.Link = toText(first)
		}
		if e.Node.Type == vfs.File && !(known && same) {
			name, ok := written[e.Node]
			if !ok {
				name = fmt.Sprintf("files/%d", len(written))
				written[e.Node] = name
				data, err := e.Node.Content()
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(out, name), data, 0o644); err != nil {
					return err
				}
			}
			change.Content = name
		}
		r.Nodes = append(r.Nodes, change)
	}
	for name := range given {
		if !there[name] && !isVolatile(name) {
			r.Removed = append(r.Removed, removal{toText(name), machine.FS.RemovedBy("/" + name)})
		}
	}
	sort.Slice(r.Removed, func(i, j int) bool { return r.Removed[i].Path < r.Removed[j].Path })
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "result.json"), data, 0o644)
}
