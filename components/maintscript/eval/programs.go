package eval

import (
	"bytes"
	"compress/gzip"
	"io"
	"path"
	"strings"
)

// Programs of packages whose effect on files is small and known.
func init() {
	downloads := elsewhere("nothing is downloaded in a build")
	leftOut := elsewhere("the cache is left out; the program that uses it works without, or makes it on the node")
	register(false, map[string]func(*call) int{
		"postconf": postconf, "mariadb-install-db": firstBoot, "python3": python,
		"python3.13": python, "python3.13-minimal": python,
		"icinga2": icinga, "chronyd": chronyd, "java": java, "keytool": java, "pg_createcluster": firstBoot,
		"pg_lsclusters": nothing, "pg_updatedicts": leftOut, "pg_updateaptconfig": nothing, "update-gsfontmap": leftOut,
		"helpztags": leftOut, "update-smart-drivedb": downloads, "freshclam": downloads, "iptables-save": nothing,
		"ip6tables-save": nothing, "arptables-save": nothing, "arptables": nothing, "ss": notRunning, "netstat": notRunning,
		"route": notRunning, "lpstat": notRunning, "lpinfo": notRunning, "setxkbmap": notRunning,
		"linux-update-symlinks": nothing,
		"linux-run-hooks":       nothing, "linux-check-removal": nothing, "rpm": notRunning, "nsd-control-setup": firstBoot,
		"/usr/lib/emacsen-common/emacs-install": leftOut, "/usr/lib/emacsen-common/emacs-package-install": leftOut,
		"/usr/share/postgresql-common/pg_updateaptconfig": nothing, "/usr/share/postgresql-common/pg_checksystem": nothing,
		"/usr/share/rkhunter/scripts/rkhupd.sh": downloads, "apparmor_status": notRunning, "getcap": nothing,
		"/usr/share/libgcrypt20/clean-up-unmanaged-libraries": nothing,
	})
	register(true, map[string]func(*call) int{"mountpoint": mountpoint, "zcat": zcat, "gunzip": zcat, "gzip": zcat,
		"iconv": iconv, "setpriv": runAs, "runuser": runAs, "su": runAs})
	register(false, map[string]func(*call) int{"py3versions": py3versions, "iscsi-iname": iscsiName,
		"lighty-enable-mod": lightyEnable, "df": df, "ufw": ufw, "named-checkconf": nothing, "auditctl": notRunning,
		"pg_conftool": pgConftool, "pam_getenv": pamGetenv,
		"resolvconf": elsewhere("resolvconf runs on the node")})
	runit := elsewhere("runit is not the init of an image")
	register(true, map[string]func(*call) int{
		"/usr/lib/runit-helper/runit-helper": runit, "/lib/runit-helper/runit-helper": runit, "dpkg-realpath": readlink,
	})
}

// python: byte code is left out; anything else is a program of the target.
func python(c *call) int {
	for i, arg := range c.args {
		if strings.HasSuffix(arg, "py_compile.py") || arg == "-m" && i+1 < len(c.args) &&
			(c.args[i+1] == "py_compile" || c.args[i+1] == "compileall") {
			c.note("byte code is left out; Python makes it when a module is used")
			return 0
		}
		if strings.Contains(arg, "getPlugins(") {
			c.note("the cache of plug-ins is left out; the program that uses it works without")
			return 0
		}
	}
	return c.refuse("%s is a program of the target, which does not run during a build, and is not modelled", c.name)
}

