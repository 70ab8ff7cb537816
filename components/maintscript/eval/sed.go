package eval

import (
	"bytes"
	"os"
	"strings"

	"k8simg/components/maintscript/sed"
)

func sedCommand(c *call) int {
	// -i takes an optional value, which getopt's plain form lacks.
	inPlace, suffix := false, ""
	var args []string
	for i, arg := range c.args {
		switch {
		case arg == "--":
			args = append(args, c.args[i:]...)
		case strings.HasPrefix(arg, "--in-place"):
			inPlace = true
			suffix = strings.TrimPrefix(strings.TrimPrefix(arg, "--in-place"), "=")
			continue
		case len(arg) > 1 && arg[0] == '-' && arg[1] != '-':
			if at := strings.IndexByte(arg, 'i'); at > 0 && strings.Trim(arg[1:at], "nrEsuz") == "" {
				inPlace = true
				rest := arg[at+1:]
				if strings.Trim(rest, "nrEsuze") == "" && rest != "" && !strings.HasSuffix(c.name, "x") {
					// GNU sed reads "-ie" as the suffix e.
					suffix = rest
				} else {
					suffix = rest
				}
				if at > 1 {
					args = append(args, arg[:at])
				}
				continue
			}
			args = append(args, arg)
		default:
			args = append(args, arg)
		}
		if arg == "--" {
			break
		}
	}
	c.args = args
	o := c.options("e:f:nrEsuz", "expression:=e", "file:=f", "quiet=n", "silent=n", "regexp-extended=E",
		"separate=s", "unbuffered=u", "follow-symlinks=follow", "posix=posix", "null-data=z", "sandbox=sandbox")
	if o.has("z") {
		return c.refuse("option -z of sed is not modelled")
	}
	var script []string
	for _, each := range o.list {
		switch each.name {
		case "e":
			script = append(script, each.value)
		case "f":
			data, err := c.read(each.value)
			if err != nil {
				return c.failed("cannot read", each.value, err)
			}
			script = append(script, strings.TrimSuffix(string(data), "\n"))
		}
	}
	files := o.rest
	if !o.has("e") && !o.has("f") {
		if len(files) == 0 {
			return c.error("a script is needed")
		}
		script, files = files[:1], files[1:]
	}
	program, err := sed.Parse(strings.Join(script, "\n"), o.has("r") || o.has("E"))
	if err != nil {
		return c.refuse("%v", err)
	}
	steps := 0
	options := sed.Options{
		Quiet: o.has("n"),
		Read:  c.read,
		Write: func(name string, text []byte) error {
			if name == "/dev/stdout" {
				_, err := c.stdout.Write(text)
				return err
			}
			file, err := c.m.FS.Open(c.path(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666&^c.umask)
			if err == nil {
				_, err = file.Write(text)
			}
			return err
		},
		Step: func() error {
			if steps++; steps%1024 == 0 && c.ctx.Err() != nil {
				return errEnded
			}
			return nil
		},
	}
	if !inPlace {
		data, status := c.inputs(files)
		text, code, err := program.Run(string(data), options)
		if err != nil {
			return c.refuse("%v", err)
		}
		c.print("%s", text)
		if status != 0 {
			return 2
		}
		return code
	}
	status := 0
	for _, name := range files {
		where := c.path(name)
		data, err := c.m.FS.ReadFile(where)
		if err != nil {
			status = 2
			c.failed("can't read", name, err)
			continue
		}
		text, code, err := program.Run(string(data), options)
		if err != nil {
			return c.refuse("%v", err)
		}
		if code != 0 {
			status = code
		}
		if suffix != "" {
			if err := c.copy(where, where+suffix, copying{preserve: true, owner: true,
				seen: map[string]string{}}); err != nil {
				return c.failed("can't back up", name, err)
			}
		}
		if err := c.m.replaceFile(where, []byte(text)); err != nil {
			return c.failed("can't write", name, err)
		}
	}
	return status
}

// replaceFile writes a file anew with owner and mode of what was there, as sed -i does.
func (m *Machine) replaceFile(name string, data []byte) error {
	old, err := m.FS.ReadFile(name)
	if err == nil && bytes.Equal(old, data) {
		return nil
	}
	return m.FS.WriteFile(name, data, 0o644)
}
