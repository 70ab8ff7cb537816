package eval

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"k8simg/components/maintscript/vfs"
)

func init() {
	register(true, map[string]func(*call) int{
		"cp": copyCommand, "mv": moveCommand, "rm": removeCommand, "rmdir": rmdirCommand, "mkdir": mkdirCommand,
		"ln": linkCommand, "touch": touchCommand, "chmod": chmodCommand, "chown": chownCommand, "chgrp": chownCommand,
		"install": installCommand, "mktemp": mktempCommand, "tempfile": mktempCommand, "mkfifo": mkfifoCommand,
		"truncate": truncateCommand, "unlink": removeCommand, "sync": nothing, "link": linkCommand, "mknod": mknodCommand,
		"setcap": setcapCommand, "setfacl": setfaclCommand, "chattr": nothing, "lsattr": nothing, "restorecon": nothing,
	})
}

func nothing(*call) int { return 0 }

// reason gives the words of an error without the path.
func reason(err error) string {
	var where *fs.PathError
	if errors.As(err, &where) {
		return where.Err.Error()
	}
	return err.Error()
}

func (c *call) failed(doing, name string, err error) int {
	return c.error("%s %s: %s", doing, name, reason(err))
}

// into gives where an operand goes: below a directory, or the destination itself.
func (c *call) into(destination, source string, asFile bool) string {
	if !asFile && c.m.FS.IsDir(c.path(destination)) {
		return strings.TrimRight(c.path(destination), "/") + "/" + path.Base(strings.TrimRight(source, "/"))
	}
	return c.path(destination)
}

// operands gives the sources and the destination of cp, mv and ln: option -t or the last operand. alone is the
// destination of a single operand; "" means that one is not enough. The status is not 0 after an error.
func (c *call) operands(o options, alone string) (sources []string, destination string, status int) {
	sources, destination = o.rest, o.value("t", "")
	if destination == "" {
		switch {
		case len(sources) > 1:
			destination, sources = sources[len(sources)-1], sources[:len(sources)-1]
		case len(sources) == 1 && alone != "":
			destination = alone
		default:
			return nil, "", c.error("missing file operand")
		}
	}
	if len(sources) > 1 && !c.m.FS.IsDir(c.path(destination)) {
		return nil, "", c.error("target '%s' is not a directory", destination)
	}
	return sources, destination, 0
}

func removeCommand(c *call) int {
	o := c.options("rRfdivI", "recursive=r", "force=f", "dir=d", "verbose=v", "one-file-system=x", "preserve-root=x",
		"interactive::=i")
	status := 0
	for _, name := range o.rest {
		where := c.path(name)
		n, err := c.m.FS.Stat(where, false)
		if err != nil {
			if !o.has("f") {
				status = c.failed("cannot remove", name, err)
			}
			continue
		}
		switch {
		case path.Clean(where) == "/":
			c.refuse("the script removes the whole tree")
		case n.Type == vfs.Directory && (o.has("r") || o.has("R")):
			err = c.m.FS.RemoveAll(where)
		case n.Type == vfs.Directory && !o.has("d"):
			err = syscall.EISDIR
		default:
			err = c.m.FS.Remove(where)
		}
		if err != nil {
			status = c.failed("cannot remove", name, err)
		}
	}
	return status
}

func rmdirCommand(c *call) int {
	o := c.options("pv", "parents=p", "ignore-fail-on-non-empty=ignore", "verbose=v")
	status := 0
	for _, name := range o.rest {
		for where := c.path(name); ; where = path.Dir(strings.TrimRight(where, "/")) {
			n, err := c.m.FS.Stat(strings.TrimRight(where, "/"), false)
			if err == nil && n.Type != vfs.Directory {
				err = syscall.ENOTDIR
			}
			if err == nil {
				err = c.m.FS.Remove(where)
			}
			if err != nil {
				if !(o.has("ignore") && errors.Is(err, syscall.ENOTEMPTY)) {
					status = c.failed("failed to remove", name, err)
				}
				break
			}
			if !o.has("p") || path.Dir(where) == "/" {
				break
			}
		}
	}
	return status
}

func mkdirCommand(c *call) int {
	o := c.options("pm:vZ", "parents=p", "mode:=m", "verbose=v")
	status := 0
	for _, name := range o.rest {
		where := c.path(name)
		if o.has("p") && c.m.FS.IsDir(where) {
			continue
		}
		var err error
		if o.has("p") {
			err = c.m.FS.MkdirAll(path.Dir(strings.TrimRight(where, "/")), 0o777&^c.umask)
		}
		if err == nil {
			err = c.m.FS.Mkdir(where, 0o777&^c.umask)
		}
		if err == nil && o.has("m") {
			err = c.setMode(where, o.value("m", ""), true)
		}
		if err != nil {
			status = c.failed("cannot create directory", name, err)
		}
	}
	return status
}

