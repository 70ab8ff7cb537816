package eval

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"sort"
	"strings"

	"mvdan.cc/sh/v3/interp"

	"k8simg/components/maintscript/vfs"
)

// secretHint explains why random values are refused.
const secretHint = "a value that must be secret or unique is not made in a build, where all copies of the image would " +
	"share it; it must be made at the first boot"

// entry is a command.
type entry struct {
	run func(*call) int
	// always: scripts find it even if the tree does not have its program, because every Debian system that runs
	// scripts has it. Others exist where their program is in the tree.
	always bool
}

// commands by name. Filled by the files of the package.
var commands = map[string]entry{}

func register(always bool, list map[string]func(*call) int) {
	for name, run := range list {
		if _, twice := commands[name]; twice {
			panic("command " + name + " is there twice")
		}
		commands[name] = entry{run, always}
	}
}

// call is one start of a command.
type call struct {
	m              *Machine
	ctx            context.Context
	sh             *shell
	name           string
	args           []string
	dir            string
	env            func(string) string
	environ        []string
	stdin          io.Reader
	stdout, stderr io.Writer
	at             position
	umask          uint32
	depth          int
}

// refusal ends the script: what it asks for cannot be evaluated.
type refusal struct{ message, hint string }

func (c *call) refuse(format string, args ...any) int {
	panic(refusal{message: fmt.Sprintf(format, args...)})
}

func (c *call) refuseSecret(what string) int {
	panic(refusal{message: what, hint: secretHint})
}

func (c *call) note(format string, args ...any) { c.m.note(c.at, fmt.Sprintf(format, args...)) }

func (c *call) print(format string, args ...any) { fmt.Fprintf(c.stdout, format, args...) }

// error prints a message and gives the exit code 1.
func (c *call) error(format string, args ...any) int {
	fmt.Fprintf(c.stderr, "%s: %s\n", c.name, fmt.Sprintf(format, args...))
	return 1
}

// path makes an operand absolute.
func (c *call) path(name string) string { return vfs.Clean(c.dir, name) }

func (c *call) input() []byte {
	if c.stdin == nil {
		return nil
	}
	limit := c.m.Request.Limits.Output
	data, err := io.ReadAll(io.LimitReader(c.stdin, limit+1))
	if err != nil && !errors.Is(err, io.EOF) {
		c.refuse("its input cannot be read: %v", err)
	}
	if int64(len(data)) > limit {
		c.refuse("its input has more than %d MB", limit>>20)
	}
	return data
}

// read gives the content of a file, or standard input for "-".
func (c *call) read(name string) ([]byte, error) {
	switch name {
	case "-", "/dev/stdin", "/dev/fd/0":
		return c.input(), nil
	case "/dev/null":
		return nil, nil
	case "/dev/urandom", "/dev/random", "/dev/hwrng", "/dev/zero", "/proc/sys/kernel/random/uuid":
		c.refuseSecret("the command reads " + name)
	}
	return c.m.FS.ReadFile(c.path(name))
}

// inputs joins the named files, or gives standard input.
func (c *call) inputs(names []string) ([]byte, int) {
	if len(names) == 0 {
		return c.input(), 0
	}
	var all []byte
	status := 0
	for _, name := range names {
		data, err := c.read(name)
		if err != nil {
			status = c.error("%v", err)
			continue
		}
		all = append(all, data...)
	}
	return all, status
}

