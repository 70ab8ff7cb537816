package eval

import (
	"path"
	"strings"
)

// Programs of the target that make caches or start services. What they would make is left out and listed, or made
// by a
// rule of the build, or at the first boot.
func init() {
	leftOut := elsewhere("the cache is left out; the program that uses it works without, or makes it on the node")
	list := map[string]func(*call) int{}
	for _, name := range []string{"py3compile", "pycompile", "pypy3compile", "py3clean", "pyclean", "pypy3clean",
		"fc-cache",
		"mandb", "update-mime-database", "update-desktop-database", "gtk-update-icon-cache", "gtk-update-icon-cache-3.0",
		"update-icon-caches", "glib-compile-schemas", "gio-querymodules", "gdk-pixbuf-query-loaders", "install-info",
		"update-info-dir", "update-menus", "update-gconf-defaults", "update-xmlcatalog", "update-catalog",
		"texhash", "update-texmf", "mktexlsr", "updmap-sys", "rebuilddb", "apt-cache", "update-fonts-dir",
		"update-fonts-scale", "update-fonts-alias", "appstreamcli", "update-python-modules", "vlc-cache-gen",
		"/usr/lib/vlc/vlc-cache-gen", "update-command-not-found", "byte-compile", "gtk-query-immodules-3.0", "gtk-query-immodules-2.0"} {
		list[name] = leftOut
	}
	for name, why := range map[string]string{
		"update-initramfs":       "images boot without an initramfs",
		"update-grub":            "images do not boot with GRUB",
		"update-grub2":           "images do not boot with GRUB",
		"depmod":                 "the kernel's build makes the indexes of its modules",
		"ldconfig":               "the rule library-cache makes the cache",
		"update-ca-certificates": "the rule certificates makes the bundle",
		"pam-auth-update":        "the rule pam writes /etc/pam.d/common-*",
		"update-pciids":          "nothing is downloaded in a build",
		"dracut":                 "images boot without an initramfs",
		"kernel-install":         "images have one kernel",
		"update-passwd":          "",
		"ssh-keygen":             "",
	} {
		if why != "" {
			list[name] = elsewhere(why)
		}
	}
	register(false, list)
	register(false, map[string]func(*call) int{
		"ssh-keygen": random, "openssl": openssl, "make-ssl-cert": makeSSLCert, "rndc-confgen": firstBoot, "gpg": gpg,
		"certtool": random, "wg": random, "pwgen": random, "apg": random, "mkpasswd": random, "rsa-keygen": random,
		"unbound-control-setup": firstBoot, "unbound-anchor": firstBoot, "gpgconf": nothing, "gpg-connect-agent": nothing,
		"update-inetd": updateInetd, "update-binfmts": updateBinfmts, "update-exim4.conf": nothing,
		"newaliases":    newaliases,
		"postalias":     newaliases,
		"locale-gen":    elsewhere("an image has the locale C.UTF-8; others are made with locale-gen on the node"),
		"update-locale": updateLocale, "dpkg-maintscript-runner": nothing, "jks-keystore": nothing,
		"validlocale": func(*call) int { return 1 }, "deb-gview": nothing, "apt-config": nothing, "apt-key": nothing,
		"upgrade-from-grub-legacy": nothing, "ldconfig.real": nothing, "multipath": nothing, "mdadm": nothing,
		"lvmconfig":                 nothing,
		"dbconfig-generate-include": nothingModelled, "update-language": leftOut, "update-alternatives.real": nothing,
		"vgchange": nothing, "swapoff": nothing, "hwclock": nothing, "ntpdate": nothing, "rpcinfo": notRunning,
		"exportfs": nothing,
	})
}

// anywhere lists programs that packages have in folders of their own.
var anywhere = map[string]bool{"glib-compile-schemas": true, "gio-querymodules": true, "gdk-pixbuf-query-loaders": true,
	"gtk-query-immodules-3.0": true, "gtk-query-immodules-2.0": true, "vlc-cache-gen": true}

