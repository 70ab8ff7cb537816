package eval

import (
	"fmt"
	"path"
	"sort"
	"strings"
	"time"

	"k8simg/components/maintscript/vfs"
)

func basename(c *call) int {
	o := c.options("as:z", "multiple=a", "suffix:=s")
	if len(o.rest) == 0 {
		return c.error("missing operand")
	}
	names, suffix := o.rest, o.value("s", "")
	if !o.has("a") && !o.has("s") && len(names) > 1 {
		names, suffix = names[:1], names[1]
	}
	for _, name := range names {
		base := path.Base(name)
		if name == "" {
			base = ""
		}
		if base != suffix {
			base = strings.TrimSuffix(base, suffix)
		}
		c.print("%s\n", base)
	}
	return 0
}

func dirname(c *call) int {
	o := c.options("z", "zero=z")
	for _, name := range o.rest {
		trimmed := strings.TrimRight(name, "/")
		at := strings.LastIndexByte(trimmed, '/')
		switch {
		case trimmed == "" && name != "":
			c.print("/\n")
		case at < 0:
			c.print(".\n")
		case strings.TrimRight(trimmed[:at], "/") == "":
			c.print("/\n")
		default:
			c.print("%s\n", strings.TrimRight(trimmed[:at], "/"))
		}
	}
	return 0
}

func readlink(c *call) int {
	o := c.options("femnqszvL", "canonicalize=f", "canonicalize-existing=e", "canonicalize-missing=m", "no-newline=n",
		"quiet=q", "strip=s", "no-symlinks=s", "relative-to:=relative")
	end := "\n"
	if o.has("n") {
		end = ""
	}
	status := 0
	for _, name := range o.rest {
		where := c.path(name)
		if c.name == "readlink" && !o.has("f") && !o.has("e") && !o.has("m") {
			n, err := c.m.FS.Stat(where, false)
			if err != nil || n.Type != vfs.Symlink {
				status = 1
				continue
			}
			c.print("%s%s", n.Target, end)
			continue
		}
		real, err := c.m.FS.Real(where, !o.has("e"))
		if err != nil && o.has("m") {
			real, err = path.Clean(where), nil
			for at, rest := path.Dir(real), "/"+path.Base(real); at != "/"; at, rest = path.Dir(at), "/"+path.Base(at)+rest {
				if existing, err := c.m.FS.Real(at, false); err == nil {
					real = strings.TrimSuffix(existing, "/") + rest
					break
				}
			}
		}
		if err != nil {
			status = 1
			if c.name == "realpath" && !o.has("q") {
				c.failed("cannot resolve", name, err)
			}
			continue
		}
		if base := o.value("relative", ""); base != "" {
			real = relativeTo(path.Clean(c.path(base)), real)
		}
		c.print("%s%s", real, end)
	}
	return status
}

func stat(c *call) int {
	o := c.options("c:Lft", "format:=c", "printf:=printf", "dereference=L", "terse=t", "file-system=f")
	format, end := o.value("c", ""), "\n"
	if o.has("printf") {
		format, _ = unescape(o.value("printf", ""))
		end = ""
	}
	if format == "" || o.has("f") {
		return c.refuse("stat is modelled with a format only")
	}
	status := 0
	for _, name := range o.rest {
		n, err := c.m.FS.Stat(c.path(name), o.has("L"))
		if err != nil {
			status = c.failed("cannot stat", name, err)
			continue
		}
		var out strings.Builder
		for i := 0; i < len(format); i++ {
			if format[i] != '%' || i+1 >= len(format) {
				out.WriteByte(format[i])
				continue
			}
			i++
			user, group := c.m.userName(n.UID), c.m.groupName(n.GID)
			switch format[i] {
			case 'a':
				fmt.Fprintf(&out, "%o", n.Mode)
			case 'u':
				fmt.Fprint(&out, n.UID)
			case 'g':
				fmt.Fprint(&out, n.GID)
			case 'U':
				out.WriteString(orUnknown(user))
			case 'G':
				out.WriteString(orUnknown(group))
			case 's':
				fmt.Fprint(&out, n.Size())
			case 'n':
				out.WriteString(name)
			case 'N':
				out.WriteString("'" + name + "'")
			case 'Y', 'Z', 'X':
				fmt.Fprint(&out, n.MTime)
			case 'F':
				out.WriteString([]string{"regular file", "directory", "symbolic link", "character special file",
					"block special file", "fifo", "socket"}[n.Type])
			case 'h':
				out.WriteString("1")
			case '%':
				out.WriteByte('%')
			default:
				c.refuse("%%%c of stat is not modelled", format[i])
			}
		}
		c.print("%s%s", out.String(), end)
	}
	return status
}

func orUnknown(name string) string {
	if name == "" {
		return "UNKNOWN"
	}
	return name
}

func ls(c *call) int {
	o := c.options("1aAldrtSRhFpbiUQnogLcv", "all=a", "almost-all=A", "directory=d", "reverse=r", "color::=color",
		"inode=i", "time-style:=style")
	if o.has("i") || o.has("R") {
		return c.refuse("this option of ls is not modelled")
	}
	names := o.rest
	if len(names) == 0 {
		names = []string{"."}
	}
	status := 0
	var shown []string
	for _, name := range names {
		if !c.m.FS.Lexists(c.path(name)) {
			c.error("cannot access '%s': No such file or directory", name)
			status = 2
			continue
		}
		if o.has("d") || !c.m.FS.IsDir(c.path(name)) {
			shown = append(shown, name)
			continue
		}
		below, _ := c.m.FS.Names(c.path(name))
		for _, each := range below {
			if !strings.HasPrefix(each, ".") || o.has("a") || o.has("A") {
				shown = append(shown, each)
			}
		}
	}
	if o.has("r") {
		for i, j := 0, len(shown)-1; i < j; i, j = i+1, j-1 {
			shown[i], shown[j] = shown[j], shown[i]
		}
	}
	if o.has("v") {
		sort.SliceStable(shown, func(i, j int) bool { return compareVersions(shown[i], shown[j]) < 0 })
	}
	for _, name := range shown {
		if o.has("l") || o.has("n") {
			c.long(names, name, o.has("n"))
			continue
		}
		c.print("%s\n", name)
	}
	return status
}

// long prints one line of ls -l. A name is an operand, or in the directory that is the only operand.
func (c *call) long(operands []string, name string, numbers bool) {
	where := c.path(name)
	if !c.m.FS.Lexists(where) && len(operands) == 1 {
		where = c.path(operands[0]) + "/" + name
	}
	n, err := c.m.FS.Stat(where, false)
	if err != nil {
		return
	}
	bits := []byte("rwxrwxrwx")
	for i := range bits {
		if n.Mode>>(8-i)&1 == 0 {
			bits[i] = '-'
		}
	}
	user, group := fmt.Sprint(n.UID), fmt.Sprint(n.GID)
	if !numbers {
		user, group = orUnknown(c.m.userName(n.UID)), orUnknown(c.m.groupName(n.GID))
	}
	c.print("%c%s 1 %s %s %d %s %s\n", "-dlcbps"[n.Type], bits, user, group, n.Size(),
		time.Unix(n.MTime, 0).UTC().Format("Jan _2 2006"), name)
}
