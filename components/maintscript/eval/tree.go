package eval

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/interp"

	"k8simg/components/maintscript/vfs"
)

func (s *shell) umaskOf(ctx context.Context) uint32 {
	value, err := strconv.ParseUint(interp.HandlerCtx(ctx).Env.Get(umaskName).String(), 8, 32)
	if err != nil {
		return 0o022
	}
	return uint32(value)
}

type device struct{}

func (device) Read([]byte) (int, error) { return 0, io.EOF }

func (device) Write(b []byte) (int, error) { return len(b), nil }

func (device) Close() error { return nil }

type text struct{ io.Reader }

func (text) Write([]byte) (int, error) { return 0, syscall.EBADF }

func (text) Close() error { return nil }

type stream struct {
	io.Writer
}

func (stream) Read([]byte) (int, error) { return 0, io.EOF }

func (stream) Close() error { return nil }

func (s *shell) open(ctx context.Context, name string, flag int, _ os.FileMode) (io.ReadWriteCloser, error) {
	hc := interp.HandlerCtx(ctx)
	name = vfs.Clean(hc.Dir, name)
	switch path.Clean(name) {
	case "/dev/null":
		return device{}, nil
	case "/dev/zero", "/dev/random", "/dev/urandom", "/dev/hwrng":
		s.m.fail(s.m.last, "the script reads "+path.Clean(name), secretHint)
		return nil, errEnded
	case "/dev/stdout", "/proc/self/fd/1", "/dev/fd/1":
		return stream{hc.Stdout}, nil
	case "/dev/stderr", "/proc/self/fd/2", "/dev/fd/2":
		return stream{hc.Stderr}, nil
	case "/dev/tty", "/dev/console":
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENXIO}
	}
	if isConfmodule(name) {
		return text{strings.NewReader(confmodule)}, nil
	}
	if strings.HasPrefix(name, "/usr/share/debconf/") && strings.HasSuffix(name, "/frontend.sh") {
		return text{strings.NewReader("")}, nil
	}
	file, err := s.m.FS.Open(name, flag, 0o666&^s.umaskOf(ctx))
	if err != nil {
		return nil, err
	}
	return file, nil
}

func (s *shell) stat(ctx context.Context, name string, follow bool) (fs.FileInfo, error) {
	if name == "" {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: syscall.ENOENT}
	}
	name = vfs.Clean(interp.HandlerCtx(ctx).Dir, name)
	if n, ok := s.m.virtual(name); ok {
		return vfs.Info{Base: path.Base(name), Node: n}, nil
	}
	return s.m.FS.Info(name, follow)
}

func (s *shell) access(ctx context.Context, name string, mode interp.AccessMode) error {
	info, err := s.stat(ctx, name, true)
	if err != nil {
		return err
	}
	if mode&interp.AccessExec != 0 && info.Mode()&0o111 == 0 && !info.IsDir() {
		return syscall.EACCES
	}
	return nil // root may read and write
}

func (s *shell) readDir(ctx context.Context, name string) ([]fs.DirEntry, error) {
	return s.m.FS.ReadDir(vfs.Clean(interp.HandlerCtx(ctx).Dir, name))
}

// virtual gives what is no part of a tree and still there for scripts: devices, and programs that are only scripts'
// and
// that an image leaves out.
func (m *Machine) virtual(name string) (vfs.Node, bool) {
	clean := path.Clean(name)
	switch clean {
	case "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/console":
		return vfs.Node{Type: vfs.CharDevice, Mode: 0o666}, true
	}
	if isConfmodule(clean) {
		return vfs.Node{Type: vfs.File, Mode: 0o644}, !m.FS.Exists(name)
	}
	if inPath(clean) {
		if entry, ok := commands[path.Base(clean)]; ok && entry.always && !m.FS.Exists(name) {
			return vfs.Node{Type: vfs.File, Mode: 0o755}, true
		}
	}
	return vfs.Node{}, false
}

func inPath(name string) bool {
	switch path.Dir(name) {
	case "/bin", "/sbin", "/usr/bin", "/usr/sbin":
		return true
	}
	return false
}

// which finds a program in the tree, or one that is only scripts'.
func (m *Machine) which(search, name string) string {
	if strings.Contains(name, "/") {
		n, err := m.FS.Stat(name, true)
		if virtual, ok := m.virtual(name); ok {
			n, err = virtual, nil
		}
		if err == nil && n.Type == vfs.File && n.Mode&0o111 != 0 {
			return name
		}
		return ""
	}
	for _, folder := range strings.Split(search, ":") {
		if n, err := m.FS.Stat(folder+"/"+name, true); err == nil && n.Type == vfs.File && n.Mode&0o111 != 0 {
			return folder + "/" + name
		}
	}
	if entry, ok := commands[name]; ok && entry.always {
		return "/usr/bin/" + name
	}
	return ""
}