func lines(data []byte) []string {
	if len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// writer counts what a command prints.
type countingWriter struct {
	io.Writer
	left int64
}

var errOutput = errors.New("output limit")

func (w *countingWriter) Write(b []byte) (int, error) {
	if w.left -= int64(len(b)); w.left < 0 {
		return 0, errOutput
	}
	return w.Writer.Write(b)
}

// exec runs a command that is neither a function nor a builtin.
func (s *shell) exec(ctx context.Context, args []string) error {
	hc := interp.HandlerCtx(ctx)
	m := s.m
	here := at(hc, args)
	if here.line == 0 {
		here.line = m.last.line
	}
	var environ []string
	for name, v := range hc.Env.Each {
		if v.Exported && v.IsSet() {
			environ = append(environ, name+"="+v.String())
		}
	}
	c := &call{m: m, ctx: ctx, sh: s, args: args[1:], dir: hc.Dir, environ: environ, stdin: hc.Stdin, at: here,
		env: func(name string) string { return hc.Env.Get(name).String() }, umask: s.umaskOf(ctx)}
	c.stdout = &countingWriter{hc.Stdout, m.Request.Limits.Output}
	c.stderr = hc.Stderr
	status, err := c.start(args[0])
	if err != nil {
		var stop refusal
		if errors.As(err, &stop) {
			m.fail(here, stop.message, stop.hint)
		}
		return errEnded
	}
	if m.FS.LimitHit != "" {
		m.fail(here, m.FS.LimitHit, "")
		return errEnded
	}
	if status != 0 {
		here.status = status
		m.mu.Lock()
		m.failed = here
		m.mu.Unlock()
		return interp.ExitStatus(status)
	}
	return nil
}

func (r refusal) Error() string { return r.message }

// start runs a command by its name: one of ours, or a shell program of the tree.
func (c *call) start(name string) (status int, err error) {
	if c.ctx.Err() != nil {
		return 1, errEnded
	}
	c.name = path.Base(name)
	entry, ours := commands[c.name]
	if strings.Contains(name, "/") && !inPath(path.Clean(c.path(name))) && !anywhere[c.name] {
		entry, ours = commands[path.Clean(c.path(name))]
	}
	where := c.m.which(c.env("PATH"), name)
	if strings.HasPrefix(c.name, "k8simg-") {
		where = c.name
	}
	if where == "" && !(ours && entry.always) {
		fmt.Fprintf(c.stderr, "%s: not found\n", name)
		return 127, nil
	}
	if ours {
		defer func() {
			if problem := recover(); problem != nil {
				stop, ok := problem.(refusal)
				if !ok {
					panic(problem)
				}
				status, err = 1, stop
			}
		}()
		return entry.run(c), nil
	}
	text, readErr := c.m.FS.ReadFile(c.path(where))
	if readErr != nil {
		return 126, refusal{message: readErr.Error()}
	}
	if !bytes.HasPrefix(text, []byte("#!")) {
		return 126, refusal{
			message: where + " is a program of the target, which does not run during a build, and is not modelled",
			hint:    "judge the script in defconfigs/scripts.toml, with what has to be done instead",
		}
	}
	status, err = c.m.shell(c.ctx, shellRun{text: string(text), name: where, args: c.args, dir: c.dir, env: c.environ,
		stdin: c.stdin, stdout: c.stdout, stderr: c.stderr})
	if err != nil && !errors.Is(err, errEnded) && c.ctx.Err() == nil {
		err = refusal{message: err.Error()}
	}
	return status, err
}

// sub runs a command for another one, with its streams.
func (c *call) sub(stdin io.Reader, stdout io.Writer, args ...string) int {
	child := *c
	child.args, child.stdin, child.stdout = args[1:], stdin, stdout
	if stdin == nil {
		child.stdin = strings.NewReader("")
	}
	c.m.mu.Lock()
	c.m.current.Commands++
	over := c.m.current.Commands > c.m.Request.Limits.Commands
	c.m.mu.Unlock()
	if over {
		c.refuse("the script ran more than %d commands", c.m.Request.Limits.Commands)
	}
	if child.depth++; child.depth > 20 {
		c.refuse("commands start each other without end")
	}
	status, err := child.start(args[0])
	var stop refusal
	if errors.As(err, &stop) {
		panic(stop)
	}
	if err != nil {
		panic(refusal{message: err.Error()})
	}
	return status
}

// option as it was given.
type option struct{ name, value string }

type options struct {
	list []option
	rest []string
}

func (o options) has(name string) bool {
	for _, each := range o.list {
		if each.name == name {
			return true
		}
	}
	return false
}

// value of the last option of that name.
func (o options) value(name, otherwise string) string {
	for _, each := range o.list {
		if each.name == name {
			otherwise = each.value
		}
	}
	return otherwise
}

// options reads arguments as getopt_long does. short: "ab:", long: "all=a" (the same as -a), "file:=f" with a value,
// "update::=u" with a value only after "=".
// An option that is not listed ends the script, because what it asks for is not modelled.
func (c *call) options(short string, long ...string) options {
	names := map[string]string{}
	valued := map[string]bool{}
	for _, each := range long {
		name, same, _ := strings.Cut(each, "=")
		if bare := strings.TrimRight(name, ":"); bare != name {
			valued[bare] = name == bare+":"
			name = bare
		}
		if same == "" {
			same = name
		}
		names[name] = same
	}
	var o options
	for i := 0; i < len(c.args); i++ {
		arg := c.args[i]
		switch {
		case arg == "--":
			o.rest = append(o.rest, c.args[i+1:]...)
			return o
		case strings.HasPrefix(arg, "--"):
			name, value, has := strings.Cut(arg[2:], "=")
			same, known := names[name]
			if !known {
				var full []string
				for each := range names {
					if strings.HasPrefix(each, name) {
						full = append(full, each)
					}
				}
				if sort.Strings(full); len(full) > 0 {
					name, same, known = full[0], names[full[0]], true
				}
				for _, each := range full {
					known = known && names[each] == same
				}
			}
			if !known {
				c.refuse("option --%s of %s is not modelled", name, c.name)
			}
			if valued[name] && !has && i+1 < len(c.args) {
				i++
				value = c.args[i]
			}
			o.list = append(o.list, option{same, value})
		case len(arg) > 1 && arg[0] == '-':
			for j := 1; j < len(arg); j++ {
				at := strings.IndexByte(short, arg[j])
				if at < 0 || arg[j] == ':' {
					c.refuse("option -%c of %s is not modelled", arg[j], c.name)
				}
				name, value := arg[j:j+1], ""
				takes := at+1 < len(short) && short[at+1] == ':'
				if takes {
					if value = arg[j+1:]; value == "" && i+1 < len(c.args) {
						i++
						value = c.args[i]
					}
				}
				o.list = append(o.list, option{name, value})
				if takes {
					break
				}
			}
		default:
			o.rest = append(o.rest, arg)
		}
	}
	return o
}
