package eval

import (
	"path"
	"strconv"
	"strings"

	"k8simg/components/maintscript/vfs"
)

func init() {
	register(true, map[string]func(*call) int{
		"deb-systemd-helper": systemdHelper, "invoke-rc.d": nothing, "service": nothing, "update-rc.d": updateRC,
		"start-stop-daemon": nothing, "systemd-tmpfiles": tmpfiles,
		"runlevel": func(c *call) int { c.print("unknown\n"); return 1 },
		"ischroot": nothing, "pidof": notRunning, "pgrep": notRunning, "pkill": notRunning, "killall": notRunning,
		"fuser": notRunning, "ps": notRunning, "lsof": notRunning, "killall5": notRunning,
		"telinit": nothing, "initctl": notRunning, "who": nothing, "rc-update": nothing, "findmnt": notRunning,
		"swapon": notRunning, "losetup": notRunning,
	})
	register(false, map[string]func(*call) int{
		"systemctl": systemctl, "udevadm": nothing, "loginctl": nothing, "journalctl": nothing, "busctl": notRunning,
		"systemd-detect-virt": func(c *call) int { c.print("none\n"); return 1 }, "timedatectl": nothing,
		"systemd-machine-id-setup": nothing, "dbus-send": notRunning, "gdbus": notRunning, "systemd-notify": nothing,
		"systemd-hwdb": elsewhere("the rule hardware-database makes the database"), "modprobe": nothing, "rmmod": nothing,
		"dbus-uuidgen": elsewhere("the machine's id is made at the first boot"), "lsmod": nothing, "sysctl": nothing,
		"apparmor_parser": nothing, "aa-enabled": notRunning, "aa-status": notRunning, "lsb_release": lsbRelease,
		"setupcon": nothing, "rmt": nothing, "insserv": nothing, "systemd-sysv-install": nothing,
		"iptables": nothing, "ip6tables": nothing, "nft": nothing, "ip": nothing, "ifup": nothing, "ifdown": nothing,
		"ifquery": notRunning, "vgcfgbackup": nothing, "dmsetup": nothing, "lvm": nothing, "vgs": notRunning,
		"/lib/systemd/systemd-sysv-install": nothing,
	})
}

// elsewhere is a command whose work is done by another part of the build, or by the node.
func elsewhere(why string) func(*call) int {
	return func(c *call) int {
		c.note("%s", why)
		return 0
	}
}

// notRunning answers whether something runs: nothing does.
func notRunning(*call) int { return 1 }

func unitName(name string) string {
	name = path.Base(name)
	if !strings.Contains(name, ".") {
		return name + ".service"
	}
	return name
}

// systemdHelper: deb-systemd-helper(1p). The rule units enables what is recorded here, unless a preset says
// otherwise.
func systemdHelper(c *call) int {
	o := c.options("", "quiet=quiet", "user=user", "system=system", "no-legacy-actions=quiet", "instance-unit:=quiet")
	if len(o.rest) == 0 {
		return 1
	}
	for _, unit := range o.rest[1:] {
		switch o.rest[0] {
		case "enable", "reenable":
			c.enable(unit, o.has("user"))
		case "mask":
			c.m.Report.Mask = append(c.m.Report.Mask, unitName(unit))
		case "unmask", "disable", "purge", "update-state":
		case "was-enabled": // true for a unit of which nothing is known yet
		case "debian-installed", "is-enabled":
			return 1
		default:
			return c.refuse("%s of deb-systemd-helper is not modelled", o.rest[0])
		}
	}
	return 0
}

func (c *call) enable(unit string, user bool) {
	if user {
		c.m.Report.EnableUser = append(c.m.Report.EnableUser, unitName(unit))
		return
	}
	c.m.enabled[unitName(unit)] = true
}

