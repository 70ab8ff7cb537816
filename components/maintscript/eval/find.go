package eval

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"k8simg/components/maintscript/sed"
	"k8simg/components/maintscript/vfs"
)

func init() {
	register(true, map[string]func(*call) int{"find": findCommand, "xargs": xargs})
}

// found is one path that find looks at.
type found struct {
	shown string // as it is printed
	where string
	node  vfs.Node
	depth int
	prune bool
}

type test func(f *found) bool

type finder struct {
	c                  *call
	words              []string
	at                 int
	min, max           int
	depthFirst, follow bool
	acts               bool // an action was given
	quit               bool
	extended           bool
	batches            []func()
	status             int
}

func findCommand(c *call) int {
	f := &finder{c: c, max: 1 << 30}
	args := c.args
	for len(args) > 0 && (args[0] == "-L" || args[0] == "-H" || args[0] == "-P") {
		f.follow = args[0] == "-L"
		args = args[1:]
	}
	var roots []string
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") && args[0] != "(" && args[0] != "!" {
		roots, args = append(roots, args[0]), args[1:]
	}
	if len(roots) == 0 {
		roots = []string{"."}
	}
	f.words = args
	matches := f.expression()
	if f.at < len(f.words) {
		c.refuse("the expression of find cannot be read at %q", f.words[f.at])
	}
	for _, root := range roots {
		f.visit(&found{shown: root, where: c.path(root)}, matches)
	}
	for _, run := range f.batches {
		run()
	}
	return f.status
}

func (f *finder) visit(each *found, matches test) {
	if f.quit || f.c.ctx.Err() != nil {
		return
	}
	n, err := f.c.m.FS.Stat(each.where, f.follow)
	if err != nil && f.follow {
		n, err = f.c.m.FS.Stat(each.where, false)
	}
	if err != nil {
		f.status = f.c.failed("cannot look at", each.shown, err)
		return
	}
	each.node = n
	look := func() {
		if each.depth >= f.min && each.depth <= f.max && matches(each) && !f.acts {
			f.c.print("%s\n", each.shown)
		}
	}
	if !f.depthFirst {
		look()
	}
	if n.Type == vfs.Directory && !each.prune && each.depth < f.max {
		names, _ := f.c.m.FS.Names(each.where)
		for _, name := range names {
			f.visit(&found{shown: strings.TrimSuffix(each.shown, "/") + "/" + name,
				where: strings.TrimSuffix(each.where, "/") + "/" + name, depth: each.depth + 1}, matches)
		}
	}
	if f.depthFirst {
		look()
	}
}

func (f *finder) peek() string {
	if f.at < len(f.words) {
		return f.words[f.at]
	}
	return ""
}

func (f *finder) next() string {
	if f.at >= len(f.words) {
		f.c.refuse("an argument of find is missing")
	}
	f.at++
	return f.words[f.at-1]
}

func (f *finder) expression() test {
	left := f.conjunction()
	for f.peek() == "-o" || f.peek() == "-or" {
		f.at++
		a, b := left, f.conjunction()
		left = func(x *found) bool { return a(x) || b(x) }
	}
	return left
}

func (f *finder) conjunction() test {
	left := func(*found) bool { return true }
	for f.at < len(f.words) && f.peek() != "-o" && f.peek() != "-or" && f.peek() != ")" {
		if f.peek() == "-a" || f.peek() == "-and" {
			f.at++
			continue
		}
		a, b := left, f.primary()
		left = func(x *found) bool { return a(x) && b(x) }
	}
	return left
}

func compareNumber(text string, value int64) bool {
	wanted, _ := strconv.ParseInt(strings.TrimLeft(text, "+-"), 10, 64)
	switch {
	case strings.HasPrefix(text, "+"):
		return value > wanted
	case strings.HasPrefix(text, "-"):
		return value < wanted
	}
	return value == wanted
}

