package eval

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"strconv"
	"strings"
	"unicode/utf8"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"k8simg/components/maintscript/vfs"
)

// shellRun is one shell: of a script, or of a shell program that a script starts.
type shellRun struct {
	text           string
	name           string // $0
	args           []string
	dir            string
	env            []string // nil: that of a maintainer script
	stdin          io.Reader
	stdout, stderr io.Writer
	top            bool
	bash           bool
}

// noTemp is where the interpreter would make named pipes. Nothing can be opened there.
const noTemp = "/dev/null/none"

// environ is the environment of a shell. RANDOM and its kin are not deterministic, so the parser's result refers to
// other names, which are refused here.
type environ struct {
	expand.Environ
	m       *Machine
	started bool
}

const (
	pidName    = "K8SIMG_PID"
	randomName = "K8SIMG_RANDOM"
	umaskName  = "K8SIMG_UMASK"
)

func (e *environ) Get(name string) expand.Variable {
	switch {
	case name == "TMPDIR" && !e.started:
		e.started = true
		return expand.Variable{Set: true, Kind: expand.String, Str: noTemp}
	case name == randomName:
		e.m.fail(e.m.last, "the script uses a random value", secretHint)
	case name == pidName:
		return expand.Variable{Set: true, Kind: expand.String, Str: "1000"}
	}
	return e.Environ.Get(name)
}

func (m *Machine) environment() []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/sh", "TERM=dumb", "TZ=UTC", "LC_ALL=C.UTF-8",
		"DEBIAN_FRONTEND=noninteractive",
		"DPKG_ADMINDIR=/var/lib/dpkg", "DPKG_ROOT=", "DPKG_RUNNING_VERSION=1.22.0", "DPKG_FRONTEND_LOCKED=true",
		"DPKG_MAINTSCRIPT_PACKAGE=" + m.pkg.Name,
		"DPKG_MAINTSCRIPT_ARCH=" + m.pkg.Architecture,
		"DPKG_MAINTSCRIPT_NAME=" + strings.Fields(m.current.Script)[0],
		"DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1",
		fmt.Sprintf("SOURCE_DATE_EPOCH=%d", m.Request.Date),
	}
}

// interpreter gives the program of a script's first line, "sh" without one.
func interpreter(text string) (program, options string) {
	first, _, _ := strings.Cut(text, "\n")
	if !strings.HasPrefix(first, "#!") {
		return "sh", ""
	}
	words := strings.Fields(first[2:])
	if len(words) == 0 {
		return "sh", ""
	}
	if path.Base(words[0]) == "env" && len(words) > 1 {
		words = words[1:]
	}
	return path.Base(words[0]), strings.Join(words[1:], " ")
}

// shell runs a script and gives its exit status. An error is a failure that the script cannot handle.
func (m *Machine) shell(ctx context.Context, run shellRun) (int, error) {
	program, options := interpreter(run.text)
	switch program {
	case "sh", "dash", "bash", "ash":
	default:
		if run.top {
			return 1, fmt.Errorf("the script is written for %s, and only shell scripts can be evaluated", program)
		}
		return 126, fmt.Errorf("%s is a program for %s, and no program of the target runs during a build", run.name,
			program)
	}
	run.bash = run.bash || program == "bash"
	file, err := m.parse(run.text, run.name, run.bash)
	if err != nil {
		return 2, err
	}
	env := run.env
	if env == nil {
		env = m.environment()
	}
	env = append(env, "UID=0", "EUID=0", "GID=0", umaskName+"=022")
	s := &shell{m: m, bash: run.bash}
	params := []string{}
	if strings.HasPrefix(options, "-") && strings.Trim(options, "-eux") == "" {
		params = append(params, options)
	}
	params = append(append(params, "--"), run.args...)
	stdin := run.stdin
	if stdin == nil {
		stdin = strings.NewReader("")
	}
	runner, err := interp.New(
		interp.Env(&environ{Environ: expand.ListEnviron(env...), m: m}),
		interp.Params(params...),
		interp.Dir("/"),
		interp.StdIO(stdin, run.stdout, run.stderr),
		interp.CallHandler(s.call),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return s.exec }),
		interp.OpenHandler(s.open),
		interp.StatHandler(s.stat),
		interp.AccessHandler(s.access),
		interp.ReadDirHandler2(s.readDir),
	)
	if err != nil {
		return 2, err
	}
	if !run.bash { // dash expands aliases in scripts, bash does not
		aliases, err := m.parse("shopt -s expand_aliases", "sh", true)
		if err != nil {
			return 2, err
		}
		if err := runner.Run(ctx, aliases); err != nil {
			return 2, err
		}
	}
	if run.dir != "/" {
		quoted, err := syntax.Quote(run.dir, syntax.LangBash)
		if err != nil {
			return 2, err
		}
		enter, err := m.parse("cd "+quoted, "cd", true)
		if err != nil {
			return 2, err
		}
		if err := runner.Run(ctx, enter); err != nil {
			return 2, err
		}
	}
	err = runner.Run(ctx, file)
	var status interp.ExitStatus
	if errors.As(err, &status) {
		return int(status), nil
	}
	return 0, err
}

