// Package eval evaluates the maintainer scripts of Debian packages over a filesystem in memory, as dpkg would run
// them
// on a new installation. No program of the target runs: the shell is an interpreter, and commands are functions here.
package eval

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"k8simg/components/maintscript/vfs"
)

// Package is one package of the target.
type Package struct {
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	Architecture string            `json:"architecture"`
	Fields       map[string]string `json:"fields"`   // of the control file
	Scripts      map[string]string `json:"scripts"`  // preinst, postinst, config
	Evaluate     []string          `json:"evaluate"` // the scripts to run; others are modelled elsewhere
	Conffiles    []string          `json:"conffiles"`
	Triggers     string            `json:"triggers"`
	Templates    string            `json:"templates"`
	Files        []string          `json:"files"` // absolute, below the merged /usr
}

func (p *Package) evaluates(script string) bool {
	for _, each := range p.Evaluate {
		if each == script {
			return p.Scripts[script] != ""
		}
	}
	return false
}

// Request says what to evaluate.
type Request struct {
	Date         int64             `json:"date"` // SOURCE_DATE_EPOCH
	Architecture string            `json:"architecture"`
	Multiarch    string            `json:"multiarch"` // "x86_64-linux-gnu"
	Packages     []*Package        `json:"packages"`
	Hostname     string            `json:"hostname"`
	Answers      map[string]string `json:"answers"` // to debconf's questions
	Numbers      map[string]uint32 `json:"numbers"` // of accounts
	Excluded     map[string]bool   `json:"-"`       // paths that the image leaves out
	// Contested has the files of paths that several packages have; the tree has that of the first.
	Contested map[string][]Contestant `json:"-"`
	Limits    Limits                  `json:"limits"`
}

// Limits of one evaluation. Zero values stand for the defaults.
type Limits struct {
	Seconds  int   `json:"seconds"`  // of one script
	Commands int   `json:"commands"` // of one script
	Bytes    int64 `json:"bytes"`    // written by all scripts
	Nodes    int   `json:"nodes"`    // created by all scripts
	Output   int64 `json:"output"`   // of one command or pipe
	Depth    int   `json:"depth"`    // of calls
}

func (l *Limits) defaults() {
	set := func(value *int, otherwise int) {
		if *value == 0 {
			*value = otherwise
		}
	}
	set(&l.Seconds, 60)
	set(&l.Commands, 200000)
	set(&l.Nodes, 50000)
	set(&l.Depth, 200)
	if l.Bytes == 0 {
		l.Bytes = 512 << 20
	}
	if l.Output == 0 {
		l.Output = 64 << 20
	}
}

