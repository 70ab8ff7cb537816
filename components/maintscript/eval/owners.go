package eval

import (
	"encoding/binary"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"k8simg/components/maintscript/vfs"
)

func chmodCommand(c *call) int {
	// Modes such as -x look like options.
	var kept []string
	mode := ""
	for i, arg := range c.args {
		if mode == "" && len(arg) > 1 && arg[0] == '-' && strings.Trim(arg[1:], "rwxXst") == "" {
			mode = arg
			continue
		}
		kept = append(kept, c.args[i])
	}
	c.args = kept
	o := c.options("Rcfvh", "recursive=R", "changes=c", "silent=f", "quiet=f", "verbose=v", "reference:=reference",
		"no-dereference=h", "preserve-root=v")
	names := o.rest
	if reference := o.value("reference", ""); reference != "" {
		n, err := c.m.FS.Stat(c.path(reference), true)
		if err != nil {
			return c.failed("failed to get attributes of", reference, err)
		}
		mode = fmt.Sprintf("%o", n.Mode)
	} else if mode == "" {
		if len(names) == 0 {
			return c.error("missing operand")
		}
		mode, names = names[0], names[1:]
	}
	if _, err := newMode(0, mode, false, c.umask); err != nil {
		return c.error("%v", err)
	}
	status := 0
	for _, name := range names {
		err := c.each(name, o.has("R"), func(where string, n vfs.Node) error {
			if n.Type == vfs.Symlink && o.has("R") {
				return nil
			}
			return c.setMode(where, mode, true)
		})
		if err != nil {
			if status = 1; !o.has("f") {
				c.failed("cannot access", name, err)
			}
		}
	}
	return status
}

func chownCommand(c *call) int {
	o := c.options("RcfvhLHP", "recursive=R", "changes=c", "silent=f", "quiet=f", "verbose=v", "reference:=reference",
		"no-dereference=h", "dereference=dereference", "from:=from", "preserve-root=v")
	names := o.rest
	uid, gid := int64(-1), int64(-1)
	if reference := o.value("reference", ""); reference != "" {
		n, err := c.m.FS.Stat(c.path(reference), true)
		if err != nil {
			return c.failed("failed to get attributes of", reference, err)
		}
		uid, gid = int64(n.UID), int64(n.GID)
		if c.name == "chgrp" {
			uid = -1
		}
	} else {
		if len(names) == 0 {
			return c.error("missing operand")
		}
		text := names[0]
		names = names[1:]
		if c.name == "chgrp" {
			text = ":" + text
		}
		var ok bool
		if uid, gid, ok = c.owner(text); !ok {
			return c.error("invalid user or group: '%s'", strings.TrimPrefix(text, ":"))
		}
	}
	fromUID, fromGID := int64(-1), int64(-1)
	if from := o.value("from", ""); from != "" {
		var ok bool
		if fromUID, fromGID, ok = c.owner(from); !ok {
			return c.error("invalid user: '%s'", from)
		}
	}
	status := 0
	for _, name := range names {
		err := c.each(name, o.has("R"), func(where string, n vfs.Node) error {
			follow := !o.has("h") && !(o.has("R") && n.Type == vfs.Symlink)
			if fromUID >= 0 && int64(n.UID) != fromUID || fromGID >= 0 && int64(n.GID) != fromGID {
				return nil
			}
			if o.has("R") && n.Type == vfs.Symlink {
				follow = false
			}
			return c.m.FS.Change(where, follow, func(n *vfs.Node) { own(n, uid, gid) })
		})
		if err != nil {
			if status = 1; !o.has("f") {
				c.failed("cannot access", name, err)
			}
		}
	}
	return status
}

// own sets an owner as chown does: set-id bits of a file are lost.
func own(n *vfs.Node, uid, gid int64) {
	if uid >= 0 {
		n.UID = uint32(uid)
	}
	if gid >= 0 {
		n.GID = uint32(gid)
	}
	if n.Type == vfs.File {
		if n.Mode&0o010 != 0 {
			n.Mode &^= 0o2000
		}
		n.Mode &^= 0o4000
		n.Xattrs = nil
	}
}

