package eval

import (
	"path"
	"strings"

	"k8simg/components/maintscript/vfs"
)

const diversions = "/var/lib/dpkg/diversions"

func (c *call) writeState(file, text string) {
	err := c.m.FS.MkdirAll(path.Dir(file), 0o755)
	if err == nil {
		err = c.m.FS.WriteFile(file, []byte(text), 0o644)
	}
	if err != nil {
		c.refuse("%s cannot be written: %v", file, err)
	}
}

// divert: dpkg-divert(1). Its database has three lines for each diversion: file, new name, package or ":".
func divert(c *call) int {
	o := c.options("", "add=add", "remove=remove", "list=list", "listpackage:=listpackage", "truename:=truename",
		"rename=rename", "no-rename=no-rename", "divert:=divert", "package:=package", "local=local", "quiet=quiet",
		"test=test", "admindir:=admindir", "instdir:=instdir", "root:=instdir")
	var all [][3]string
	state := lines([]byte(c.m.FS.Text(diversions)))
	for i := 0; i+2 < len(state); i += 3 {
		all = append(all, [3]string{state[i], state[i+1], state[i+2]})
	}
	save := func() {
		var text strings.Builder
		for _, each := range all {
			text.WriteString(strings.Join(each[:], "\n") + "\n")
		}
		c.writeState(diversions, text.String())
	}
	name := ""
	if len(o.rest) > 0 {
		name = o.rest[0]
	}
	switch {
	case o.has("truename"):
		name = o.value("truename", "")
		for _, each := range all {
			if each[0] == name {
				name = each[1]
			}
		}
		c.print("%s\n", name)
		return 0
	case o.has("listpackage"):
		for _, each := range all {
			if each[0] == o.value("listpackage", "") {
				c.print("%s\n", strings.Replace(each[2], ":", "LOCAL", 1))
			}
		}
		return 0
	case o.has("list"):
		for _, each := range all {
			shown := name == ""
			for _, pattern := range o.rest {
				ok0, _ := path.Match(pattern, each[0])
				ok1, _ := path.Match(pattern, each[1])
				shown = shown || ok0 || ok1
			}
			if shown {
				if each[2] == ":" {
					c.print("local diversion of %s to %s\n", each[0], each[1])
				} else {
					c.print("diversion of %s to %s by %s\n", each[0], each[1], each[2])
				}
			}
		}
		return 0
	}
	owner := o.value("package", ":")
	if owner == ":" && !o.has("local") && c.m.pkg != nil {
		owner = c.m.pkg.Name
	}
	to := o.value("divert", name+".distrib")
	if o.has("remove") {
		for i, each := range all {
			if each[0] != name {
				continue
			}
			all = append(all[:i:i], all[i+1:]...)
			save()
			if o.has("rename") && c.m.FS.Lexists(each[1]) && !c.m.FS.Lexists(name) {
				if err := c.m.FS.Rename(each[1], name); err != nil {
					return c.failed("cannot rename", each[1], err)
				}
			}
			return 0
		}
		return 0
	}
	for _, each := range all {
		if each[0] == name {
			if each[1] == to && each[2] == owner {
				return 0
			}
			c.error("'%s' clashes with a diversion of %s by %s", name, each[0], each[2])
			return 2
		}
	}
	all = append(all, [3]string{name, to, owner})
	save()
	if settled, err := c.m.settle(name, to, owner); settled || err != nil {
		if err != nil {
			return c.failed("cannot divert", name, err)
		}
		return 0
	}
	// The tree already has the file of the package that diverts: only what another package ships is renamed.
	if o.has("rename") && c.m.FS.Lexists(name) && !c.m.ships(owner, name) {
		if err := c.m.FS.MkdirAll(path.Dir(to), 0o755); err != nil {
			return c.failed("cannot rename", name, err)
		}
		if err := c.m.FS.Rename(name, to); err != nil {
			return c.failed("cannot rename", name, err)
		}
	}
	return 0
}

// Contestant is the file of one package at a path that several packages have.
type Contestant struct {
	Package string
	Node    vfs.Node // Changed: its origin
	Size    int64
	Load    func() ([]byte, error)
}

// AddContestant adds a file, unless that of its package is known.
func (r *Request) AddContestant(name string, one Contestant) {
	for _, each := range r.Contested[name] {
		if each.Package == one.Package {
			return
		}
	}
	r.Contested[name] = append(r.Contested[name], one)
}