func systemctl(c *call) int {
	o := c.options("qMHat:p:ls:fno:rP:", "quiet=q", "system=system", "user=user", "global=user", "no-reload=n",
		"now=now",
		"force=f", "no-block=n", "no-pager=n", "root:=root", "runtime=runtime", "no-legend=n", "full=l", "all=a",
		"type:=t", "property:=p", "state:=state", "plain=n", "value=n", "no-ask-password=n", "version=version",
		"kill-who:=k", "signal:=s", "preset-mode:=mode", "job-mode:=mode", "failed=n", "job:=mode")
	if o.has("version") {
		c.print("systemd 257 (257)\n")
		return 0
	}
	if len(o.rest) == 0 {
		return 0
	}
	switch verb, units := o.rest[0], o.rest[1:]; verb {
	case "enable", "reenable", "preset":
		for _, unit := range units {
			c.enable(unit, o.has("user"))
		}
	case "mask":
		for _, unit := range units {
			c.m.Report.Mask = append(c.m.Report.Mask, unitName(unit))
		}
	case "disable":
		for _, unit := range units {
			delete(c.m.enabled, unitName(unit))
		}
	case "is-enabled":
		for _, unit := range units {
			if c.m.enabled[unitName(unit)] {
				c.print("enabled\n")
				return 0
			}
		}
		return 1
	case "is-active", "is-failed", "status":
		return 3
	case "is-system-running":
		c.print("offline\n")
		return 1
	case "list-units", "list-unit-files", "show", "cat", "show-environment", "get-default", "list-timers",
		"list-sockets":
		return 0
	case "unmask", "start", "stop", "restart", "reload", "try-restart", "reload-or-restart", "try-reload-or-restart",
		"daemon-reload", "daemon-reexec", "reset-failed", "kill", "condrestart", "force-reload", "isolate", "set-property",
		"import-environment", "revert":
	default:
		return c.refuse("%s of systemctl is not modelled", verb)
	}
	return 0
}

// updateRC makes the links of a System V script if no unit takes its place: systemd reads them.
func updateRC(c *call) int {
	o := c.options("fn", "force=f")
	if len(o.rest) < 2 {
		return 0
	}
	name, verb := o.rest[0], o.rest[1]
	script := "/etc/init.d/" + name
	if verb == "remove" || verb == "disable" || !c.m.FS.Exists(script) {
		return 0
	}
	for _, folder := range []string{"/usr/lib/systemd/system/", "/etc/systemd/system/"} {
		if c.m.FS.Exists(folder + name + ".service") {
			return 0
		}
	}
	levels := map[string]string{}
	for _, line := range lines([]byte(c.m.FS.Text(script))) {
		for key, letter := range map[string]string{"# Default-Start:": "S01", "# Default-Stop:": "K01"} {
			if rest, found := strings.CutPrefix(line, key); found {
				for _, level := range strings.Fields(rest) {
					if verb == "defaults" || verb == "enable" || letter == "K01" {
						levels[level] = letter
					}
				}
			}
		}
	}
	for level, letter := range levels {
		link := "/etc/rc" + level + ".d/" + letter + name
		if c.m.FS.Lexists(link) {
			continue
		}
		err := c.m.FS.MkdirAll(path.Dir(link), 0o755)
		if err == nil {
			err = c.m.FS.Symlink("../init.d/"+name, link)
		}
		if err != nil {
			return c.failed("cannot make", link, err)
		}
	}
	return 0
}

// tmpfiles makes what is kept over a restart: tmpfiles.d(5). The node makes the rest at each boot.
func tmpfiles(c *call) int {
	o := c.options("E", "create=create", "remove=remove", "clean=clean", "boot=boot", "prefix:=prefix",
		"exclude-prefix:=exclude", "root:=root", "replace:=replace", "graceful=graceful", "purge=purge", "dry-run=dry",
		"user=user")
	if !o.has("create") || o.has("user") {
		return 0
	}
	for _, name := range o.rest {
		text := ""
		for _, folder := range []string{"", "/etc/tmpfiles.d/", "/usr/lib/tmpfiles.d/"} {
			if folder == "" && !strings.HasPrefix(name, "/") {
				continue
			}
			if c.m.FS.Exists(folder + name) {
				text = c.m.FS.Text(folder + name)
				break
			}
		}
		for _, line := range lines([]byte(text)) {
			c.tmpfile(splitWords(line))
		}
	}
	return 0
}