// owner reads "user", "user:group", ":group", "user:" (the user's own group); "user.group" is an old form.
func (c *call) owner(text string) (uid, gid int64, ok bool) {
	uid, gid = -1, -1
	user, group, both := strings.Cut(text, ":")
	if !both {
		if u, g, dotted := strings.Cut(text, "."); dotted && c.m.user(text) == nil {
			user, group, both = u, g, true
		}
	}
	if user != "" {
		if account := c.m.user(user); account != nil {
			uid = int64(account.id())
			if both && group == "" {
				gid = int64(account.number(3))
			}
		} else if number, err := strconv.ParseUint(user, 10, 32); err == nil {
			uid = int64(number)
		} else {
			return 0, 0, false
		}
	}
	if group != "" {
		if account := c.m.group(group); account != nil {
			gid = int64(account.id())
		} else if number, err := strconv.ParseUint(group, 10, 32); err == nil {
			gid = int64(number)
		} else {
			return 0, 0, false
		}
	}
	return uid, gid, true
}

func installCommand(c *call) int {
	o := c.options("bcCdDg:m:o:pst:Tv", "directory=d", "group:=g", "mode:=m", "owner:=o", "preserve-timestamps=p",
		"target-directory:=t", "no-target-directory=T", "verbose=v", "compare=C")
	if o.has("b") || o.has("s") {
		return c.refuse("this option of install is not modelled")
	}
	uid, gid := int64(-1), int64(-1)
	if user := o.value("o", ""); user != "" {
		var ok bool
		if uid, _, ok = c.owner(user); !ok {
			return c.error("invalid user: '%s'", user)
		}
	}
	if group := o.value("g", ""); group != "" {
		var ok bool
		if _, gid, ok = c.owner(":" + group); !ok {
			return c.error("invalid group: '%s'", group)
		}
	}
	finish := func(where string) error {
		bits, err := newMode(0, o.value("m", "755"), false, 0)
		if err != nil {
			return err
		}
		return c.m.FS.Change(where, true, func(n *vfs.Node) {
			own(n, max(uid, 0), max(gid, 0))
			n.Mode = bits
		})
	}
	status := 0
	if o.has("d") {
		for _, name := range o.rest {
			err := c.m.FS.MkdirAll(c.path(name), 0o755)
			if err == nil {
				err = finish(c.path(name))
			}
			if err != nil {
				status = c.failed("cannot create directory", name, err)
			}
		}
		return status
	}
	sources, destination := o.rest, o.value("t", "")
	if destination == "" {
		if len(sources) < 2 {
			return c.error("missing file operand")
		}
		destination, sources = sources[len(sources)-1], sources[:len(sources)-1]
	}
	if o.has("D") {
		folder := c.path(destination)
		if !o.has("t") {
			folder = path.Dir(folder)
		}
		if err := c.m.FS.MkdirAll(folder, 0o755); err != nil {
			return c.failed("cannot create directory", folder, err)
		}
	}
	for _, source := range sources {
		to := c.into(destination, source, o.has("T"))
		data, err := c.read(source)
		if err == nil {
			if n, found := c.m.FS.Stat(to, false); found == nil && n.Type != vfs.Directory {
				err = c.m.FS.Remove(to)
			}
		}
		if err == nil {
			err = c.m.FS.WriteFile(to, data, 0o600)
		}
		if err == nil {
			err = finish(to)
		}
		if n, found := c.m.FS.Stat(c.path(source), true); err == nil && found == nil && o.has("p") {
			err = c.m.FS.Change(to, true, func(copied *vfs.Node) { copied.MTime = n.MTime })
		}
		if err != nil {
			status = c.failed("cannot install", source, err)
		}
	}
	return status
}

