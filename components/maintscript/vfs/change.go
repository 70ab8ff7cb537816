package vfs

import (
	"fmt"
	"path"
	"sort"
	"strings"
	"syscall"
)

func (f *FS) touch(n *Node) {
	n.Changed = f.actor
}

func (f *FS) room(bytes int64) error {
	f.written += bytes
	if f.MaxBytes > 0 && f.written > f.MaxBytes {
		f.LimitHit = fmt.Sprintf("scripts have written more than %d MB", f.MaxBytes>>20)
		return ErrLimit
	}
	return nil
}

func (f *FS) add(p place, n *Node) error {
	if f.made++; f.MaxNodes > 0 && f.made > f.MaxNodes {
		f.LimitHit = fmt.Sprintf("scripts have created more than %d files and folders", f.MaxNodes)
		return ErrLimit
	}
	p.parent.children[p.name] = n
	delete(f.removed, p.path)
	f.touch(n)
	return nil
}

func (f *FS) drop(p place) {
	delete(p.parent.children, p.name)
	f.removed[p.path] = f.actor
	f.touch(p.node)
}

func (f *FS) create(op, name string, follow bool, n *Node) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.walk(name, follow)
	if err == nil && p.node != nil {
		err = syscall.EEXIST
	}
	if err != nil {
		return pathError(op, name, err)
	}
	n.MTime, n.UID, n.GID = f.now, f.uid, f.gid
	if p.parent.Mode&0o2000 != 0 { // a set-gid directory gives its group
		n.GID = p.parent.GID
		if n.Type == Directory {
			n.Mode |= 0o2000
		}
	}
	return f.add(p, n)
}

// Mkdir makes a directory.
func (f *FS) Mkdir(name string, mode uint32) error {
	return f.create("mkdir", strings.TrimRight(name, "/"), false,
		&Node{Type: Directory, Mode: mode, children: map[string]*Node{}})
}

// MkdirAll makes a directory and those above it.
func (f *FS) MkdirAll(name string, mode uint32) error {
	if f.IsDir(name) {
		return nil
	}
	clean := strings.TrimRight(name, "/")
	if parent := path.Dir(clean); parent != clean {
		if err := f.MkdirAll(parent, 0o755); err != nil {
			return err
		}
	}
	return f.Mkdir(name, mode)
}

// Symlink makes a symlink.
func (f *FS) Symlink(target, name string) error {
	return f.create("symlink", name, false, &Node{Type: Symlink, Mode: 0o777, Target: target})
}

// Special makes a fifo or a device.
func (f *FS) Special(name string, kind Type, mode uint32, device uint64) error {
	return f.create("mknod", name, false, &Node{Type: kind, Mode: mode, Device: device})
}

// Link gives a node one more name.
func (f *FS) Link(old, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	from, err := f.find("link", old, false)
	if err != nil {
		return err
	}
	if from.node.Type == Directory {
		return pathError("link", old, syscall.EPERM)
	}
	p, err := f.walk(name, false)
	if err == nil && p.node != nil {
		err = syscall.EEXIST
	}
	if err != nil {
		return pathError("link", name, err)
	}
	return f.add(p, from.node)
}

// removable finds what Remove and RemoveAll take away: anything but the root.
func (f *FS) removable(name string) (place, error) {
	p, err := f.find("remove", strings.TrimRight(name, "/"), false)
	if err == nil && p.parent == nil {
		err = pathError("remove", name, syscall.EBUSY)
	}
	return p, err
}

// Remove takes a name away. A directory must be empty.
func (f *FS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.removable(name)
	if err != nil {
		return err
	}
	if len(p.node.children) > 0 {
		return pathError("remove", name, syscall.ENOTEMPTY)
	}
	f.drop(p)
	return nil
}

// RemoveAll takes a name and all below it away.
func (f *FS) RemoveAll(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.removable(name)
	if err != nil {
		return err
	}
	f.dropBelow(p)
	f.drop(p)
	return nil
}

func (f *FS) dropBelow(p place) {
	for _, name := range sortedNames(p.node) {
		child := place{parent: p.node, name: name, node: p.node.children[name], path: p.path + "/" + name}
		f.dropBelow(child)
		f.drop(child)
	}
}