func (f *finder) primary() test {
	c := f.c
	always := func(*found) bool { return true }
	switch word := f.next(); word {
	case "!", "-not":
		inner := f.primary()
		return func(x *found) bool { return !inner(x) }
	case "(":
		inner := f.expression()
		if f.next() != ")" {
			c.refuse("a ) of find is missing")
		}
		return inner
	case "-maxdepth":
		f.max, _ = strconv.Atoi(f.next())
		return always
	case "-mindepth":
		f.min, _ = strconv.Atoi(f.next())
		return always
	case "-depth", "-d":
		f.depthFirst = true
		return always
	case "-xdev", "-mount", "-noleaf", "-ignore_readdir_race", "-follow", "-warn", "-nowarn":
		return always
	case "-true":
		return always
	case "-false":
		return func(*found) bool { return false }
	case "-name", "-iname":
		pattern := f.next()
		return func(x *found) bool { return globMatch(pattern, path.Base(x.shown), word == "-iname") }
	case "-path", "-wholename", "-ipath":
		pattern := f.next()
		return func(x *found) bool { return globMatch(pattern, x.shown, word == "-ipath") }
	case "-lname":
		pattern := f.next()
		return func(x *found) bool {
			return x.node.Type == vfs.Symlink && globMatch(pattern, x.node.Target, false)
		}
	case "-regex":
		pattern := "^\\(" + f.next() + "\\)$"
		if f.extended {
			pattern = "^(" + f.words[f.at-1] + ")$"
		}
		re := c.compilePattern(pattern, sed.Flags{Extended: f.extended})
		return func(x *found) bool { return re.MatchString(x.shown) }
	case "-regextype":
		f.extended = strings.HasSuffix(f.next(), "extended") || strings.HasSuffix(f.words[f.at-1], "egrep")
		return always
	case "-type", "-xtype":
		kinds := f.next()
		return func(x *found) bool {
			kind := x.node.Type
			if word == "-xtype" {
				if n, err := c.m.FS.Stat(x.where, true); err == nil {
					kind = n.Type
				}
			}
			return strings.IndexByte(kinds, "fdlcbps"[kind]) >= 0
		}
	case "-empty":
		return func(x *found) bool {
			if x.node.Type == vfs.Directory {
				names, _ := c.m.FS.Names(x.where)
				return len(names) == 0
			}
			return x.node.Type == vfs.File && x.node.Size() == 0
		}
	case "-user", "-uid", "-group", "-gid":
		name := f.next()
		user := word == "-user" || word == "-uid"
		if !user {
			name = ":" + name
		}
		uid, gid, ok := c.owner(name)
		if !ok {
			c.refuse("find: there is no account %q", name)
		}
		return func(x *found) bool { return user && int64(x.node.UID) == uid || !user && int64(x.node.GID) == gid }
	case "-nouser":
		return func(x *found) bool { return c.m.userName(x.node.UID) == "" }
	case "-nogroup":
		return func(x *found) bool { return c.m.groupName(x.node.GID) == "" }
	case "-perm":
		text := f.next()
		bits, err := newMode(0, strings.TrimLeft(text, "-/"), false, 0)
		if err != nil {
			c.refuse("find: %v", err)
		}
		return func(x *found) bool {
			switch text[0] {
			case '-':
				return x.node.Mode&bits == bits
			case '/':
				return bits == 0 || x.node.Mode&bits != 0
			}
			return x.node.Mode == bits
		}
	case "-links":
		f.next()
		return always
	case "-size":
		text := f.next()
		unit := int64(512)
		switch text[len(text)-1] {
		case 'c':
			unit = 1
		case 'k':
			unit = 1 << 10
		case 'M':
			unit = 1 << 20
		}
		text = strings.TrimRight(text, "bckwMG")
		return func(x *found) bool { return compareNumber(text, (x.node.Size()+unit-1)/unit) }
	case "-newer":
		n, err := c.m.FS.Stat(c.path(f.next()), true)
		if err != nil {
			c.refuse("find: %v", err)
		}
		return func(x *found) bool { return x.node.MTime > n.MTime }
	case "-mtime", "-mmin", "-ctime", "-atime", "-cmin", "-amin":
		text := f.next()
		unit := int64(86400)
		if strings.HasSuffix(word, "min") {
			unit = 60
		}
		return func(x *found) bool { return compareNumber(text, (c.m.Request.Date-x.node.MTime)/unit) }
	case "-prune":
		return func(x *found) bool { x.prune = true; return true }
	case "-quit":
		return func(*found) bool { f.quit = true; return true }
	case "-print", "-print0":
		f.acts = true
		return func(x *found) bool {
			end := "\n"
			if word == "-print0" {
				end = "\x00"
			}
			c.print("%s%s", x.shown, end)
			return true
		}
	case "-printf":
		format := f.next()
		f.acts = true
		return func(x *found) bool { c.print("%s", f.format(format, x)); return true }
	case "-ls":
		f.acts = true
		return always
	case "-delete":
		f.acts, f.depthFirst = true, true
		return func(x *found) bool {
			if err := c.m.FS.Remove(x.where); err != nil {
				f.status = c.failed("cannot delete", x.shown, err)
				return false
			}
			return true
		}
	case "-exec", "-execdir", "-ok":
		return f.exec(word)
	default:
		c.refuse("%s of find is not modelled", word)
	}
	return always
}

