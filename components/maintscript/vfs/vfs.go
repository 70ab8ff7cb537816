// Package vfs holds a filesystem in memory. It is the only filesystem that maintainer scripts can reach: there is no
// path out of it, so a script cannot read or write anything of the build machine.
package vfs

import (
	"errors"
	"io/fs"
	"path"
	"sort"
	"strings"
	"sync"
	"syscall"
)

// Type of a node.
type Type byte

// The types of nodes.
const (
	File Type = iota
	Directory
	Symlink
	CharDevice
	BlockDevice
	Fifo
	Socket
)

// Node is an inode. Hard links are several names of one node.
type Node struct {
	Type     Type
	Mode     uint32 // permission bits, with set-id bits and sticky bit
	UID, GID uint32
	MTime    int64
	Target   string            // of a symlink
	Device   uint64            // of a device
	Xattrs   map[string][]byte // nil when there are none
	Changed  string            // what last changed the node; "" for a node that is as it was given
	size     int64
	load     func() ([]byte, error) // content that was not read yet
	data     []byte
	children map[string]*Node
}

// ErrLimit is returned when a filesystem has no room for what is written.
var ErrLimit = errors.New("limit of the evaluation reached")

const maxLinks = 40

// FS is a filesystem. Its methods take absolute paths.
type FS struct {
	mu      sync.Mutex
	root    *Node
	now     int64
	actor   string
	uid     uint32 // of what is created
	gid     uint32
	removed map[string]string // path → what removed it
	written int64
	made    int
	// MaxBytes and MaxNodes limit what is written and created; 0 means no limit.
	MaxBytes int64
	MaxNodes int
	// LimitHit is set once a limit was reached.
	LimitHit string
}

// New returns a filesystem with an empty root. now is the modification time of whatever is changed.
func New(now int64) *FS {
	root := &Node{Type: Directory, Mode: 0o755, MTime: now, children: map[string]*Node{}}
	return &FS{root: root, now: now, removed: map[string]string{}}
}

// Now is the time of the evaluation.
func (f *FS) Now() int64 { return f.now }

// SetActor names what changes the filesystem from now on.
func (f *FS) SetActor(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.actor = name
}

// SetOwner says whom new nodes belong to, and gives what was said before.
func (f *FS) SetOwner(uid, gid uint32) (oldUID, oldGID uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	oldUID, oldGID = f.uid, f.gid
	f.uid, f.gid = uid, gid
	return oldUID, oldGID
}

// Owner tells whom new nodes belong to.
func (f *FS) Owner() (uid, gid uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.uid, f.gid
}

// Clone returns a copy that shares contents of files only.
func (f *FS) Clone() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	copies := map[*Node]*Node{}
	var copyOf func(*Node) *Node
	copyOf = func(n *Node) *Node {
		if c, ok := copies[n]; ok {
			return c
		}
		c := *n
		copies[n] = &c
		if n.children != nil {
			c.children = make(map[string]*Node, len(n.children))
			for name, child := range n.children {
				c.children[name] = copyOf(child)
			}
		}
		return &c
	}
	return &FS{root: copyOf(f.root), now: f.now, removed: map[string]string{}, MaxBytes: f.MaxBytes,
		MaxNodes: f.MaxNodes}
}

// Clean makes an absolute path of name, which is relative to dir.
func Clean(dir, name string) string {
	if !strings.HasPrefix(name, "/") {
		name = dir + "/" + name
	}
	// Not path.Clean: ".." after a symlink means the parent of its target.
	return name
}