// parse reads a script, and takes out what would not be deterministic.
func (m *Machine) parse(text, name string, bash bool) (*syntax.File, error) {
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "?") // comments and messages of old scripts
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), name)
	if err != nil && !bash {
		other, posix := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(text), name)
		if posix == nil {
			file, err = other, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the shell cannot read the script: %w", err)
	}
	syntax.Walk(file, func(node syntax.Node) bool {
		switch n := node.(type) {
		case *syntax.Stmt:
			// What runs beside the script would end at a random point: it runs in its place.
			n.Background = false
		case *syntax.FuncDecl:
			m.mu.Lock()
			m.funcs[n.Name.Value] = true
			m.mu.Unlock()
		case *syntax.ProcSubst:
			err = fmt.Errorf("line %d: process substitution is not supported", n.Pos().Line())
		case *syntax.ParamExp:
			if n.Param == nil {
				break
			}
			switch n.Param.Value {
			case "$", "PPID", "BASHPID":
				n.Param.Value = pidName
				n.Short = false
			case "RANDOM", "SRANDOM":
				n.Param.Value = randomName
				n.Short = false
			}
		}
		return true
	})
	fixErrexit(file)
	return file, err
}

// shell has the handlers of the interpreter.
type shell struct {
	m    *Machine
	bash bool
}

func at(hc interp.HandlerContext, args []string) position {
	command := strings.Join(args, " ")
	if len(command) > 200 {
		command = command[:200] + "..."
	}
	return position{line: hc.Pos.Line(), command: command}
}

var errEnded = errors.New("the evaluation of the script was ended")

// call sees every command, function and builtin before it runs, and replaces what the interpreter's builtins would
// ask
// the build machine for, or what they do unlike dash.
func (s *shell) call(ctx context.Context, args []string) ([]string, error) {
	hc := interp.HandlerCtx(ctx)
	m := s.m
	m.mu.Lock()
	if hc.Pos.IsValid() {
		m.last = at(hc, args)
	}
	here := m.last
	m.current.Commands++
	count := m.current.Commands
	ended := m.current.Failure != nil
	m.mu.Unlock()
	if ended {
		return nil, errEnded
	}
	if count > m.Request.Limits.Commands {
		m.fail(here, fmt.Sprintf("the script ran more than %d commands", m.Request.Limits.Commands), "")
		return nil, errEnded
	}
	if count%16 == 0 {
		var frames [1]uintptr
		if runtime.Callers(m.Request.Limits.Depth*40, frames[:]) > 0 {
			m.fail(here, "the script's functions call each other without end", "")
			return nil, errEnded
		}
	}
	if m.FS.LimitHit != "" {
		m.fail(here, m.FS.LimitHit, "")
		return nil, errEnded
	}
	switch name := args[0]; name {
	case "echo":
		if !s.bash {
			return append([]string{"k8simg-echo"}, args[1:]...), nil
		}
	case "umask":
		return umask(hc, args), nil
	case "trap":
		return trap(args), nil
	case "eval":
		if _, err := m.parse(strings.Join(args[1:], " "), "eval", s.bash); err == nil {
			return args, nil
		}
	case ".", "source":
		return s.source(hc, args)
	case "command", "type", "hash":
		return s.command(hc, args), nil
	case "test", "[":
		return s.test(hc, args), nil
	case "kill", "ulimit", "times", "help", "wait":
		if name == "wait" {
			return args, nil
		}
		return []string{"true"}, nil
	case "exec":
		if len(args) > 1 && path.Base(args[1]) == "frontend" {
			return []string{"true"}, nil // debconf's frontend would start the script again
		}
	}
	return args, nil
}