// Rename moves a node, and replaces what a file may replace.
func (f *FS) Rename(old, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	from, err := f.find("rename", strings.TrimRight(old, "/"), false)
	if err != nil {
		return err
	}
	to, err := f.walk(strings.TrimRight(name, "/"), false)
	if err != nil {
		return pathError("rename", name, err)
	}
	if from.parent == nil || to.parent == nil {
		return pathError("rename", name, syscall.EBUSY)
	}
	if from.node == to.node {
		return nil
	}
	if from.node.Type == Directory && strings.HasPrefix(to.path+"/", from.path+"/") {
		return pathError("rename", name, syscall.EINVAL)
	}
	if to.node != nil {
		if to.node.Type == Directory && from.node.Type != Directory {
			return pathError("rename", name, syscall.EISDIR)
		}
		if to.node.Type != Directory && from.node.Type == Directory {
			return pathError("rename", name, syscall.ENOTDIR)
		}
		if len(to.node.children) > 0 {
			return pathError("rename", name, syscall.ENOTEMPTY)
		}
	}
	delete(from.parent.children, from.name)
	f.moved(from.node, from.path)
	to.parent.children[to.name] = from.node
	f.created(from.node, to.path)
	return nil
}

func (f *FS) moved(n *Node, at string) {
	f.removed[at] = f.actor
	for name, child := range n.children {
		f.moved(child, at+"/"+name)
	}
}

func (f *FS) created(n *Node, at string) {
	delete(f.removed, at)
	f.touch(n)
	for name, child := range n.children {
		f.created(child, at+"/"+name)
	}
}

// Change lets edit work on a node's metadata; symlinks are followed if follow is set.
func (f *FS) Change(name string, follow bool, edit func(n *Node)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.find("chmod", name, follow)
	if err != nil {
		return err
	}
	edit(p.node)
	f.touch(p.node)
	return nil
}

// Entry is one path of the filesystem. Its node is shared by all its names.
type Entry struct {
	Path string
	Node *Node
}

// Entries lists all paths without a leading slash, without the root, in the order of their names.
func (f *FS) Entries() []Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []Entry
	var list func(n *Node, at string)
	list = func(n *Node, at string) {
		for name, child := range n.children {
			all = append(all, Entry{at + name, child})
			list(child, at+name+"/")
		}
	}
	list(f.root, "")
	sort.Slice(all, func(i, j int) bool { return all[i].Path < all[j].Path })
	return all
}

// RemovedBy tells what removed a path.
func (f *FS) RemovedBy(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for at := name; at != "/" && at != "."; at = path.Dir(at) {
		if by, ok := f.removed[at]; ok {
			return by
		}
	}
	return ""
}

// Put adds a node as it is given: it is no change. Missing directories above it are made.
func (f *FS) Put(name string, n Node, size int64, load func() ([]byte, error)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.walk(name, false)
	for err == syscall.ENOENT {
		f.mu.Unlock()
		made := f.Put(path.Dir(name), Node{Type: Directory, Mode: 0o755, MTime: n.MTime}, 0, nil)
		f.mu.Lock()
		if made != nil {
			return made
		}
		p, err = f.walk(name, false)
	}
	if err != nil {
		return pathError("put", name, err)
	}
	if p.parent == nil {
		n.children = p.node.children
		*p.node = n
		return nil
	}
	n.size, n.load = size, load
	if n.Type == Directory {
		n.children = map[string]*Node{}
		if p.node != nil && p.node.Type == Directory {
			n.children = p.node.children
		}
	}
	if n.Type == File && load == nil {
		n.data = []byte{}
	}
	p.parent.children[p.name] = &n
	return nil
}

// PutLink adds a further name of a node as it is given.
func (f *FS) PutLink(old, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	from, err := f.find("link", old, false)
	if err != nil {
		return err
	}
	p, err := f.walk(name, false)
	if err != nil || p.parent == nil {
		return pathError("link", name, syscall.ENOENT)
	}
	p.parent.children[p.name] = from.node
	return nil
}
