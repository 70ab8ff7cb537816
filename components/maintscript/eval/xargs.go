package eval

import (
	"strconv"
	"strings"

	"k8simg/components/maintscript/vfs"
)

// below lists the files below paths, for grep -r.
func (c *call) below(names []string) []string {
	if len(names) == 0 {
		names = []string{"."}
	}
	var files []string
	for _, name := range names {
		root := c.path(name)
		_ = c.m.FS.Walk(root, func(where string, n vfs.Node) error {
			if n.Type == vfs.File {
				files = append(files, strings.TrimSuffix(name, "/")+strings.TrimPrefix(where, strings.TrimSuffix(root, "/")))
			}
			return nil
		})
	}
	return files
}

func xargs(c *call) int {
	var own []string
	args := c.args
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		own, args = append(own, args[0]), args[1:]
		if last := own[len(own)-1]; (last == "-n" || last == "-I" || last == "-d" || last == "-L" || last == "-P") &&
			len(args) > 0 {
			own, args = append(own, args[0]), args[1:]
		}
	}
	child := *c
	child.args = own
	o := child.options("0rn:I:d:L:P:t", "null=0", "no-run-if-empty=r", "max-args:=n", "delimiter:=d", "max-procs:=P",
		"replace:=I", "max-lines:=L")
	text := string(c.input())
	var items []string
	switch {
	case o.has("0"):
		items = strings.Split(strings.TrimSuffix(text, "\x00"), "\x00")
	case o.has("d"):
		separator, _ := unescape(o.value("d", "\n"))
		items = strings.Split(strings.TrimSuffix(text, separator), separator)
	case o.has("I") || o.has("L"):
		items = lines([]byte(text))
	default:
		for _, line := range strings.Split(text, "\n") {
			items = append(items, splitWords(" "+line)...)
		}
	}
	if text == "" {
		items = nil
	}
	if len(args) == 0 {
		args = []string{"k8simg-echo"}
	}
	if len(items) == 0 && (o.has("r") || o.has("I")) {
		return 0
	}
	status := 0
	run := func(argv []string) {
		if c.sub(nil, c.stdout, argv...) != 0 {
			status = 123
		}
	}
	if replace := o.value("I", ""); replace != "" {
		for _, item := range items {
			var argv []string
			for _, arg := range args {
				argv = append(argv, strings.ReplaceAll(arg, replace, item))
			}
			run(argv)
		}
		return status
	}
	size := len(items)
	if n, err := strconv.Atoi(o.value("n", "")); err == nil && n > 0 {
		size = n
	}
	if len(items) == 0 {
		run(args)
	}
	for start := 0; start < len(items); start += size {
		run(append(append([]string{}, args...), items[start:min(start+size, len(items))]...))
	}
	return status
}
