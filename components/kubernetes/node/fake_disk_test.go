package node

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// disk records what survives a power cut: all names as at the last sync, and the content of files that were synced.
// Other files are empty, as on ext4 with delayed allocation.
type disk struct {
	synced  map[string]bool // by inode and birth time
	durable string          // a copy of the folders
}

var kept = []string{"boot", "etc", "root", "var"}

func (b *board) identity(path string) string {
	var found unix.Statx_t
	b.must(unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &found))
	return fmt.Sprintf("%d-%d-%d", found.Ino, found.Btime.Sec, found.Btime.Nsec)
}

// files calls use for each regular file in the folders kept.
func (b *board) files(use func(path string)) {
	for _, folder := range kept {
		b.must(filepath.WalkDir(filepath.Join(b.root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				use(path)
			}
			return err
		}))
	}
}

func (b *board) remember() {
	b.disk = &disk{synced: map[string]bool{}, durable: b.t.TempDir()}
	b.persist()
}

func (b *board) persist(paths ...string) {
	if b.disk == nil {
		return
	}
	if len(paths) == 0 {
		b.files(func(path string) { b.disk.synced[b.identity(path)] = true })
	}
	for _, path := range paths {
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
			b.disk.synced[b.identity(path)] = true
		}
	}
	b.must(os.RemoveAll(b.disk.durable))
	for _, folder := range kept {
		b.copy(filepath.Join(b.root, folder), filepath.Join(b.disk.durable, folder))
	}
}

func (b *board) copy(from, to string) {
	b.must(filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, inside)
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, 0o755)
		case entry.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		}
		var text []byte
		if b.disk.synced[b.identity(path)] || strings.HasPrefix(path, b.disk.durable) {
			if text, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		return os.WriteFile(target, text, 0o644)
	}))
}

// powerCut replaces the files by those that survive a power cut, with all names or those of the last sync.
func (b *board) powerCut(names bool) {
	if names {
		b.files(func(path string) {
			if !b.disk.synced[b.identity(path)] {
				b.must(os.Truncate(path, 0))
			}
		})
	} else {
		for _, folder := range kept {
			b.must(os.RemoveAll(filepath.Join(b.root, folder)))
			b.copy(filepath.Join(b.disk.durable, folder), filepath.Join(b.root, folder))
		}
	}
	b.disk = nil
}
