package eval

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/benhoyt/goawk/interp"
	"github.com/benhoyt/goawk/parser"
)

func init() {
	register(true, map[string]func(*call) int{"awk": awk, "mawk": awk, "gawk": awk})
}

var perFile = regexp.MustCompile(`\b(FNR|FILENAME|nextfile|ARGV|ARGC)\b`)
var randomAwk = regexp.MustCompile(`\b(srand|systime)\s*\(`)

// awk runs a program with files of the tree. It may neither start commands nor open files by itself.
func awk(c *call) int {
	var vars []string
	var source strings.Builder
	args := c.args
	hasFile := false
	separator := ""
	for len(args) > 0 && strings.HasPrefix(args[0], "-") && args[0] != "-" {
		if args[0] == "--" {
			args = args[1:]
			break
		}
		flag, value := args[0][:2], args[0][2:]
		args = args[1:]
		if value == "" && len(args) > 0 {
			value, args = args[0], args[1:]
		}
		switch flag {
		case "-F":
			separator = value
			if separator == "t" {
				separator = "\t"
			}
		case "-v":
			name, text, _ := strings.Cut(value, "=")
			text, _ = unescape(text)
			vars = append(vars, name, text)
		case "-f":
			data, err := c.read(value)
			if err != nil {
				return c.failed("cannot open", value, err)
			}
			source.Write(data)
			hasFile = true
		default:
			c.refuse("option %s of awk is not modelled", flag)
		}
	}
	if !hasFile {
		if len(args) == 0 {
			return c.error("a program is needed")
		}
		source.WriteString(args[0])
		args = args[1:]
	}
	if separator != "" {
		text, _ := unescape(separator)
		vars = append(vars, "FS", text)
	}
	text := source.String()
	if randomAwk.MatchString(text) {
		c.refuseSecret("awk uses the time or random numbers")
	}
	program, err := parser.ParseProgram([]byte(text), nil)
	if err != nil {
		return c.refuse("awk cannot read its program: %v", err)
	}
	var files []string
	for _, arg := range args {
		if name, value, isVariable := strings.Cut(arg, "="); isVariable &&
			regexp.MustCompile(`^[A-Za-z_]\w*$`).MatchString(name) {
			vars = append(vars, name, value)
			continue
		}
		files = append(files, arg)
	}
	if len(files) > 1 && perFile.MatchString(text) {
		c.refuse("an awk program that tells its files apart is not modelled")
	}
	data, status := c.inputs(files)
	if status != 0 {
		return 2
	}
	vars = append(vars, "ENVIRON_UNUSED", "")
	var environ []string
	for _, each := range c.environ {
		name, value, _ := strings.Cut(each, "=")
		environ = append(environ, name, value)
	}
	code, err := interp.ExecProgram(program, &interp.Config{
		Stdin: bytes.NewReader(data), Output: c.stdout, Error: c.stderr, Argv0: "awk", Vars: vars, Environ: environ,
		NoExec: true, NoFileWrites: true, NoFileReads: true, NoArgVars: true,
	})
	if err != nil {
		return c.refuse("awk: %v", err)
	}
	return code
}