func (f *finder) exec(word string) test {
	c := f.c
	f.acts = true
	var argv []string
	batch := false
	for {
		arg := f.next()
		if arg == ";" {
			break
		}
		if arg == "+" && len(argv) > 0 && argv[len(argv)-1] == "{}" {
			batch = true
			argv = argv[:len(argv)-1]
			break
		}
		argv = append(argv, arg)
	}
	if word == "-execdir" {
		c.refuse("-execdir of find is not modelled")
	}
	if batch {
		var paths []string
		f.batches = append(f.batches, func() {
			if len(paths) > 0 && c.sub(nil, c.stdout, append(argv, paths...)...) != 0 {
				f.status = 1
			}
		})
		return func(x *found) bool { paths = append(paths, x.shown); return true }
	}
	return func(x *found) bool {
		var words []string
		for _, arg := range argv {
			words = append(words, strings.ReplaceAll(arg, "{}", x.shown))
		}
		return c.sub(nil, c.stdout, words...) == 0
	}
}

func (f *finder) format(format string, x *found) string {
	text, _ := unescape(format)
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' || i+1 >= len(text) {
			out.WriteByte(text[i])
			continue
		}
		i++
		switch text[i] {
		case 'p':
			out.WriteString(x.shown)
		case 'f':
			out.WriteString(path.Base(x.shown))
		case 'h':
			out.WriteString(path.Dir(x.shown))
		case 'P':
			_, rest, _ := strings.Cut(x.shown, "/")
			out.WriteString(rest)
		case 'm':
			fmt.Fprintf(&out, "%o", x.node.Mode)
		case 'u':
			out.WriteString(f.c.m.userName(x.node.UID))
		case 'g':
			out.WriteString(f.c.m.groupName(x.node.GID))
		case 'U':
			fmt.Fprint(&out, x.node.UID)
		case 'G':
			fmt.Fprint(&out, x.node.GID)
		case 's':
			fmt.Fprint(&out, x.node.Size())
		case 'l':
			out.WriteString(x.node.Target)
		case 'y':
			out.WriteByte("fdlcbps"[x.node.Type])
		case 'd':
			fmt.Fprint(&out, x.depth)
		case '%':
			out.WriteByte('%')
		default:
			f.c.refuse("%%%c of find -printf is not modelled", text[i])
		}
	}
	return out.String()
}

// globMatch matches as fnmatch(3) without FNM_PATHNAME: * matches slashes.
func globMatch(pattern, name string, ignoreCase bool) bool {
	if ignoreCase {
		pattern, name = strings.ToLower(pattern), strings.ToLower(name)
	}
	const slash = "\x01"
	ok, err := path.Match(strings.ReplaceAll(pattern, "/", slash), strings.ReplaceAll(name, "/", slash))
	return err == nil && ok
}