// settle gives a contested path to the package that diverts it, and its new name to the other one's file, as dpkg does
// when it unpacks them.
func (m *Machine) settle(name, to, owner string) (bool, error) {
	real := m.realName(name)
	all := m.Request.Contested[real]
	if len(all) != 2 || owner != all[0].Package && owner != all[1].Package {
		return false, nil
	}
	own, other := all[0], all[1]
	if owner == all[1].Package {
		own, other = other, own
	}
	delete(m.Request.Contested, real)
	if err := m.FS.MkdirAll(path.Dir(to), 0o755); err != nil {
		return true, err
	}
	if err := m.FS.Put(real, own.Node, own.Size, own.Load); err != nil {
		return true, err
	}
	if err := m.FS.Put(m.realName(to), other.Node, other.Size, other.Load); err != nil {
		return true, err
	}
	m.Report.Diverted = append(m.Report.Diverted, strings.TrimPrefix(real, "/"))
	return true, nil
}

// realName resolves the folder of a path, which may not exist.
func (m *Machine) realName(name string) string {
	real, err := m.FS.Real(path.Dir(name), false)
	if err != nil {
		return name
	}
	return strings.TrimSuffix(real, "/") + "/" + path.Base(name)
}

// ships tells whether a package has a file.
func (m *Machine) ships(owner, name string) bool {
	p := m.packages[owner]
	if p == nil {
		return false
	}
	want := m.realName(name)
	for _, file := range p.Files {
		if file == want || file == name {
			return true
		}
	}
	return false
}

const overrides = "/var/lib/dpkg/statoverride"

// statoverride: dpkg-statoverride(1).
func statoverride(c *call) int {
	o := c.options("", "add=add", "remove=remove", "list=list", "update=update", "force=force", "force-all=force",
		"force-statoverride-add=force", "force-statoverride-remove=force", "force-security=force", "quiet=quiet",
		"admindir:=admindir", "force-statoverride=force")
	var all [][]string
	for _, line := range lines([]byte(c.m.FS.Text(overrides))) {
		if words := strings.SplitN(line, " ", 4); len(words) == 4 {
			all = append(all, words)
		}
	}
	save := func() {
		var text strings.Builder
		for _, each := range all {
			text.WriteString(strings.Join(each, " ") + "\n")
		}
		c.writeState(overrides, text.String())
	}
	switch {
	case o.has("list"):
		status := 1
		for _, each := range all {
			shown := len(o.rest) == 0
			for _, pattern := range o.rest {
				ok, _ := path.Match(strings.TrimRight(pattern, "/"), each[3])
				shown = shown || ok
			}
			if shown {
				c.print("%s\n", strings.Join(each, " "))
				status = 0
			}
		}
		return status
	case o.has("remove"):
		for i, each := range all {
			if len(o.rest) > 0 && each[3] == strings.TrimRight(o.rest[0], "/") {
				all = append(all[:i:i], all[i+1:]...)
				save()
				return 0
			}
		}
		if o.has("force") {
			return 0
		}
		c.error("no override present")
		return 2
	}
	if len(o.rest) != 4 {
		c.error("--add needs four arguments")
		return 2
	}
	user, group, mode, name := o.rest[0], o.rest[1], o.rest[2], strings.TrimRight(o.rest[3], "/")
	uid, gid, ok := c.owner(strings.TrimPrefix(user, "#") + ":" + strings.TrimPrefix(group, "#"))
	if !ok {
		c.error("user '%s' or group '%s' does not exist", user, group)
		return 2
	}
	for i, each := range all {
		if each[3] == name {
			if !o.has("force") {
				c.error("an override for '%s' already exists", name)
				return 2
			}
			all = append(all[:i:i], all[i+1:]...)
			break
		}
	}
	all = append(all, []string{user, group, mode, name})
	save()
	if !o.has("update") || !c.m.FS.Exists(name) {
		return 0
	}
	bits, err := newMode(0, mode, false, 0)
	if err != nil {
		return c.error("%v", err)
	}
	if err := c.m.FS.Change(name, true, func(n *vfs.Node) { own(n, uid, gid); n.Mode = bits }); err != nil {
		return c.failed("cannot change", name, err)
	}
	return 0
}
