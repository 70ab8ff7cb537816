package vfs

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

func tree(t *testing.T) *FS {
	t.Helper()
	fs := New(100)
	for _, folder := range []string{"/a/b", "/usr/bin", "/etc"} {
		if err := fs.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"/bin": "usr/bin", "/out": "../../../..", "/loop": "loop",
		"/a/up": "../etc",
		"/abs":  "/usr/bin", "/dangling": "/etc/none"} {
		if err := fs.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := fs.WriteFile("/usr/bin/x", []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	return fs
}

// TestPaths: links lead to places of the tree, however they are written.
func TestPaths(t *testing.T) {
	fs := tree(t)
	for name, want := range map[string]string{"/bin/x": "/usr/bin/x", "/out/usr/bin/x": "/usr/bin/x",
		"/../../bin/x":     "/usr/bin/x",
		"/a/b/../../abs/x": "/usr/bin/x", "/a/up/": "/etc", "/out": "/", "/a/up/..": "/", "//usr//./bin": "/usr/bin"} {
		if got, err := fs.Real(name, false); err != nil || got != want {
			t.Errorf("%s is %s (%v), wanted %s", name, got, err, want)
		}
	}
	for name, want := range map[string]error{"/loop": syscall.ELOOP, "/loop/x": syscall.ELOOP,
		"/usr/bin/x/":  syscall.ENOTDIR,
		"/usr/bin/x/y": syscall.ENOTDIR, "/none/x": syscall.ENOENT, "/dangling": syscall.ENOENT} {
		if _, err := fs.Stat(name, true); !errors.Is(err, want) {
			t.Errorf("%s: %v, wanted %v", name, err, want)
		}
	}
	if err := fs.WriteFile("/dangling", []byte("made"), 0o644); err != nil || fs.Text("/etc/none") != "made" {
		t.Errorf("writing through a link: %v", err)
	}
}

func TestLinksAndRenames(t *testing.T) {
	fs := tree(t)
	fs.SetActor("me")
	if err := fs.Link("/usr/bin/x", "/etc/y"); err != nil {
		t.Fatal(err)
	}
	file, err := fs.Open("/etc/y", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write([]byte("2")); err != nil || fs.Text("/usr/bin/x") != "x2" || !fs.Same("/bin/x", "/etc/y") {
		t.Errorf("%q %v", fs.Text("/usr/bin/x"), err)
	}
	if err := fs.Rename("/a", "/a/b/c"); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a folder into itself: %v", err)
	}
	if err := fs.Rename("/usr", "/etc/usr"); err != nil || !fs.Exists("/etc/usr/bin/x") || fs.Exists("/bin/x") {
		t.Errorf("rename: %v", err)
	}
	if fs.RemovedBy("/usr/bin/x") != "me" || fs.RemovedBy("/etc/usr") != "" {
		t.Errorf("removed by %q and %q", fs.RemovedBy("/usr/bin/x"), fs.RemovedBy("/etc/usr"))
	}
	if err := fs.Remove("/etc"); !errors.Is(err, syscall.ENOTEMPTY) {
		t.Errorf("remove: %v", err)
	}
	if err := fs.RemoveAll("/"); err == nil {
		t.Error("the root was removed")
	}
}

func TestClonesAreIndependent(t *testing.T) {
	fs := tree(t)
	other := fs.Clone()
	if err := other.WriteFile("/usr/bin/x", []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := other.Change("/a", true, func(n *Node) { n.Mode = 0o700 }); err != nil {
		t.Fatal(err)
	}
	if n, _ := fs.Stat("/a", true); fs.Text("/usr/bin/x") != "x" || n.Mode != 0o755 {
		t.Error("the clone changed the original")
	}
}

func TestLimits(t *testing.T) {
	fs := tree(t)
	fs.MaxBytes, fs.MaxNodes = 1000, 1000
	if err := fs.WriteFile("/etc/big", make([]byte, 2000), 0o644); !errors.Is(err, ErrLimit) || fs.LimitHit == "" {
		t.Errorf("%v %q", err, fs.LimitHit)
	}
}
