package eval

import (
	"errors"
	"path"
	"strings"

	"k8simg/components/maintscript/sed"
)

// env sets variables for a command.
func env(c *call) int {
	args := c.args
	child := *c
	set := map[string]string{}
	for len(args) > 0 {
		switch {
		case args[0] == "-i" || args[0] == "-":
			child.environ = nil
			args = args[1:]
			continue
		case (args[0] == "-u" || args[0] == "-C") && len(args) > 1:
			args = args[2:]
			continue
		case strings.HasPrefix(args[0], "-u"), args[0] == "--":
			args = args[1:]
			continue
		}
		name, value, found := strings.Cut(args[0], "=")
		if !found || strings.Contains(name, "/") {
			break
		}
		set[name] = value
		child.environ = append(child.environ, args[0])
		args = args[1:]
	}
	if len(args) == 0 {
		c.print("%s\n", strings.Join(child.environ, "\n"))
		return 0
	}
	child.env = func(name string) string {
		if value, ok := set[name]; ok {
			return value
		}
		return c.env(name)
	}
	return child.sub(c.stdin, c.stdout, args...)
}

// runRest runs what follows options: nice, timeout and the like.
func runRest(c *call) int {
	args := c.args
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		takes := args[0] == "-n" || args[0] == "-c" || args[0] == "-p" || args[0] == "-k" || args[0] == "-s"
		args = args[1:]
		if takes && len(args) > 0 {
			args = args[1:]
		}
	}
	if c.name == "timeout" && len(args) > 0 {
		args = args[1:]
	}
	if len(args) == 0 {
		return 0
	}
	return c.sub(c.stdin, c.stdout, args...)
}

// runAs runs a command as another user: what it creates belongs to that user.
func runAs(c *call) int {
	user, group, text, args := "root", "", "", c.args
	login := c.name == "su" || c.name == "runuser"
	for i := 0; i < len(args); i++ {
		arg := args[i]
		name, value, has := strings.Cut(arg, "=")
		next := func() string {
			if !has && i+1 < len(args) {
				i++
				return args[i]
			}
			return value
		}
		switch {
		case arg == "--":
			args = args[i+1:]
			return c.as(user, group, text, args)
		case name == "--reuid" || name == "-u" || name == "--user" || name == "--ruid" || name == "--euid":
			user = next()
			login = false
		case name == "--regid" || name == "-g" || name == "--group" || name == "--rgid" || name == "--egid":
			group = next()
		case name == "-c" || name == "--command":
			text = next()
		case name == "-s" || name == "--shell" || name == "--groups" || name == "--inh-caps" || name == "--bounding-set":
			next()
		case strings.HasPrefix(arg, "-"):
		case login:
			user, login = arg, false
		default:
			return c.as(user, group, text, args[i:])
		}
	}
	return c.as(user, group, text, nil)
}

func (c *call) as(user, group, text string, args []string) int {
	uid, gid, ok := c.owner(user + ":" + group)
	if !ok {
		return c.error("user %s does not exist", user)
	}
	oldUID, oldGID := c.m.FS.SetOwner(uint32(max(uid, 0)), uint32(max(gid, 0)))
	defer c.m.FS.SetOwner(oldUID, oldGID)
	if text != "" {
		return c.sub(c.stdin, c.stdout, append([]string{"sh", "-c", text}, args...)...)
	}
	if len(args) == 0 {
		return 0
	}
	return c.sub(c.stdin, c.stdout, args...)
}

func flock(c *call) int {
	args := c.args
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if args[0] == "-w" && len(args) > 1 {
			args = args[1:]
		}
		args = args[1:]
	}
	if len(args) < 2 {
		return 0
	}
	if args[1] == "-c" {
		return c.sub(c.stdin, c.stdout, append([]string{"sh"}, args[1:]...)...)
	}
	return c.sub(c.stdin, c.stdout, args[1:]...)
}

// sh runs a script of the tree, or the text after -c.
func sh(c *call) int {
	args := c.args
	flags := ""
	for len(args) > 0 && strings.HasPrefix(args[0], "-") && args[0] != "--" {
		flags, args = flags+args[0][1:], args[1:]
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	run := shellRun{dir: c.dir, env: c.environ, stdin: c.stdin, stdout: c.stdout, stderr: c.stderr, name: c.name,
		bash: c.name == "bash"}
	prefix := ""
	if strings.Contains(flags, "e") {
		prefix = "set -e; "
	}
	switch {
	case strings.Contains(flags, "c") && len(args) > 0:
		run.text = prefix + args[0]
		if len(args) > 1 {
			run.name, run.args = args[1], args[2:]
		}
	case len(args) > 0 && inPath(path.Clean(c.path(args[0]))) && modelled(path.Base(args[0])):
		return c.sub(c.stdin, c.stdout, args...)
	case len(args) > 0:
		data, err := c.read(args[0])
		if err != nil {
			c.failed("cannot open", args[0], err)
			return 127
		}
		run.text, run.name, run.args = string(data), args[0], args[1:]
	default:
		run.text = string(c.input())
	}
	if c.depth++; c.depth > 20 {
		c.refuse("shells start each other without end")
	}
	status, err := c.m.shell(c.ctx, run)
	if err != nil {
		if errors.Is(err, errEnded) || c.ctx.Err() != nil {
			return 1
		}
		c.refuse("%v", err)
	}
	return status
}

func printfCommand(c *call) int {
	return c.sub(c.stdin, c.stdout, append([]string{"sh", "-c", `printf "$@"`, "sh"}, c.args...)...)
}

func testCommand(c *call) int {
	args := c.args
	if c.name == "[" && len(args) > 0 {
		args = args[:len(args)-1]
	}
	return c.sub(c.stdin, c.stdout, append([]string{"sh", "-c", `test "$@"`, "sh"}, args...)...)
}

func runParts(c *call) int {
	o := c.options("v", "report=report", "verbose=v", "arg:=arg", "lsbsysinit=lsb", "exit-on-error=exit",
		"test=test", "list=list",
		"regex:=regex")
	if len(o.rest) == 0 {
		return 1
	}
	names, _ := c.m.FS.Names(c.path(o.rest[0]))
	re := c.compilePattern(`^[a-zA-Z0-9_-]+$`, sed.Flags{Extended: true})
	status := 0
	for _, name := range names {
		where := strings.TrimSuffix(o.rest[0], "/") + "/" + name
		if !re.MatchString(name) || c.m.which("", c.path(where)) == "" {
			continue
		}
		if o.has("test") || o.has("list") {
			c.print("%s\n", where)
			continue
		}
		argv := []string{where}
		for _, each := range o.list {
			if each.name == "arg" {
				argv = append(argv, each.value)
			}
		}
		if c.sub(nil, c.stdout, argv...) != 0 {
			status = 1
		}
	}
	return status
}

// modelled tells whether a command is a function of this package.
func modelled(name string) bool {
	_, ok := commands[name]
	return ok
}