func linkCommand(c *call) int {
	o := c.options("sfnrvTt:PLib", "symbolic=s", "force=f", "no-dereference=n", "relative=r", "verbose=v",
		"no-target-directory=T", "target-directory:=t", "physical=P", "logical=L", "interactive=i", "backup::=b")
	if o.has("b") {
		return c.refuse("option -b of ln is not modelled")
	}
	sources, destination, status := c.operands(o, ".")
	if status != 0 {
		return status
	}
	asFile := o.has("T")
	if n, err := c.m.FS.Stat(c.path(destination), false); err == nil && n.Type == vfs.Symlink && o.has("n") {
		asFile = true
	}
	for _, source := range sources {
		to := c.into(destination, source, asFile)
		if c.m.FS.Lexists(to) && o.has("f") && !c.m.FS.IsDir(to) || o.has("f") && asFile && c.m.FS.Lexists(to) {
			if err := c.m.FS.Remove(to); err != nil {
				status = c.failed("cannot remove", to, err)
				continue
			}
		}
		target := source
		if o.has("s") && o.has("r") {
			target = relativeTo(path.Dir(path.Clean(to)), path.Clean(c.path(source)))
		}
		var err error
		if o.has("s") {
			err = c.m.FS.Symlink(target, to)
		} else {
			err = c.m.FS.Link(c.path(source), to)
		}
		if err != nil {
			status = c.failed("failed to create link", to, err)
		}
	}
	return status
}

func relativeTo(base, target string) string {
	from, to := strings.Split(strings.Trim(base, "/"), "/"), strings.Split(strings.Trim(target, "/"), "/")
	if base == "/" {
		from = nil
	}
	i := 0
	for i < len(from) && i < len(to)-1 && from[i] == to[i] {
		i++
	}
	return strings.Repeat("../", len(from)-i) + strings.Join(to[i:], "/")
}

func touchCommand(c *call) int {
	o := c.options("acmhr:d:t:f", "no-create=c", "reference:=r", "date:=d", "no-dereference=h", "time:=time")
	status := 0
	when := c.m.Request.Date
	if reference := o.value("r", ""); reference != "" {
		n, err := c.m.FS.Stat(c.path(reference), true)
		if err != nil {
			return c.failed("failed to get attributes of", reference, err)
		}
		when = n.MTime
	}
	if o.has("d") || o.has("t") {
		c.note("the time of files in an image is that of the build, unless a package gives it")
	}
	for _, name := range o.rest {
		where := c.path(name)
		var err error
		if !c.m.FS.Exists(where) {
			if o.has("c") {
				continue
			}
			_, err = c.m.FS.Open(where, os.O_WRONLY|os.O_CREATE, 0o666&^c.umask)
		}
		if err == nil {
			err = c.m.FS.Change(where, true, func(n *vfs.Node) { n.MTime = when })
		}
		if err != nil {
			status = c.failed("cannot touch", name, err)
		}
	}
	return status
}

// setMode applies an octal or symbolic mode.
func (c *call) setMode(where, mode string, follow bool) error {
	n, err := c.m.FS.Stat(where, follow)
	if err != nil {
		return err
	}
	bits, err := newMode(n.Mode, mode, n.Type == vfs.Directory, c.umask)
	if err != nil {
		return err
	}
	if n.Type == vfs.Symlink || bits == n.Mode {
		return nil
	}
	return c.m.FS.Change(where, follow, func(n *vfs.Node) { n.Mode = bits })
}

func newMode(old uint32, mode string, directory bool, umask uint32) (uint32, error) {
	if value, err := strconv.ParseUint(mode, 8, 32); err == nil {
		if directory && len(mode) < 5 && value&0o6000 == 0 {
			value |= uint64(old & 0o6000) // GNU chmod keeps them on directories
		}
		return uint32(value) & 0o7777, nil
	}
	result := old
	for _, clause := range strings.Split(mode, ",") {
		split := strings.IndexAny(clause, "+-=")
		if split < 0 {
			return 0, fmt.Errorf("invalid mode %q", mode)
		}
		var mask uint32
		for _, who := range clause[:split] {
			switch who {
			case 'u':
				mask |= 0o4700
			case 'g':
				mask |= 0o2070
			case 'o':
				mask |= 0o1007
			case 'a':
				mask |= 0o7777
			default:
				return 0, fmt.Errorf("invalid mode %q", mode)
			}
		}
		masked := mask
		if mask == 0 {
			mask, masked = 0o7777, 0o7777&^umask
		}
		for rest := clause[split:]; rest != ""; {
			operator := rest[0]
			end := strings.IndexAny(rest[1:], "+-=")
			if end < 0 {
				end = len(rest) - 1
			}
			var bits uint32
			for _, permission := range rest[1 : end+1] {
				switch permission {
				case 'r':
					bits |= 0o444
				case 'w':
					bits |= 0o222
				case 'x':
					bits |= 0o111
				case 'X':
					if directory || old&0o111 != 0 {
						bits |= 0o111
					}
				case 's':
					bits |= 0o6000
				case 't':
					bits |= 0o1000
				case 'u':
					bits |= (result >> 6 & 7) * 0o111
				case 'g':
					bits |= (result >> 3 & 7) * 0o111
				case 'o':
					bits |= (result & 7) * 0o111
				default:
					return 0, fmt.Errorf("invalid mode %q", mode)
				}
			}
			if clause[:split] != "" && !strings.ContainsAny(clause[:split], "oa") {
				bits &^= 0o1000
			}
			switch operator {
			case '+':
				result |= bits & (masked | bits&0o1000)
			case '-':
				result &^= bits & masked
			case '=':
				keep := ^mask
				if directory {
					keep |= 0o6000
				}
				result = result&keep | bits&masked
			}
			rest = rest[end+1:]
		}
	}
	return result, nil
}

// each calls edit for an operand, and for all below it if recursive.
func (c *call) each(name string, recursive bool, edit func(where string, n vfs.Node) error) error {
	where := c.path(name)
	if !recursive {
		n, err := c.m.FS.Stat(where, false)
		if err != nil {
			return err
		}
		return edit(where, n)
	}
	if real, err := c.m.FS.Real(where, false); err == nil {
		where = real
	}
	return c.m.FS.Walk(where, edit)
}
