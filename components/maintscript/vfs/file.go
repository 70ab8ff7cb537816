package vfs

import (
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"
)

func (n *Node) content() ([]byte, error) {
	if n.data == nil && n.load != nil {
		data, err := n.load()
		if err != nil {
			return nil, err
		}
		if data == nil {
			data = []byte{}
		}
		n.data = data
	}
	return n.data, nil
}

// Content returns a file's content, which must not be changed.
func (n *Node) Content() ([]byte, error) { return n.content() }

// Loaded tells whether a file's content was read or written.
func (n *Node) Loaded() bool { return n.data != nil }

// ReadFile returns the content of a file, symlinks followed. It must not be changed.
func (f *FS) ReadFile(name string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.find("open", name, true)
	if err != nil {
		return nil, err
	}
	if p.node.Type == Directory {
		return nil, pathError("read", name, syscall.EISDIR)
	}
	if p.node.Type != File {
		return nil, pathError("read", name, syscall.ENXIO)
	}
	return p.node.content()
}

// Text returns the content of a file, or "".
func (f *FS) Text(name string) string {
	data, err := f.ReadFile(name)
	if err != nil {
		return ""
	}
	return string(data)
}

// WriteFile writes a whole file. A file that is there keeps owner and mode.
func (f *FS) WriteFile(name string, data []byte, mode uint32) error {
	file, err := f.Open(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return err
}

// Handle is an open file.
type Handle struct {
	fs     *FS
	node   *Node
	at     int
	append bool
	read   bool
	write  bool
}

// Open opens a file with flags of package os.
func (f *FS) Open(name string, flag int, mode uint32) (*Handle, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.walk(name, flag&os.O_EXCL == 0)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	access := flag & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR)
	writes := access != os.O_RDONLY
	switch {
	case p.node == nil && flag&os.O_CREATE == 0:
		return nil, pathError("open", name, syscall.ENOENT)
	case p.node == nil:
		p.node = &Node{Type: File, Mode: mode, MTime: f.now, UID: f.uid, GID: f.gid, data: []byte{}}
		if p.parent.Mode&0o2000 != 0 {
			p.node.GID = p.parent.GID
		}
		if err := f.add(p, p.node); err != nil {
			return nil, err
		}
	case flag&os.O_EXCL != 0 && flag&os.O_CREATE != 0:
		return nil, pathError("open", name, syscall.EEXIST)
	case p.node.Type == Directory:
		return nil, pathError("open", name, syscall.EISDIR)
	case p.node.Type != File:
		return nil, pathError("open", name, syscall.ENXIO)
	}
	if writes && flag&os.O_TRUNC != 0 {
		p.node.data, p.node.load, p.node.MTime = []byte{}, nil, f.now
		f.touch(p.node)
	}
	return &Handle{fs: f, node: p.node, append: flag&os.O_APPEND != 0, read: access != os.O_WRONLY, write: writes}, nil
}

func (h *Handle) Read(buffer []byte) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if !h.read {
		return 0, syscall.EBADF
	}
	data, err := h.node.content()
	if err != nil {
		return 0, err
	}
	if h.at >= len(data) {
		return 0, io.EOF
	}
	n := copy(buffer, data[h.at:])
	h.at += n
	return n, nil
}

func (h *Handle) Write(bytes []byte) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if !h.write {
		return 0, syscall.EBADF
	}
	data, err := h.node.content()
	if err != nil {
		return 0, err
	}
	if err := h.fs.room(int64(len(bytes))); err != nil {
		return 0, err
	}
	if h.append {
		h.at = len(data)
	}
	for len(data) < h.at {
		data = append(data, 0)
	}
	// A copy: clones and readers share contents.
	kept := data[:h.at:h.at]
	rest := []byte(nil)
	if end := h.at + len(bytes); end < len(data) {
		rest = data[end:]
	}
	if h.at == len(data) && h.node.load == nil && h.node.Changed == h.fs.actor {
		h.node.data = append(data, bytes...)
	} else {
		h.node.data = append(append(kept, bytes...), rest...)
	}
	h.node.load, h.node.MTime = nil, h.fs.now
	h.at += len(bytes)
	h.fs.touch(h.node)
	return len(bytes), nil
}

// Close does nothing.
func (h *Handle) Close() error { return nil }

// Info is a node as io/fs describes files. Sys gives the Node.
type Info struct {
	Base string
	Node Node
}

func (i Info) Name() string       { return i.Base }
func (i Info) Size() int64        { return i.Node.Size() }
func (i Info) ModTime() time.Time { return time.Unix(i.Node.MTime, 0).UTC() }
func (i Info) IsDir() bool        { return i.Node.Type == Directory }
func (i Info) Sys() any           { return i.Node }

// Mode translates type and permission bits.
func (i Info) Mode() fs.FileMode {
	mode := fs.FileMode(i.Node.Mode & 0o777)
	for _, each := range []struct {
		bit  uint32
		mode fs.FileMode
	}{{0o4000, fs.ModeSetuid}, {0o2000, fs.ModeSetgid}, {0o1000, fs.ModeSticky}} {
		if i.Node.Mode&each.bit != 0 {
			mode |= each.mode
		}
	}
	switch i.Node.Type {
	case Directory:
		mode |= fs.ModeDir
	case Symlink:
		mode |= fs.ModeSymlink
	case CharDevice:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case BlockDevice:
		mode |= fs.ModeDevice
	case Fifo:
		mode |= fs.ModeNamedPipe
	case Socket:
		mode |= fs.ModeSocket
	}
	return mode
}

// Info describes the node at a path.
func (f *FS) Info(name string, follow bool) (fs.FileInfo, error) {
	n, err := f.Stat(name, follow)
	if err != nil {
		return nil, err
	}
	return Info{path.Base(name), n}, nil
}

// ReadDir lists a directory for the shell's globs.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	names, err := f.Names(name)
	if err != nil {
		return nil, err
	}
	var entries []fs.DirEntry
	for _, each := range names {
		if info, err := f.Info(name+"/"+each, false); err == nil {
			entries = append(entries, fs.FileInfoToDirEntry(info))
		}
	}
	return entries, nil
}

// Written tells whether a file has another content than it was given.
func (n *Node) Written() bool { return n.load == nil && n.Changed != "" }
