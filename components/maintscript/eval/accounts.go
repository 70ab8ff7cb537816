package eval

import (
	"fmt"
	"strconv"
	"strings"
)

func init() {
	register(true, map[string]func(*call) int{
		"adduser": adduser, "addgroup": adduser, "useradd": useradd, "groupadd": groupadd, "usermod": usermod,
		"groupmod": nothingModelled, "deluser": deluser, "delgroup": deluser, "userdel": deluser, "groupdel": deluser,
		"getent": getent, "id": identify, "groups": identify, "gpasswd": gpasswd, "passwd": passwd, "chage": nothing,
		"chsh": usermod, "chfn": usermod, "pwck": nothing, "grpck": nothing, "pwconv": nothing, "grpconv": nothing,
		"whoami": func(c *call) int { c.print("root\n"); return 0 }, "logname": func(c *call) int { return 1 },
		"newgrp": nothingModelled, "chpasswd": func(c *call) int { return c.refuseSecret("the script sets a password") },
		"shadowconfig": nothing, "update-passwd": updatePasswd, "systemd-sysusers": sysusers,
	})
}

func nothingModelled(c *call) int { return c.refuse("%s is not modelled", c.name) }

const nogroup = 65534

func useradd(c *call) int {
	o := c.options("b:c:d:De:f:g:G:k:K:lmMNop:rR:s:u:UZ:", "base-dir:=b", "comment:=c", "home-dir:=d", "home:=d",
		"expiredate:=e", "inactive:=f", "gid:=g", "groups:=G", "skel:=k", "key:=K", "no-log-init=l", "create-home=m",
		"no-create-home=M", "no-user-group=N", "non-unique=o", "password:=p", "system=r", "root:=R", "shell:=s",
		"uid:=u", "user-group=U", "badname=l", "badnames=l")
	if len(o.rest) != 1 {
		return c.error("one name is needed")
	}
	name := o.rest[0]
	if c.m.user(name) != nil {
		c.error("user '%s' already exists", name)
		return 9
	}
	user := newUser{name: name, comment: o.value("c", ""), home: o.value("d", o.value("b", "/home")+"/"+name),
		shell: o.value("s", "/bin/sh"), password: o.value("p", "!")}
	if uid := o.value("u", ""); uid != "" {
		number, err := strconv.ParseUint(uid, 10, 32)
		if err != nil {
			return c.error("invalid user ID '%s'", uid)
		}
		user.uid = uint32(number)
	} else {
		user.uid = c.newNumber(name, o.has("r"))
	}
	switch group := o.value("g", ""); {
	case group != "":
		_, gid, ok := c.owner(":" + group)
		if !ok {
			c.error("group '%s' does not exist", group)
			return 6
		}
		user.gid = uint32(gid)
	case o.has("N"):
		user.gid = 100
	default:
		if c.m.group(name) != nil {
			c.error("group %s exists - if you want to add this user to that group, use -g.", name)
			return 9
		}
		c.addGroup(name, user.uid)
		user.gid = user.uid
	}
	c.addUser(user)
	for _, group := range strings.FieldsFunc(o.value("G", ""), func(r rune) bool { return r == ',' }) {
		c.addMember(name, group)
	}
	if o.has("m") {
		c.makeHome(user)
	}
	return 0
}

func groupadd(c *call) int {
	o := c.options("fg:K:op:rR:U:", "force=f", "gid:=g", "key:=K", "non-unique=o", "password:=p", "system=r",
		"users:=U")
	if len(o.rest) != 1 {
		return c.error("one name is needed")
	}
	if c.m.group(o.rest[0]) != nil {
		if o.has("f") {
			return 0
		}
		c.error("group '%s' already exists", o.rest[0])
		return 9
	}
	gid := c.newNumber(o.rest[0], o.has("r"))
	if text := o.value("g", ""); text != "" {
		number, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return c.error("invalid group ID '%s'", text)
		}
		gid = uint32(number)
	}
	c.addGroup(o.rest[0], gid)
	return 0
}