// Failure says why a script could not be evaluated.
type Failure struct {
	Package string `json:"package"`
	Script  string `json:"script"`
	Line    uint   `json:"line"`
	Command string `json:"command"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Note is something that a script asked for and that is not done, or done elsewhere.
type Note struct {
	Line    uint   `json:"line"`
	Command string `json:"command"`
	Why     string `json:"why"`
}

// ScriptReport says what one script did.
type ScriptReport struct {
	Package  string   `json:"package"`
	Script   string   `json:"script"`
	Commands int      `json:"commands"`
	Notes    []Note   `json:"notes,omitempty"`
	Output   string   `json:"output,omitempty"`
	Failure  *Failure `json:"failure,omitempty"`
}

// Report of an evaluation.
type Report struct {
	Scripts    []*ScriptReport `json:"scripts"`
	Enable     []string        `json:"enable"`      // units
	EnableUser []string        `json:"enable_user"` // units of users' managers
	Mask       []string        `json:"mask"`
	Diverted   []string        `json:"diverted"` // of the contested paths, without the leading slash
	Failures   int             `json:"failures"`
}

// Machine evaluates scripts.
type Machine struct {
	FS      *vfs.FS
	Request *Request
	Report  Report

	packages map[string]*Package
	debconf  *debconf
	triggers triggers
	enabled  map[string]bool

	mu      sync.Mutex
	current *ScriptReport
	pkg     *Package
	cancel  context.CancelFunc
	last    position // of the last command
	failed  position // of the last command that failed
	temp    int
	limit   func() (context.Context, context.CancelFunc) // of the time of one script
	funcs   map[string]bool
	finally []func() // after the current script
}

type position struct {
	line    uint
	command string
	status  int
}

// New makes a machine for a filesystem.
func New(fs *vfs.FS, request *Request) *Machine {
	request.Limits.defaults()
	fs.MaxBytes, fs.MaxNodes = request.Limits.Bytes, request.Limits.Nodes
	m := &Machine{FS: fs, Request: request, packages: map[string]*Package{}, enabled: map[string]bool{}}
	for _, p := range request.Packages {
		m.packages[p.Name] = p
	}
	m.debconf = newDebconf(request.Answers)
	m.limit = func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), time.Duration(request.Limits.Seconds)*time.Second)
	}
	return m
}

// Run evaluates all scripts in dpkg's order: every preinst, then every postinst in the order of configuration, then
// triggers. A failure does not end the evaluation, so that all failures are reported at once.
func (m *Machine) Run() {
	for _, p := range m.Request.Packages {
		if p.evaluates("preinst") {
			m.script(p, "preinst", "install")
		}
	}
	for _, p := range m.Request.Packages {
		if len(p.Evaluate) > 0 {
			m.debconf.load(p.Templates)
		}
	}
	for _, p := range m.Request.Packages {
		m.FS.SetActor("script:postinst of " + p.Name)
		if !p.evaluates("postinst") {
			continue
		}
		if p.Scripts["config"] != "" && p.Templates != "" && !m.configure(p) {
			continue
		}
		m.script(p, "postinst", "configure", "")
	}
	m.runTriggers()
	for unit := range m.enabled {
		m.Report.Enable = append(m.Report.Enable, unit)
	}
	sort.Strings(m.Report.Enable)
}

// configure runs a config script, which may set answers. One in another language is left out: the defaults of the
// templates hold then.
func (m *Machine) configure(p *Package) bool {
	program, _ := interpreter(p.Scripts["config"])
	if program == "sh" || program == "bash" || program == "dash" {
		return m.script(p, "config", "configure", "")
	}
	m.Report.Scripts = append(m.Report.Scripts, &ScriptReport{Package: p.Name, Script: "config",
		Notes: []Note{{Command: "config", Why: "it is written for " + program + "; the defaults of the templates hold"}}})
	return true
}

// script runs one script, and tells whether it succeeded.
func (m *Machine) script(p *Package, name string, args ...string) bool {
	report := &ScriptReport{Package: p.Name, Script: name}
	if len(args) > 0 && args[0] == "triggered" {
		report.Script = name + " triggered"
	}
	m.Report.Scripts = append(m.Report.Scripts, report)
	m.FS.SetActor(fmt.Sprintf("script:%s of %s", name, p.Name))
	ctx, cancel := m.limit()
	defer cancel()
	m.mu.Lock()
	m.current, m.pkg, m.cancel = report, p, cancel
	m.last, m.failed = position{}, position{}
	m.funcs = map[string]bool{}
	m.mu.Unlock()
	output := &limited{max: 8 << 10}
	status, err := m.shell(ctx, shellRun{
		text:   p.Scripts[name],
		name:   "/var/lib/dpkg/info/" + p.Name + "." + name,
		args:   args,
		dir:    "/",
		stdout: output,
		stderr: output,
		top:    true,
	})
	report.Output = strings.TrimSpace(output.String())
	for _, run := range m.finally {
		run()
	}
	m.finally = nil
	if report.Failure == nil && ctx.Err() != nil && ctx.Err() == context.DeadlineExceeded {
		m.fail(m.last, fmt.Sprintf("the script did not end within %d seconds", m.Request.Limits.Seconds), "")
	}
	if report.Failure == nil && err != nil {
		m.fail(m.last, err.Error(), "")
	}
	if report.Failure == nil && status != 0 {
		at := m.failed
		if at.command == "" || m.last.line > at.line {
			at = m.last
		}
		m.fail(at, fmt.Sprintf("the script ended with status %d", status), lastLines(report.Output))
	}
	if report.Failure != nil {
		m.Report.Failures++
	}
	return report.Failure == nil
}

func lastLines(output string) string {
	if output == "" {
		return ""
	}
	lines := strings.Split(output, "\n")
	if len(lines) > 3 {
		lines = lines[len(lines)-3:]
	}
	return "it printed: " + strings.Join(lines, " | ")
}

// fail records the first failure of the current script and ends it.
func (m *Machine) fail(at position, message, hint string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current.Failure == nil {
		m.current.Failure = &Failure{Package: m.current.Package, Script: m.current.Script, Line: at.line,
			Command: at.command, Message: message, Hint: hint}
	}
	m.cancel()
}

func (m *Machine) note(at position, why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	note := Note{Line: at.line, Command: at.command, Why: why}
	for _, each := range m.current.Notes {
		if each == note {
			return
		}
	}
	m.current.Notes = append(m.current.Notes, note)
}

// installed tells whether a package is there.
func (m *Machine) installed(name string) *Package {
	name, _, _ = strings.Cut(name, ":")
	return m.packages[name]
}

// limited keeps the first bytes that are written to it.
type limited struct {
	mu   sync.Mutex
	data []byte
	max  int
}

func (l *limited) Write(bytes []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if room := l.max - len(l.data); room > 0 {
		l.data = append(l.data, bytes[:min(room, len(bytes))]...)
	}
	return len(bytes), nil
}

func (l *limited) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.data)
}

// Where names the script that runs.
func (m *Machine) Where() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current == nil {
		return "evaluation"
	}
	return fmt.Sprintf("%s of %s (line %d: %s)", m.current.Script, m.current.Package, m.last.line, m.last.command)
}