func pathError(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

// place is where a path leads: a name in a directory, and the node there if there is one.
type place struct {
	parent *Node
	name   string
	node   *Node
	path   string // without symlinks
}

// walk resolves a path. The last part may be missing; node is nil then.
func (f *FS) walk(name string, follow bool) (place, error) {
	parts := strings.Split(name, "/")
	type step struct {
		node *Node
		path string
	}
	stack := []step{{f.root, ""}}
	links := 0
	trailing := strings.HasSuffix(name, "/")
	for i := 0; i < len(parts); i++ {
		part := parts[i]
		if part == "" || part == "." {
			continue
		}
		at := stack[len(stack)-1]
		if part == ".." {
			if len(stack) > 1 {
				stack = stack[:len(stack)-1]
			}
			continue
		}
		if len(part) > 255 {
			return place{}, syscall.ENAMETOOLONG
		}
		last := true
		for _, rest := range parts[i+1:] {
			if rest != "" && rest != "." {
				last = false
				break
			}
		}
		if at.node.Type != Directory {
			return place{}, syscall.ENOTDIR
		}
		child := at.node.children[part]
		if child == nil {
			if last {
				return place{parent: at.node, name: part, path: at.path + "/" + part}, nil
			}
			return place{}, syscall.ENOENT
		}
		if child.Type == Symlink && (!last || follow || trailing) {
			if links++; links > maxLinks {
				return place{}, syscall.ELOOP
			}
			rest := append(strings.Split(child.Target, "/"), parts[i+1:]...)
			if strings.HasPrefix(child.Target, "/") {
				stack = stack[:1]
			}
			parts, i = rest, -1
			continue
		}
		if last {
			if trailing && child.Type != Directory {
				return place{}, syscall.ENOTDIR
			}
			return place{parent: at.node, name: part, node: child, path: at.path + "/" + part}, nil
		}
		if child.Type != Directory {
			return place{}, syscall.ENOTDIR
		}
		stack = append(stack, step{child, at.path + "/" + part})
	}
	at := stack[len(stack)-1]
	found := place{node: at.node, path: at.path}
	if len(stack) > 1 {
		found.parent = stack[len(stack)-2].node
		found.name = path.Base(at.path)
	}
	if found.path == "" {
		found.path = "/"
	}
	return found, nil
}

func (f *FS) find(op, name string, follow bool) (place, error) {
	p, err := f.walk(name, follow)
	if err == nil && p.node == nil {
		err = syscall.ENOENT
	}
	if err != nil {
		return p, pathError(op, name, err)
	}
	return p, nil
}

// Stat returns a copy of the node; symlinks are followed if follow is set.
func (f *FS) Stat(name string, follow bool) (Node, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.find("stat", name, follow)
	if err != nil {
		return Node{}, err
	}
	return *p.node, nil
}

// Exists tells whether a path leads to a node, symlinks followed.
func (f *FS) Exists(name string) bool {
	_, err := f.Stat(name, true)
	return err == nil
}

// Lexists tells whether a path leads to a node, the last symlink not followed.
func (f *FS) Lexists(name string) bool {
	_, err := f.Stat(name, false)
	return err == nil
}

// IsDir tells whether a path leads to a directory, symlinks followed.
func (f *FS) IsDir(name string) bool {
	n, err := f.Stat(name, true)
	return err == nil && n.Type == Directory
}

// Same tells whether both paths lead to one node.
func (f *FS) Same(a, b string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	x, err := f.find("stat", a, true)
	if err != nil {
		return false
	}
	y, err := f.find("stat", b, true)
	return err == nil && x.node == y.node
}

// Real returns the path without symlinks. The last part may be missing if missing is set.
func (f *FS) Real(name string, missing bool) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.walk(name, true)
	if err == nil && p.node == nil && !missing {
		err = syscall.ENOENT
	}
	if err != nil {
		return "", pathError("readlink", name, err)
	}
	return p.path, nil
}

// Names lists a directory in the order of the names.
func (f *FS) Names(name string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.find("open", name, true)
	if err != nil {
		return nil, err
	}
	if p.node.Type != Directory {
		return nil, pathError("readdir", name, syscall.ENOTDIR)
	}
	return sortedNames(p.node), nil
}

func sortedNames(n *Node) []string {
	names := make([]string, 0, len(n.children))
	for child := range n.children {
		names = append(names, child)
	}
	sort.Strings(names)
	return names
}

// Walk calls visit for name and all below it, directories before what they hold. It follows no symlinks.
func (f *FS) Walk(name string, visit func(name string, node Node) error) error {
	n, err := f.Stat(name, false)
	if err != nil {
		return err
	}
	if err := visit(name, n); err != nil {
		return err
	}
	if n.Type != Directory {
		return nil
	}
	names, err := f.Names(name)
	if err != nil {
		return err
	}
	for _, child := range names {
		below := strings.TrimSuffix(name, "/") + "/" + child
		if err := f.Walk(below, visit); err != nil && !errors.Is(err, syscall.ENOENT) {
			return err
		}
	}
	return nil
}

// Size of a file's content.
func (n Node) Size() int64 {
	switch n.Type {
	case File:
		if n.data == nil {
			return n.size
		}
		return int64(len(n.data))
	case Symlink:
		return int64(len(n.Target))
	}
	return 0
}