// usermod, and chsh and chfn as far as they are the same.
func usermod(c *call) int {
	o := c.options("aG:g:s:d:mc:f:Le:Uv:w:", "append=a", "groups:=G", "gid:=g", "shell:=s", "home:=d", "move-home=m",
		"comment:=c", "full-name:=f", "lock=L", "expiredate:=e", "unlock=U", "add-subuids:=v", "add-subgids:=w")
	if len(o.rest) != 1 {
		return c.error("one name is needed")
	}
	name := o.rest[0]
	all := c.m.accounts("/etc/passwd")
	user := find(all, name)
	if user == nil {
		c.error("user '%s' does not exist", name)
		return 6
	}
	if c.m.current != nil && len(user) < 7 {
		return c.error("the line of %s in /etc/passwd is damaged", name)
	}
	if group := o.value("g", ""); group != "" {
		_, gid, ok := c.owner(":" + group)
		if !ok {
			return c.error("group '%s' does not exist", group)
		}
		user[3] = fmt.Sprint(gid)
	}
	for option, file := range map[string]string{"v": "/etc/subuid", "w": "/etc/subgid"} {
		if from, to, found := strings.Cut(o.value(option, ""), "-"); found {
			first, _ := strconv.Atoi(from)
			last, _ := strconv.Atoi(to)
			c.m.writeAccounts(file, append(c.m.accounts(file), account{name, from, fmt.Sprint(last - first + 1)}))
		}
	}
	user[4] = o.value("c", o.value("f", user[4]))
	user[5] = o.value("d", user[5])
	user[6] = o.value("s", user[6])
	c.m.writeAccounts("/etc/passwd", all)
	if groups := o.value("G", ""); groups != "" && c.name == "usermod" {
		if !o.has("a") {
			for _, group := range c.m.groupsOf(name) {
				c.dropMember(name, group)
			}
		}
		for _, group := range strings.Split(groups, ",") {
			if !c.addMember(name, group) {
				return c.error("group '%s' does not exist", group)
			}
		}
	}
	return 0
}

func (c *call) dropMember(user, group string) {
	for _, file := range []string{"/etc/group", "/etc/gshadow"} {
		all := c.m.accounts(file)
		for _, each := range all {
			if each[0] != group || len(each) < 4 {
				continue
			}
			var kept []string
			for _, member := range strings.Split(each[3], ",") {
				if member != user && member != "" {
					kept = append(kept, member)
				}
			}
			each[3] = strings.Join(kept, ",")
		}
		c.m.writeAccounts(file, all)
	}
}

func deluser(c *call) int {
	o := c.options("qfr", "system=q", "quiet=q", "remove-home=r", "force=f", "remove-all-files=r", "only-if-empty=q",
		"group=group", "remove=r")
	if len(o.rest) == 0 {
		return c.error("a name is needed")
	}
	name := o.rest[0]
	if len(o.rest) == 2 {
		c.dropMember(name, o.rest[1])
		return 0
	}
	if c.name == "delgroup" || c.name == "groupdel" || o.has("group") {
		if c.m.group(name) == nil {
			c.error("group '%s' does not exist", name)
			return 3
		}
		c.m.removeAccount(name, "/etc/group", "/etc/gshadow")
		return 0
	}
	if c.m.user(name) == nil {
		c.error("user '%s' does not exist", name)
		return 2
	}
	c.m.removeAccount(name, "/etc/passwd", "/etc/shadow")
	return 0
}

func gpasswd(c *call) int {
	o := c.options("a:d:M:", "add:=a", "delete:=d", "members:=M")
	if len(o.rest) != 1 || c.m.group(o.rest[0]) == nil {
		return c.error("one group is needed")
	}
	for _, each := range o.list {
		switch each.name {
		case "a":
			c.addMember(each.value, o.rest[0])
		case "d":
			c.dropMember(each.value, o.rest[0])
		default:
			c.refuse("option --members of gpasswd is not modelled")
		}
	}
	return 0
}

func passwd(c *call) int {
	o := c.options("lqde", "lock=l", "quiet=q", "delete=d", "expire=e")
	if !o.has("l") {
		return c.refuseSecret("the script sets a password")
	}
	return 0
}

