package eval

import (
	"os"
	"path"
	"sort"
	"strings"

	"k8simg/components/maintscript/vfs"
)

func init() {
	register(true, map[string]func(*call) int{
		"dpkg": dpkg, "dpkg-query": dpkgQuery, "dpkg-divert": divert, "dpkg-statoverride": statoverride,
		"dpkg-maintscript-helper": maintscriptHelper, "dpkg-trigger": dpkgTrigger, "dpkg-architecture": dpkgArchitecture,
		"dpkg-deb": nothingModelled, "dpkg-split": nothingModelled, "dpkg-vendor": dpkgVendor,
		"ucf": ucf, "ucfr": nothing, "ucfq": nothing, "deb-systemd-invoke": nothing,
	})
}

func dpkg(c *call) int {
	if len(c.args) == 0 {
		return 2
	}
	rest := c.args[1:]
	switch verb := c.args[0]; verb {
	case "--compare-versions":
		return c.compare(rest)
	case "--print-architecture":
		c.print("%s\n", c.m.Request.Architecture)
		return 0
	case "--print-foreign-architectures":
		return 0
	case "--validate-version", "--validate-pkgname", "--validate-archname", "--validate-trigname":
		return 0
	case "-s", "--status", "-l", "--list", "-L", "--listfiles", "-S", "--search", "-W", "--show", "-p", "--print-avail",
		"--get-selections":
		return dpkgQuery(c)
	case "--version":
		c.print("Debian 'dpkg' package management program version 1.22.0\n")
		return 0
	default:
		if strings.HasPrefix(verb, "--assert-") {
			return 0
		}
		if verb == "--admindir=/var/lib/dpkg" || verb == "--no-pager" {
			c.args = rest
			return dpkg(c)
		}
		return c.refuse("%s of dpkg is not modelled", verb)
	}
}

func (c *call) compare(args []string) int {
	if len(args) != 3 {
		c.error("--compare-versions takes three arguments")
		return 2
	}
	a, relation, b := args[0], args[1], args[2]
	order := compareVersions(a, b)
	if strings.HasSuffix(relation, "-nl") { // an empty version is later than any
		switch {
		case a == "" && b != "":
			order = 1
		case b == "" && a != "":
			order = -1
		}
		relation = strings.TrimSuffix(relation, "-nl")
	} else {
		switch {
		case a == "" && b != "":
			order = -1
		case b == "" && a != "":
			order = 1
		}
	}
	holds := false
	switch relation {
	case "lt", "<<":
		holds = order < 0
	case "le", "<=", "<":
		holds = order <= 0
	case "eq", "=":
		holds = order == 0
	case "ne":
		holds = order != 0
	case "ge", ">=", ">":
		holds = order >= 0
	case "gt", ">>":
		holds = order > 0
	default:
		c.error("--compare-versions: bad relation %q", relation)
		return 2
	}
	if holds {
		return 0
	}
	return 1
}

func dpkgArchitecture(c *call) int {
	m := c.m.Request
	values := map[string]string{"ARCH": m.Architecture, "MULTIARCH": m.Multiarch, "GNU_TYPE": m.Multiarch,
		"ARCH_OS": "linux"}
	for _, arg := range c.args {
		if name, found := strings.CutPrefix(arg, "-qDEB_"); found {
			_, key, _ := strings.Cut(name, "_")
			if value, ok := values[key]; ok {
				c.print("%s\n", value)
				return 0
			}
		}
	}
	return c.refuse("this use of dpkg-architecture is not modelled")
}

func dpkgVendor(c *call) int {
	for i, arg := range c.args {
		switch {
		case arg == "--derives-from" && i+1 < len(c.args), arg == "--is" && i+1 < len(c.args):
			if strings.EqualFold(c.args[i+1], "debian") {
				return 0
			}
			return 1
		case arg == "--query":
			c.print("Debian\n")
			return 0
		}
	}
	return 1
}

func (m *Machine) matching(pattern string) []*Package {
	var found []*Package
	name, _, _ := strings.Cut(pattern, ":")
	for _, p := range m.Request.Packages {
		if ok, _ := path.Match(name, p.Name); ok {
			found = append(found, p)
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Name < found[j].Name })
	return found
}