// openssl: what makes keys is refused, and what only looks at files is not modelled.
func openssl(c *call) int {
	if len(c.args) > 0 {
		switch c.args[0] {
		case "rand", "genrsa", "genpkey", "req", "dhparam", "ecparam", "gendsa":
			return c.refuseSecret("openssl " + c.args[0] + " makes a key or a random value")
		case "version":
			c.print("OpenSSL 3.5.0\n")
			return 0
		}
	}
	return c.refuse("this use of openssl is not modelled")
}

func gpg(c *call) int {
	for _, arg := range c.args {
		if strings.Contains(arg, "gen-key") || strings.Contains(arg, "gen-random") || strings.Contains(arg, "generate") {
			return c.refuseSecret("gpg makes a key")
		}
	}
	return c.refuse("gpg is not modelled")
}

// firstBoot moves a command to the first boot: it makes a key, which no two nodes may share.
func firstBoot(c *call) int {
	made := map[string]string{"mariadb-install-db": "/var/lib/mysql/mysql"}
	return c.atFirstBoot(c.name, made[c.name])
}

func makeSSLCert(c *call) int {
	if len(c.args) > 0 && c.args[0] == "generate-default-snakeoil" {
		return c.atFirstBoot("make-ssl-cert", "/etc/ssl/private/ssl-cert-snakeoil.key")
	}
	return c.refuseSecret("make-ssl-cert makes a key")
}

// atFirstBoot writes a unit that runs the command once, before services start. `made`: a path that it makes, if that is
// known; otherwise it runs at the first boot.
func (c *call) atFirstBoot(program, made string) int {
	where := c.m.which(c.env("PATH"), program)
	if where == "" {
		return c.error("not found")
	}
	command := where
	for _, arg := range c.args {
		command += " " + systemdQuote(arg)
	}
	return c.unit(path.Base(program), command, made)
}

// unit writes and enables a unit of the first boot.
func (c *call) unit(what, command, made string) int {
	unit := "k8simg-first-boot-" + c.m.pkg.Name + "-" + what + ".service"
	condition := "ConditionFirstBoot=yes"
	if made != "" {
		condition = "ConditionPathExists=!" + made
	}
	text := "# Moved here from the postinst of " + c.m.pkg.Name + ": the build cannot do it for all nodes.\n" +
		"[Unit]\nDescription=First start of " + c.m.pkg.Name + ": " + what + "\n" + condition + "\n" +
		"DefaultDependencies=no\nRequires=local-fs.target\n" +
		"After=local-fs.target systemd-sysusers.service systemd-tmpfiles-setup.service\nBefore=sysinit.target shutdown.target\n" +
		"Conflicts=shutdown.target\n\n" +
		"[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=" + command + "\n\n[Install]\nWantedBy=sysinit.target\n"
	name := "/usr/lib/systemd/system/" + unit
	if err := c.m.FS.MkdirAll(path.Dir(name), 0o755); err != nil {
		return c.failed("cannot write", name, err)
	}
	if err := c.m.FS.WriteFile(name, []byte(text), 0o644); err != nil {
		return c.failed("cannot write", name, err)
	}
	c.enable(unit, false)
	c.note("moved to the first boot: %s", unit)
	return 0
}

func systemdQuote(arg string) string {
	escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$", "\n", `\n`).Replace(arg)
	if escaped == arg && arg != "" && !strings.ContainsAny(arg, " \t';") {
		return arg
	}
	return `"` + escaped + `"`
}

// updateInetd edits /etc/inetd.conf, which exists with an inetd only.
func updateInetd(c *call) int {
	if c.m.FS.Exists("/etc/inetd.conf") {
		return c.refuse("update-inetd is not modelled where an inetd is installed")
	}
	return 0
}

// updateBinfmts: systemd-binfmt or the package's own unit registers formats at each boot.
func updateBinfmts(c *call) int {
	c.note("formats of programs are registered at each boot")
	return 0
}

func newaliases(c *call) int {
	c.note("the database of mail aliases is made on the node with newaliases")
	return 0
}

func updateLocale(c *call) int {
	c.note("the locale is the defconfig's")
	return 0
}