func mktempCommand(c *call) int {
	o := c.options("dqp:tum:n:s:", "directory=d", "quiet=q", "tmpdir::=p", "suffix:=suffix", "dry-run=u",
		"prefix:=prefix",
		"mode:=m")
	template := "tmp.XXXXXXXXXX"
	if len(o.rest) > 0 {
		template = o.rest[0]
	}
	folder := o.value("p", "")
	if folder == "" && (len(o.rest) == 0 || o.has("t") || o.has("p")) {
		folder = "/tmp"
	}
	if c.name == "tempfile" {
		folder = "/tmp"
	}
	end := strings.LastIndexByte(template, 'X') + 1
	start := end
	for start > 0 && template[start-1] == 'X' {
		start--
	}
	if end-start < 3 {
		return c.error("too few X's in template '%s'", template)
	}
	name := ""
	for name == "" || c.m.FS.Lexists(c.path(name)) {
		c.m.mu.Lock()
		c.m.temp++
		number := fmt.Sprintf("%0*d", end-start, c.m.temp)
		c.m.mu.Unlock()
		name = template[:start] + number[len(number)-(end-start):] + template[end:] + o.value("suffix", o.value("s", ""))
		if folder != "" {
			name = strings.TrimRight(folder, "/") + "/" + name
		}
	}
	var err error
	switch {
	case o.has("u"):
	case o.has("d"):
		err = c.m.FS.Mkdir(c.path(name), 0o700)
	default:
		_, err = c.m.FS.Open(c.path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		return c.failed("failed to create", name, err)
	}
	c.print("%s\n", name)
	return 0
}

func mkfifoCommand(c *call) int {
	o := c.options("m:", "mode:=m")
	for _, name := range o.rest {
		if err := c.m.FS.Special(c.path(name), vfs.Fifo, 0o666&^c.umask, 0); err != nil {
			return c.failed("cannot create fifo", name, err)
		}
		if o.has("m") {
			if err := c.setMode(c.path(name), o.value("m", ""), true); err != nil {
				return c.error("%v", err)
			}
		}
	}
	return 0
}

func mknodCommand(c *call) int {
	o := c.options("m:", "mode:=m")
	if len(o.rest) == 2 && o.rest[1] == "p" {
		c.args = o.rest[:1]
		return mkfifoCommand(c)
	}
	c.note("devices are made by the kernel at each boot")
	return 0
}

func truncateCommand(c *call) int {
	o := c.options("cs:r:", "size:=s", "no-create=c")
	size, err := strconv.Atoi(o.value("s", ""))
	if err != nil || size != 0 {
		return c.refuse("truncate is modelled for the size 0 only")
	}
	for _, name := range o.rest {
		if o.has("c") && !c.m.FS.Exists(c.path(name)) {
			continue
		}
		if err := c.m.FS.WriteFile(c.path(name), nil, 0o666&^c.umask); err != nil {
			return c.failed("cannot open", name, err)
		}
	}
	return 0
}

// setfaclCommand: images have no access control lists.
func setfaclCommand(c *call) int {
	c.note("access control lists are not stored in an image")
	return 0
}

var capabilities = []string{"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid",
	"setuid",
	"setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
	"sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
	"sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
	"mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
	"checkpoint_restore"}

// setcapCommand writes the attribute as the kernel stores it: struct vfs_cap_data of linux/capability.h, revision 2.
func setcapCommand(c *call) int {
	args := c.args
	for len(args) > 0 && (args[0] == "-q" || args[0] == "-v") {
		args = args[1:]
	}
	if len(args)%2 != 0 {
		return c.error("capabilities and files come in pairs")
	}
	for i := 0; i < len(args); i += 2 {
		if args[i] == "-r" {
			continue
		}
		if strings.Contains(args[i], "-") {
			continue // takes away what a new file does not have
		}
		names, flags, found := strings.Cut(strings.NewReplacer("+", "=").Replace(args[i]), "=")
		var bits uint64
		for _, name := range strings.Split(names, ",") {
			known := false
			for number, each := range capabilities {
				if "cap_"+each == strings.ToLower(name) {
					bits |= 1 << number
					known = true
				}
			}
			if !known {
				return c.refuse("the capability %s is not known", name)
			}
		}
		if !found || strings.Trim(flags, "eip") != "" {
			return c.refuse("these capabilities are not modelled: %s", args[i])
		}
		magic, permitted, inheritable := uint32(0x02000000), uint64(0), uint64(0)
		if strings.Contains(flags, "e") {
			magic |= 1
		}
		if strings.Contains(flags, "p") {
			permitted = bits
		}
		if strings.Contains(flags, "i") {
			inheritable = bits
		}
		value := binary.LittleEndian.AppendUint32(nil, magic)
		for _, shift := range []int{0, 32} {
			value = binary.LittleEndian.AppendUint32(value, uint32(permitted>>shift))
			value = binary.LittleEndian.AppendUint32(value, uint32(inheritable>>shift))
		}
		err := c.m.FS.Change(c.path(args[i+1]), true, func(n *vfs.Node) {
			attributes := map[string][]byte{"security.capability": value}
			for name, old := range n.Xattrs {
				if name != "security.capability" {
					attributes[name] = old
				}
			}
			n.Xattrs = attributes
		})
		if err != nil {
			return c.failed("failed to set capabilities of", args[i+1], err)
		}
	}
	return 0
}