func dpkgQuery(c *call) int {
	verb, format := "", "${binary:Package}\t${Version}\n"
	var names []string
	for i := 0; i < len(c.args); i++ {
		arg := c.args[i]
		switch {
		case arg == "-f" && i+1 < len(c.args):
			i++
			format = c.args[i]
		case strings.HasPrefix(arg, "-f") && !strings.HasPrefix(arg, "--"):
			format = strings.TrimPrefix(arg[2:], "=")
		case strings.HasPrefix(arg, "--showformat="):
			format = strings.TrimPrefix(arg, "--showformat=")
		case arg == "--showformat" && i+1 < len(c.args):
			i++
			format = c.args[i]
		case arg == "--admindir=/var/lib/dpkg", arg == "--no-pager":
		case arg == "--":
		case strings.HasPrefix(arg, "-") && verb == "":
			verb = arg
		default:
			names = append(names, arg)
		}
	}
	if strings.HasPrefix(verb, "-Wf") {
		format, verb = verb[3:], "-W"
	}
	status := 0
	// list calls show for the packages that match the names, or for all.
	list := func(show func(*Package)) {
		if len(names) == 0 {
			names = []string{"*"}
		}
		for _, name := range names {
			found := c.m.matching(name)
			if len(found) == 0 {
				status = c.error("no packages found matching %s", name)
			}
			for _, p := range found {
				show(p)
			}
		}
	}
	switch verb {
	case "-W", "--show":
		list(func(p *Package) { c.print("%s", showPackage(p, format)) })
	case "-s", "--status", "-p", "--print-avail":
		for _, name := range names {
			p := c.m.installed(name)
			if p == nil {
				c.error("package '%s' is not installed and no information is available", name)
				status = 1
				continue
			}
			c.print("Package: %s\nStatus: install ok installed\nArchitecture: %s\nVersion: %s\n", p.Name,
				p.Architecture, p.Version)
		}
	case "-l", "--list":
		list(func(p *Package) {
			c.print("ii  %s %s %s %s\n", p.Name, p.Version, p.Architecture, p.Fields["Description"])
		})
	case "-L", "--listfiles":
		for _, name := range names {
			p := c.m.installed(name)
			if p == nil {
				status = c.error("no packages found matching %s", name)
				continue
			}
			c.print("/.\n%s\n", strings.Join(p.Files, "\n"))
		}
	case "-S", "--search":
		for _, name := range names {
			found := false
			for _, p := range c.m.Request.Packages {
				for _, file := range p.Files {
					ok, _ := path.Match(name, file)
					if ok || file == path.Clean(name) || !strings.HasPrefix(name, "/") && strings.Contains(file, name) {
						c.print("%s: %s\n", p.Name, file)
						found = true
					}
				}
			}
			if !found {
				c.error("no path found matching pattern %s", name)
				status = 1
			}
		}
	case "--control-path", "-c":
		return 0
	case "--get-selections":
		for _, p := range c.m.Request.Packages {
			c.print("%s\tinstall\n", p.Name)
		}
	default:
		return c.refuse("%s of %s is not modelled", verb, c.name)
	}
	return status
}

func showPackage(p *Package, format string) string {
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		switch {
		case format[i] == '\\' && i+1 < len(format):
			i++
			out.WriteString(map[byte]string{'n': "\n", 't': "\t", 'r': "\r"}[format[i]])
		case strings.HasPrefix(format[i:], "${") && strings.Contains(format[i:], "}"):
			end := strings.IndexByte(format[i:], '}')
			name, _, _ := strings.Cut(format[i+2:i+end], ";")
			switch strings.ToLower(name) {
			case "package", "binary:package":
				out.WriteString(p.Name)
			case "version":
				out.WriteString(p.Version)
			case "architecture":
				out.WriteString(p.Architecture)
			case "status":
				out.WriteString("install ok installed")
			case "db:status-status":
				out.WriteString("installed")
			case "db:status-abbrev":
				out.WriteString("ii ")
			case "db:status-want":
				out.WriteString("install")
			case "db:status-eflag":
				out.WriteString("ok")
			case "conffiles":
				out.WriteString(strings.Join(p.Conffiles, "\n"))
			default:
				for field, value := range p.Fields {
					if strings.EqualFold(field, name) {
						out.WriteString(value)
					}
				}
			}
			i += end
		default:
			out.WriteByte(format[i])
		}
	}
	return out.String()
}

// maintscriptHelper does nothing: it acts on upgrades and removals only.
func maintscriptHelper(c *call) int {
	if len(c.args) > 0 {
		switch c.args[0] {
		case "supports", "rm_conffile", "mv_conffile", "symlink_to_dir", "dir_to_symlink":
			return 0
		}
	}
	return c.refuse("this use of dpkg-maintscript-helper is not modelled")
}

// ucf puts a new configuration file in its place, if none is there.
func ucf(c *call) int {
	o := c.options("hsdnPpS:vZ", "three-way=t", "debconf-ok=q", "sum-file:=sum", "src-dir:=src", "debconf-template:=q2",
		"purge=purge", "state-dir:=state", "debug:=d", "no-action=n")
	if o.has("purge") || o.has("p") || len(o.rest) < 2 {
		return 0
	}
	from, to := o.rest[0], c.path(o.rest[1])
	if real, err := c.m.FS.Real(to, true); err == nil {
		to = real
	}
	if c.m.FS.Exists(to) {
		return 0
	}
	n, err := c.m.FS.Stat(c.path(from), true)
	if err != nil {
		return c.failed("no such source", from, err)
	}
	data, err := c.read(from)
	if err == nil {
		err = c.m.FS.MkdirAll(path.Dir(to), 0o755)
	}
	if err == nil {
		var file *vfs.Handle
		if file, err = c.m.FS.Open(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, n.Mode&0o777); err == nil {
			_, err = file.Write(data)
		}
	}
	if err != nil {
		return c.failed("cannot write", to, err)
	}
	return 0
}
