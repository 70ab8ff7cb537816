package eval

import (
	"path"
	"strconv"
	"strings"

	"k8simg/components/maintscript/vfs"
)

// adduser and addgroup as adduser(8) defines them.
func adduser(c *call) int {
	o := c.options("qdg:", "system=system", "group=group", "home:=home", "shell:=shell", "gecos:=comment",
		"comment:=comment", "ingroup:=ingroup", "gid:=gid", "uid:=uid", "no-create-home=nohome", "quiet=quiet",
		"disabled-login=disabled", "disabled-password=disabled", "force-badname=quiet", "allow-badname=quiet",
		"allow-bad-names=quiet", "allow-all-names=quiet", "firstuid:=quiet", "lastuid:=quiet", "firstgid:=quiet",
		"lastgid:=quiet", "debug=quiet", "verbose=quiet", "stdoutmsglevel:=quiet", "stderrmsglevel:=quiet",
		"logmsglevel:=quiet", "add_extra_groups=quiet", "add-extra-groups=quiet", "conf:=quiet", "encrypt-home=quiet",
		"supplementary-groups:=supplementary", "supplementary-group:=supplementary", "in-group:=ingroup")
	if len(o.rest) == 0 {
		return c.error("Only one or two names allowed.")
	}
	name := o.rest[0]
	system := o.has("system")
	if c.name == "addgroup" || o.has("group") && !system {
		return c.addgroup(o, name, system)
	}
	if len(o.rest) == 2 {
		if c.m.user(name) == nil {
			return c.error("The user `%s' does not exist.", name)
		}
		if !c.addMember(name, o.rest[1]) {
			return c.error("The group `%s' does not exist.", o.rest[1])
		}
		return 0
	}
	if known := c.m.user(name); known != nil {
		if system && known.id() < 1000 {
			return 0
		}
		return c.error("The user `%s' already exists.", name)
	}
	user := newUser{name: name, comment: o.value("comment", ""), home: o.value("home", ""), password: "!"}
	if system {
		user.shell = o.value("shell", "/usr/sbin/nologin")
		if user.home == "" {
			user.home = "/nonexistent"
		}
	} else {
		user.shell = o.value("shell", "/bin/bash")
		if user.home == "" {
			user.home = "/home/" + name
		}
	}
	if uid := o.value("uid", ""); uid != "" {
		number, err := strconv.ParseUint(uid, 10, 32)
		if err != nil {
			return c.error("The UID %s is no number.", uid)
		}
		user.uid = uint32(number)
	} else {
		user.uid = c.newNumber(name, system)
	}
	switch ingroup, gid := o.value("ingroup", ""), o.value("gid", ""); {
	case o.has("group") || !system && ingroup == "" && gid == "":
		if c.m.group(name) == nil {
			c.addGroup(name, user.uid)
		}
		user.gid = c.m.group(name).id()
	case ingroup != "":
		group := c.m.group(ingroup)
		if group == nil {
			return c.error("The group `%s' does not exist.", ingroup)
		}
		user.gid = group.id()
	case gid != "":
		number, _ := strconv.ParseUint(gid, 10, 32)
		user.gid = uint32(number)
	default:
		user.gid = nogroup
	}
	c.addUser(user)
	for _, group := range strings.FieldsFunc(o.value("supplementary", ""), func(r rune) bool { return r == ',' }) {
		c.addMember(name, group)
	}
	if !o.has("nohome") && user.home != "/nonexistent" {
		c.makeHome(user)
	}
	return 0
}

func (c *call) makeHome(user newUser) {
	home := path.Clean(user.home)
	if c.m.FS.Exists(home) {
		return
	}
	if err := c.m.FS.MkdirAll(home, 0o755); err != nil {
		c.error("%v", err)
		return
	}
	_ = c.m.FS.Change(home, true, func(n *vfs.Node) { n.UID, n.GID = user.uid, user.gid })
}

func (c *call) addgroup(o options, name string, system bool) int {
	if len(o.rest) == 2 {
		if !c.addMember(name, o.rest[1]) {
			return c.error("The group `%s' does not exist.", o.rest[1])
		}
		return 0
	}
	if known := c.m.group(name); known != nil {
		if system {
			return 0
		}
		return c.error("The group `%s' already exists.", name)
	}
	gid := uint32(0)
	if text := o.value("gid", ""); text != "" {
		number, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return c.error("The GID %s is no number.", text)
		}
		gid = uint32(number)
	} else {
		gid = c.newNumber(name, system)
	}
	c.addGroup(name, gid)
	return 0
}