// postconf edits /etc/postfix/main.cf: postconf(1).
func postconf(c *call) int {
	file := "/etc/postfix/main.cf"
	mode := ""
	var rest []string
	for i := 0; i < len(c.args); i++ {
		switch arg := c.args[i]; {
		case arg == "-c" && i+1 < len(c.args):
			i++
			file = path.Join(c.path(c.args[i]), "main.cf")
		case arg == "-e", arg == "-#", arg == "-X":
			mode = arg
		case strings.HasPrefix(arg, "-"):
			if strings.Trim(arg[1:], "hx") != "" {
				return c.refuse("option %s of postconf is not modelled", arg)
			}
			mode = "-h"
		default:
			rest = append(rest, arg)
		}
	}
	all := lines([]byte(c.m.FS.Text(file)))
	find := func(name string) (int, string) {
		for i, line := range all {
			key, value, found := strings.Cut(line, "=")
			if found && strings.TrimSpace(key) == name && !strings.HasPrefix(line, " ") {
				return i, strings.TrimSpace(value)
			}
		}
		return -1, ""
	}
	defaults := map[string]string{"default_transport": "smtp", "html_directory": "no", "readme_directory": "no",
		"alias_database": "hash:/etc/aliases"}
	for _, arg := range rest {
		name, value, _ := strings.Cut(arg, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		at, old := find(name)
		switch mode {
		case "-h":
			if at < 0 {
				old = defaults[name]
			}
			c.print("%s\n", old)
		case "-e":
			line := name + " = " + value
			if at < 0 {
				all = append(all, line)
			} else {
				all[at] = line
			}
		case "-#", "-X":
			if at >= 0 {
				if all[at] = "#" + all[at]; mode == "-X" {
					all = append(all[:at], all[at+1:]...)
				}
			}
		default:
			return c.refuse("this use of postconf is not modelled")
		}
	}
	if mode == "-h" {
		return 0
	}
	if err := c.m.replaceFile(file, []byte(strings.Join(all, "\n")+"\n")); err != nil {
		return c.failed("cannot write", file, err)
	}
	return 0
}

// icinga: "icinga2 feature enable NAME..." makes links.
func icinga(c *call) int {
	if len(c.args) < 3 || c.args[0] != "feature" || c.args[1] != "enable" {
		return c.refuse("this use of icinga2 is not modelled")
	}
	for _, feature := range c.args[2:] {
		link := "/etc/icinga2/features-enabled/" + feature + ".conf"
		if c.m.FS.Lexists(link) {
			continue
		}
		err := c.m.FS.MkdirAll(path.Dir(link), 0o755)
		if err == nil {
			err = c.m.FS.Symlink("../features-available/"+feature+".conf", link)
		}
		if err != nil {
			return c.failed("cannot make", link, err)
		}
	}
	return 0
}

// chronyd -p prints its configuration.
func chronyd(c *call) int {
	if len(c.args) != 1 || c.args[0] != "-p" {
		return c.refuse("this use of chronyd is not modelled")
	}
	c.print("%s", c.m.FS.Text("/etc/chrony/chrony.conf"))
	return 0
}

// java: the keystore of certificates is made at the first boot.
func java(c *call) int {
	for _, arg := range c.args {
		switch path.Base(arg) {
		case "-version":
			return 0
		case "ca-certificates-java.jar":
			return c.unit("keystore", `/bin/sh -c "find /etc/ssl/certs -name '*.pem' | sed 's/^/+/' | java -Xmx64m -jar `+
				`/usr/share/ca-certificates-java/ca-certificates-java.jar -storepass changeit"`, "/etc/ssl/certs/java/cacerts")
		}
	}
	return c.refuse("this use of %s is not modelled", c.name)
}

// mountpoint: scripts ask for /proc, which is there wherever their programs run.
func mountpoint(c *call) int {
	if len(c.args) > 0 && c.args[len(c.args)-1] == "/proc" {
		return 0
	}
	return 1
}

// zcat decompresses; gzip is modelled as far as it does the same.
func zcat(c *call) int {
	o := c.options("cdfqk", "stdout=c", "decompress=d", "force=f", "quiet=q")
	if c.name == "gzip" && !o.has("d") || c.name != "zcat" && !o.has("c") && len(o.rest) > 0 {
		return c.refuse("this use of %s is not modelled", c.name)
	}
	data, status := c.inputs(o.rest)
	reader, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return c.error("%v", err)
	}
	limit := c.m.Request.Limits.Output
	text, err := io.ReadAll(io.LimitReader(reader, limit+1))
	if err != nil {
		return c.error("%v", err)
	}
	if int64(len(text)) > limit {
		return c.refuse("its output has more than %d MB", limit>>20)
	}
	c.print("%s", text)
	return status
}