func umask(hc interp.HandlerContext, args []string) []string {
	for _, arg := range args[1:] {
		if value, err := strconv.ParseUint(arg, 8, 32); err == nil {
			return []string{"eval", fmt.Sprintf("%s=%03o", umaskName, value)}
		}
	}
	return []string{"k8simg-echo", "0" + hc.Env.Get(umaskName).String()}
}

// trap keeps the traps for the end of the script: signals do not occur.
func trap(args []string) []string {
	kept := []string{"trap"}
	rest := args[1:]
	if len(rest) > 0 && rest[0] == "--" {
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return []string{"true"}
	}
	if len(rest) > 1 {
		kept = append(kept, rest[0])
		rest = rest[1:]
	}
	found := false
	for _, signal := range rest {
		if signal == "0" || signal == "EXIT" {
			found = true
		}
	}
	if !found {
		return []string{"true"}
	}
	return append(kept, "EXIT")
}

func (s *shell) source(hc interp.HandlerContext, args []string) ([]string, error) {
	if len(args) < 2 {
		return args, nil
	}
	name := args[1]
	if !strings.Contains(name, "/") {
		if found := s.m.which(hc.Env.Get("PATH").String(), name); found != "" {
			name = found
		} else {
			name = vfs.Clean(hc.Dir, name)
		}
	}
	name = vfs.Clean(hc.Dir, name)
	if !isConfmodule(name) {
		data, err := s.m.FS.ReadFile(name)
		if err == nil {
			if _, err := s.m.parse(string(data), name, true); err != nil {
				s.m.fail(at(hc, args), err.Error(), "")
				return nil, errEnded
			}
		}
	}
	return append([]string{".", name}, args[2:]...), nil
}

// command answers command -v, type and hash from the tree.
func (s *shell) command(hc interp.HandlerContext, args []string) []string {
	show, rest := args[0] != "command", args[1:]
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		if strings.ContainsAny(rest[0], "vV") {
			show = true
		}
		if rest[0] == "--" {
			rest = rest[1:]
			break
		}
		rest = rest[1:]
	}
	if !show {
		return append([]string{"command"}, rest...)
	}
	missing := len(rest) == 0
	var found []string
	for _, name := range rest {
		s.m.mu.Lock()
		function := s.m.funcs[name]
		s.m.mu.Unlock()
		if function || interp.IsBuiltin(name) {
			found = append(found, name)
		} else if where := s.m.which(hc.Env.Get("PATH").String(), name); where != "" {
			found = append(found, where)
		} else {
			missing = true
		}
	}
	switch {
	case args[0] == "hash" && !missing:
		return []string{"true"}
	case missing:
		return []string{"false"}
	}
	return []string{"k8simg-echo", strings.Join(found, "\n")}
}

// test answers what the interpreter would ask the build machine for.
func (s *shell) test(hc interp.HandlerContext, args []string) []string {
	words := args[1:]
	if args[0] == "[" && len(words) > 0 {
		words = words[:len(words)-1]
	}
	// With three words the second one is the operator, whatever the others look like.
	if len(words) == 4 && words[0] == "!" && (words[2] == "=" || words[2] == "!=") {
		words = []string{words[1], map[string]string{"=": "!=", "!=": "="}[words[2]], words[3]}
	}
	if len(words) == 3 && (words[1] == "=" || words[1] == "==" || words[1] == "!=") {
		if (words[0] == words[2]) == (words[1] != "!=") {
			return []string{"true"}
		}
		return []string{"false"}
	}
	if len(words) == 3 && words[1] == "-ef" {
		if s.m.FS.Same(vfs.Clean(hc.Dir, words[0]), vfs.Clean(hc.Dir, words[2])) {
			return []string{"true"}
		}
		return []string{"false"}
	}
	if len(words) == 2 && (words[0] == "-O" || words[0] == "-G") {
		n, err := s.m.FS.Stat(vfs.Clean(hc.Dir, words[1]), true)
		uid, gid := s.m.FS.Owner()
		if err == nil && (words[0] == "-O" && n.UID == uid || words[0] == "-G" && n.GID == gid) {
			return []string{"true"}
		}
		return []string{"false"}
	}
	if len(words) == 2 && words[0] == "-t" {
		return []string{"false"}
	}
	return args
}
