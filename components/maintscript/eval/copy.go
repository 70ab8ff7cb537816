package eval

import (
	"errors"
	"path"
	"strings"

	"k8simg/components/maintscript/vfs"
)

type copying struct {
	recursive, follow, preserve, owner, links, noClobber, update, removeFirst bool
	seen                                                                      map[string]string
}

func copyCommand(c *call) int {
	o := c.options("aprRdfinuvt:TLPHlsxbZ", "archive=a", "preserve::=preserve", "recursive=r", "force=f", "no-clobber=n",
		"update::=u", "verbose=v", "target-directory:=t", "no-target-directory=T", "no-dereference=P", "dereference=L",
		"remove-destination=remove", "reflink::=reflink", "sparse:=sparse", "no-preserve:=no-preserve", "link=l",
		"symbolic-link=s", "parents=parents", "one-file-system=x", "backup::=b", "attributes-only=attributes")
	if o.has("parents") || o.has("b") || o.has("attributes") {
		return c.refuse("this option of cp is not modelled")
	}
	all := o.has("a")
	preserve := o.value("preserve", "")
	how := copying{
		recursive: all || o.has("r") || o.has("R"),
		preserve:  all || o.has("p") || o.has("preserve"),
		owner: all || o.has("p") || o.has("preserve") && (preserve == "" || strings.Contains(preserve, "owner") ||
			strings.Contains(preserve, "all")),
		links:       all || strings.Contains(preserve, "links") || o.has("d"),
		noClobber:   o.has("n"),
		update:      o.has("u"),
		removeFirst: o.has("remove"),
		seen:        map[string]string{},
	}
	how.follow = !how.recursive && !o.has("d") && !o.has("P") || o.has("L")
	sources, destination, status := c.operands(o, "")
	if status != 0 {
		return status
	}
	for _, source := range sources {
		to := c.into(destination, source, o.has("T"))
		if o.has("l") || o.has("s") {
			if o.has("f") {
				_ = c.m.FS.Remove(to)
			}
			err := error(nil)
			if o.has("s") {
				err = c.m.FS.Symlink(source, to)
			} else {
				err = c.m.FS.Link(c.path(source), to)
			}
			if err != nil {
				status = c.failed("cannot link", source, err)
			}
			continue
		}
		if err := c.copy(c.path(source), to, how); err != nil {
			status = c.failed("cannot copy", source, err)
		}
	}
	return status
}

func (c *call) copy(from, to string, how copying) error {
	m := c.m
	n, err := m.FS.Stat(from, how.follow)
	if err != nil {
		if path.Clean(from) == "/dev/null" {
			return m.FS.WriteFile(to, nil, 0o666&^c.umask)
		}
		return err
	}
	if n.Type == vfs.Directory && !how.recursive {
		return errors.New("is a directory, and -r is not given")
	}
	if m.FS.Lexists(to) {
		if how.noClobber || m.FS.Same(from, to) {
			return nil
		}
		if existing, err := m.FS.Stat(to, true); how.update && err == nil && existing.MTime >= n.MTime {
			return nil
		}
		if n.Type != vfs.Directory && (how.removeFirst || n.Type == vfs.Symlink) && !m.FS.IsDir(to) {
			_ = m.FS.Remove(to)
		}
	}
	switch n.Type {
	case vfs.Directory:
		if !m.FS.IsDir(to) {
			if err := m.FS.Mkdir(to, n.Mode&^c.umask); err != nil {
				return err
			}
		}
		names, err := m.FS.Names(from)
		if err != nil {
			return err
		}
		if strings.HasPrefix(path.Clean(to)+"/", path.Clean(from)+"/") {
			return errors.New("cannot be copied into itself")
		}
		for _, name := range names {
			if err := c.copy(from+"/"+name, to+"/"+name, how); err != nil {
				return err
			}
		}
	case vfs.Symlink:
		if err := m.FS.Symlink(n.Target, to); err != nil {
			return err
		}
	case vfs.File:
		data, err := m.FS.ReadFile(from)
		if err != nil {
			return err
		}
		if real, err := m.FS.Real(from, false); err == nil && how.links {
			if earlier, ok := how.seen[real]; ok {
				return m.FS.Link(earlier, to)
			}
			how.seen[real] = to
		}
		if err := m.FS.WriteFile(to, data, n.Mode&0o777&^c.umask); err != nil {
			return err
		}
	default:
		if err := m.FS.Special(to, n.Type, n.Mode, n.Device); err != nil {
			return err
		}
	}
	if !how.preserve && !how.owner {
		return nil
	}
	return m.FS.Change(to, false, func(copied *vfs.Node) {
		if copied.Type != vfs.Symlink && how.preserve {
			copied.Mode = n.Mode
		}
		if how.owner {
			copied.UID, copied.GID = n.UID, n.GID
		}
		if how.preserve {
			copied.MTime, copied.Xattrs = n.MTime, n.Xattrs
		}
	})
}

func moveCommand(c *call) int {
	o := c.options("finuvt:TZ", "force=f", "no-clobber=n", "verbose=v", "target-directory:=t", "no-target-directory=T",
		"update::=u", "backup::=backup", "no-copy=f", "exchange=exchange")
	if o.has("backup") || o.has("exchange") {
		return c.refuse("this option of mv is not modelled")
	}
	sources, destination, status := c.operands(o, "")
	if status != 0 {
		return status
	}
	for _, source := range sources {
		to := c.into(destination, source, o.has("T"))
		if o.has("n") && c.m.FS.Lexists(to) {
			continue
		}
		if err := c.m.FS.Rename(c.path(source), to); err != nil {
			status = c.failed("cannot move", source, err)
		}
	}
	return status
}