// iconv from UTF-8 to UTF-8 changes nothing.
func iconv(c *call) int {
	o := c.options("f:t:c", "from-code:=f", "to-code:=t")
	to, _, _ := strings.Cut(o.value("t", "UTF-8"), "//")
	if !strings.EqualFold(o.value("f", "UTF-8"), "UTF-8") || !strings.EqualFold(to, "UTF-8") {
		return c.refuse("iconv is modelled for UTF-8 only")
	}
	data, status := c.inputs(o.rest)
	c.print("%s", data)
	return status
}

// py3versions lists the versions of Python in the tree.
func py3versions(c *call) int {
	var names []string
	all, _ := c.m.FS.Names("/usr/bin")
	for _, name := range all {
		if version, found := strings.CutPrefix(name, "python3."); found && strings.Trim(version, "0123456789") == "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return 1
	}
	c.print("%s\n", strings.Join(names, " "))
	return 0
}

// iscsiName gives what makes open-iscsi's own unit write a name at its first start: a file that has GenerateName=yes.
func iscsiName(c *call) int {
	c.note("moved to the first start of iscsid, which makes the name")
	c.m.finally = append(c.m.finally, func() {
		_ = c.m.FS.WriteFile("/etc/iscsi/initiatorname.iscsi", []byte("GenerateName=yes\n"), 0o600)
	})
	c.print("iqn.1993-08.org.debian:01:generated\n")
	return 0
}

// lightyEnable links configurations of lighttpd.
func lightyEnable(c *call) int {
	names, _ := c.m.FS.Names("/etc/lighttpd/conf-available")
	for _, module := range c.args {
		for _, name := range names {
			_, rest, _ := strings.Cut(name, "-")
			link := "/etc/lighttpd/conf-enabled/" + name
			if rest != module+".conf" || c.m.FS.Lexists(link) {
				continue
			}
			if err := c.m.FS.Symlink("../conf-available/"+name, link); err != nil {
				return c.failed("cannot make", link, err)
			}
		}
	}
	return 0
}

// df: how much room a node has is not known; scripts ask whether there is enough.
func df(c *call) int {
	c.print("Avail\n999999999\n")
	return 0
}

// ufw: profiles of applications are read again where the firewall is on, which it is not yet.
func ufw(c *call) int {
	if len(c.args) > 0 && c.args[0] == "app" {
		c.note("the firewall is not on yet")
		return 0
	}
	return c.refuse("this use of ufw is not modelled")
}

// pgConftool shows a setting of a file: "pg_conftool FILE show -bs NAME".
func pgConftool(c *call) int {
	if len(c.args) < 3 || c.args[1] != "show" {
		return c.refuse("this use of pg_conftool is not modelled")
	}
	name, value := c.args[len(c.args)-1], ""
	for _, line := range lines([]byte(c.m.FS.Text(c.path(c.args[0])))) {
		line, _, _ = strings.Cut(line, "#")
		key, text, found := strings.Cut(line, "=")
		if found && strings.TrimSpace(key) == name {
			value = strings.Trim(strings.TrimSpace(text), "'")
		}
	}
	switch value {
	case "":
		return 1
	case "true", "yes", "1":
		value = "on"
	case "false", "no", "0":
		value = "off"
	}
	c.print("%s\n", value)
	return 0
}

// pamGetenv reads what PAM sets: "pam_getenv -l NAME" from the locale's file, otherwise from /etc/environment.
func pamGetenv(c *call) int {
	o := c.options("ls", "locale=l", "system=s")
	file := "/etc/environment"
	if o.has("l") {
		file = "/etc/default/locale"
	}
	for _, line := range lines([]byte(c.m.FS.Text(file))) {
		if name, value, found := strings.Cut(line, "="); found && len(o.rest) > 0 && strings.TrimSpace(name) == o.rest[0] {
			c.print("%s\n", strings.Trim(strings.TrimSpace(value), `"'`))
			return 0
		}
	}
	return 1
}