func (c *call) tmpfile(words []string) {
	if len(words) < 2 || strings.Contains(words[1], "%") {
		return
	}
	field := func(i int) string {
		if i < len(words) && words[i] != "-" {
			return strings.TrimLeft(words[i], ":~")
		}
		return ""
	}
	name, kind := words[1], strings.Trim(words[0], "!-=~^$")
	for _, volatile := range []string{"/run", "/tmp", "/dev", "/sys", "/proc", "/var/run", "/var/lock"} {
		if name == volatile || strings.HasPrefix(name, volatile+"/") {
			return
		}
	}
	replaces := strings.HasSuffix(kind, "+")
	finish := func(otherwise uint32, always bool) {
		mode := otherwise
		if value, err := strconv.ParseUint(field(2), 8, 32); err == nil {
			mode = uint32(value)
		} else if !always {
			return
		}
		uid, gid, ok := c.owner(field(3) + ":" + field(4))
		if field(4) == "" {
			uid, gid, ok = c.owner(field(3))
		}
		if !ok {
			c.note("%s has an owner that does not exist", name)
			return
		}
		_ = c.m.FS.Change(name, true, func(n *vfs.Node) {
			own(n, uid, gid)
			n.Mode = mode
		})
	}
	there := c.m.FS.Lexists(name)
	switch strings.TrimSuffix(kind, "+") {
	case "d", "D", "v", "q", "Q":
		if !there && c.m.FS.MkdirAll(name, 0o755) != nil {
			return
		}
		if c.m.FS.IsDir(name) {
			finish(0o755, !there)
		}
	case "f", "F":
		if there && !replaces {
			return
		}
		content := ""
		if len(words) > 6 {
			content = strings.Join(words[6:], " ") + "\n"
		}
		if c.m.FS.MkdirAll(path.Dir(name), 0o755) == nil && c.m.FS.WriteFile(name, []byte(content), 0o644) == nil {
			finish(0o644, true)
		}
	case "L":
		if there {
			return
		}
		target := field(6)
		if target == "" {
			target = "/usr/share/factory" + name
		}
		if c.m.FS.MkdirAll(path.Dir(name), 0o755) == nil {
			_ = c.m.FS.Symlink(target, name)
		}
	case "C":
		if source := field(6); !there && source != "" && c.m.FS.Exists(source) {
			_ = c.m.FS.MkdirAll(path.Dir(name), 0o755)
			_ = c.copy(source, name, copying{recursive: true, preserve: true, seen: map[string]string{}})
		}
	case "z", "Z":
		if there {
			finish(0, false)
		}
	}
}

func lsbRelease(c *call) int {
	o := c.options("idrcvsa", "id=i", "description=d", "release=r", "codename=c", "short=s", "all=a")
	values := map[string]string{}
	for _, line := range lines([]byte(c.m.FS.Text("/usr/lib/os-release"))) {
		name, value, _ := strings.Cut(line, "=")
		values[name] = strings.Trim(value, `"`)
	}
	for _, each := range []struct{ option, label, key string }{
		{"i", "Distributor ID", "ID"}, {"d", "Description", "PRETTY_NAME"}, {"r", "Release", "VERSION_ID"},
		{"c", "Codename", "VERSION_CODENAME"}} {
		if !o.has(each.option) && !o.has("a") {
			continue
		}
		value := values[each.key]
		if each.key == "ID" && value == "debian" {
			value = "Debian"
		}
		if o.has("s") {
			c.print("%s\n", value)
		} else {
			c.print("%s:\t%s\n", each.label, value)
		}
	}
	return 0
}