// getent answers from the tree.
func getent(c *call) int {
	o := c.options("s:i", "service:=s", "no-idn=i")
	if len(o.rest) == 0 {
		return 1
	}
	switch database, keys := o.rest[0], o.rest[1:]; database {
	case "passwd", "group", "shadow", "gshadow":
		all := c.m.accounts("/etc/" + database)
		if len(keys) == 0 {
			for _, each := range all {
				c.print("%s\n", strings.Join(each, ":"))
			}
			return 0
		}
		status := 0
		for _, key := range keys {
			found := false
			for _, each := range all {
				if each[0] == key || len(each) > 2 && each[2] == key && !strings.HasSuffix(database, "shadow") {
					c.print("%s\n", strings.Join(each, ":"))
					found = true
					break
				}
			}
			if !found {
				status = 2
			}
		}
		return status
	case "hosts", "ahosts", "ahostsv4", "ahostsv6":
		c.note("names of hosts are not looked up in a build")
		return 2
	case "services", "protocols", "networks", "ethers", "rpc":
		for _, line := range lines([]byte(c.m.FS.Text("/etc/" + database))) {
			text, _, _ := strings.Cut(line, "#")
			words := strings.Fields(text)
			if len(words) == 0 {
				continue
			}
			for _, word := range words {
				if len(keys) == 0 || word == keys[0] {
					c.print("%s\n", text)
					if len(keys) > 0 {
						return 0
					}
					break
				}
			}
		}
		if len(keys) == 0 {
			return 0
		}
		return 2
	}
	return c.refuse("the database %s of getent is not modelled", o.rest[0])
}

func identify(c *call) int {
	o := c.options("ugGnrzZ", "user=u", "group=g", "groups=G", "name=n", "real=r")
	name := "root"
	if len(o.rest) > 0 {
		name = o.rest[0]
	}
	user := c.m.user(name)
	if user == nil {
		for _, each := range c.m.accounts("/etc/passwd") {
			if len(each) > 2 && each[2] == name {
				user = each
			}
		}
	}
	if user == nil && name == "root" {
		user = account{"root", "x", "0", "0", "", "/root", "/bin/sh"}
	}
	if user == nil {
		return c.error("'%s': no such user", name)
	}
	primary := c.m.groupName(user.number(3))
	if primary == "" {
		primary = fmt.Sprint(user.number(3))
	}
	names := []string{primary}
	numbers := []string{fmt.Sprint(user.number(3))}
	for _, group := range c.m.groupsOf(user[0]) {
		names = append(names, group)
		numbers = append(numbers, fmt.Sprint(c.m.group(group).id()))
	}
	switch {
	case c.name == "groups":
		c.print("%s\n", strings.Join(names, " "))
	case o.has("G") && o.has("n"):
		c.print("%s\n", strings.Join(names, " "))
	case o.has("G"):
		c.print("%s\n", strings.Join(numbers, " "))
	case o.has("g") && o.has("n"):
		c.print("%s\n", primary)
	case o.has("g"):
		c.print("%d\n", user.number(3))
	case o.has("u") && o.has("n"):
		c.print("%s\n", user[0])
	case o.has("u"):
		c.print("%d\n", user.id())
	default:
		var groups []string
		for i := range names {
			groups = append(groups, fmt.Sprintf("%s(%s)", numbers[i], names[i]))
		}
		c.print("uid=%d(%s) gid=%d(%s) groups=%s\n", user.id(), user[0], user.number(3), primary, strings.Join(groups, ","))
	}
	return 0
}

// updatePasswd copies base-passwd's master files on a new system.
func updatePasswd(c *call) int {
	for _, each := range []string{"passwd", "group"} {
		if !c.m.FS.Exists("/etc/" + each) {
			text := c.m.FS.Text("/usr/share/base-passwd/" + each + ".master")
			if err := c.m.FS.WriteFile("/etc/"+each, []byte(text), 0o644); err != nil {
				return c.error("%v", err)
			}
		}
	}
	return 0
}
