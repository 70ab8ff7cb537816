package eval

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

func init() {
	register(true, map[string]func(*call) int{
		"cat": cat, "k8simg-echo": echo, "echo": gnuEcho, "grep": grep, "egrep": grep, "fgrep": grep,
		"sed": sedCommand, "head": head,
		"tail": tail, "cut": cut, "tr": tr, "sort": sortCommand, "uniq": uniq, "wc": wc, "tee": tee, "tac": tac, "rev": rev,
		"md5sum": digest, "sha1sum": digest, "sha256sum": digest, "sha512sum": digest, "base64": base64Command,
		"cmp": cmp, "diff": cmp, "comm": comm, "paste": paste, "nl": nothingModelled, "fold": catAll, "fmt": catAll,
		"expand": catAll, "column": catAll, "more": catAll, "less": catAll, "pager": catAll,
		"od": nothingModelled, "split": nothingModelled, "yes": yes,
	})
}

func cat(c *call) int {
	o := c.options("unsvAbeETt", "number=n", "squeeze-blank=s")
	data, status := c.inputs(o.rest)
	if len(o.list) > 0 && (o.has("n") || o.has("b") || o.has("A") || o.has("E")) {
		return c.refuse("this option of cat is not modelled")
	}
	if _, err := c.stdout.Write(data); err == errOutput {
		c.refuse("it printed more than %d MB", c.m.Request.Limits.Output>>20)
	}
	return status
}

// catAll is for programs that arrange text for a reader.
func catAll(c *call) int {
	var files []string
	for _, arg := range c.args {
		if !strings.HasPrefix(arg, "-") && c.m.FS.Exists(c.path(arg)) {
			files = append(files, arg)
		}
	}
	data, status := c.inputs(files)
	c.print("%s", data)
	return status
}

// yes prints without end; only its reader can end it, so a bounded text does.
func yes(c *call) int {
	word := "y"
	if len(c.args) > 0 {
		word = strings.Join(c.args, " ")
	}
	for i := 0; i < 10000; i++ {
		if _, err := fmt.Fprintln(c.stdout, word); err != nil {
			break
		}
	}
	return 0
}

// echo of dash: backslashes are always interpreted.
func echo(c *call) int {
	args := c.args
	newline := "\n"
	for len(args) > 0 && args[0] == "-n" {
		newline, args = "", args[1:]
	}
	text, stop := unescape(strings.Join(args, " "))
	if stop {
		newline = ""
	}
	c.print("%s", text+newline)
	return 0
}

// gnuEcho is /usr/bin/echo, which other commands start: backslashes count with -e only.
func gnuEcho(c *call) int {
	args, newline, escapes := c.args, "\n", false
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && strings.Trim(args[0][1:], "neE") == "" {
		if strings.Contains(args[0], "n") {
			newline = ""
		}
		escapes = escapes || strings.Contains(args[0], "e")
		args = args[1:]
	}
	text := strings.Join(args, " ")
	if escapes {
		text, _ = unescape(text)
	}
	c.print("%s", text+newline)
	return 0
}

func unescape(text string) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 >= len(text) {
			out.WriteByte(text[i])
			continue
		}
		i++
		switch text[i] {
		case 'a':
			out.WriteByte(7)
		case 'b':
			out.WriteByte(8)
		case 'c':
			return out.String(), true
		case 'f':
			out.WriteByte(12)
		case 'n':
			out.WriteByte('\n')
		case 'r':
			out.WriteByte('\r')
		case 't':
			out.WriteByte('\t')
		case 'v':
			out.WriteByte(11)
		case '\\':
			out.WriteByte('\\')
		case '0':
			value, digits := 0, 0
			for digits < 3 && i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '7' {
				i++
				value = value*8 + int(text[i]-'0')
				digits++
			}
			out.WriteByte(byte(value))
		default:
			out.WriteByte('\\')
			out.WriteByte(text[i])
		}
	}
	return out.String(), false
}

// count reads the number of lines or bytes of head and tail.
func (c *call) count(o options) (text string, bytes bool) {
	text = "10"
	for _, each := range o.list {
		if each.name == "n" || each.name == "c" {
			text, bytes = each.value, each.name == "c"
		}
	}
	return text, bytes
}

// oldCount rewrites "-5" as "-n5".
func (c *call) oldCount() {
	for i, arg := range c.args {
		if len(arg) > 1 && (arg[0] == '-' || arg[0] == '+' && c.name == "tail") && isDigit(arg[1]) {
			sign := ""
			if arg[0] == '+' {
				sign = "+"
			}
			c.args = append(append(append([]string{}, c.args[:i]...), "-n"+sign+arg[1:]), c.args[i+1:]...)
			return
		}
	}
}

func head(c *call) int {
	c.oldCount()
	o := c.options("n:c:qv", "lines:=n", "bytes:=c", "quiet=q", "silent=q")
	text, bytes := c.count(o)
	n, err := strconv.Atoi(text)
	if err != nil {
		return c.error("invalid number: '%s'", text)
	}
	data, status := c.inputs(o.rest)
	if bytes {
		if n < 0 {
			n = max(len(data)+n, 0)
		}
		c.print("%s", data[:min(n, len(data))])
		return status
	}
	all := strings.SplitAfter(string(data), "\n")
	if len(all) > 0 && all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	if n < 0 {
		n = max(len(all)+n, 0)
	}
	c.print("%s", strings.Join(all[:min(n, len(all))], ""))
	return status
}

func tail(c *call) int {
	c.oldCount()
	o := c.options("n:c:qvfF", "lines:=n", "bytes:=c", "quiet=q", "silent=q")
	if o.has("f") || o.has("F") {
		return c.refuse("tail -f would never end")
	}
	text, bytes := c.count(o)
	n, err := strconv.Atoi(strings.TrimLeft(text, "+-"))
	if err != nil {
		return c.error("invalid number: '%s'", text)
	}
	data, status := c.inputs(o.rest)
	fromStart := strings.HasPrefix(text, "+")
	cutAt := func(length int) int {
		if fromStart {
			return min(max(n-1, 0), length)
		}
		return max(length-n, 0)
	}
	if bytes {
		c.print("%s", data[cutAt(len(data)):])
		return status
	}
	all := strings.SplitAfter(string(data), "\n")
	if len(all) > 0 && all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	c.print("%s", strings.Join(all[cutAt(len(all)):], ""))
	return status
}

func wc(c *call) int {
	o := c.options("lwcmL", "lines=l", "words=w", "bytes=c", "chars=m")
	data, status := c.inputs(o.rest)
	var counts []string
	every := len(o.list) == 0
	if every || o.has("l") {
		counts = append(counts, fmt.Sprint(bytes.Count(data, []byte("\n"))))
	}
	if every || o.has("w") {
		counts = append(counts, fmt.Sprint(len(bytes.Fields(data))))
	}
	if every || o.has("c") || o.has("m") {
		counts = append(counts, fmt.Sprint(len(data)))
	}
	if len(o.rest) == 1 {
		counts = append(counts, o.rest[0])
	}
	c.print("%s\n", strings.Join(counts, " "))
	return status
}

func tee(c *call) int {
	o := c.options("ai", "append=a")
	data := c.input()
	flag := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if o.has("a") {
		flag = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	status := 0
	for _, name := range o.rest {
		if name == "/dev/null" || name == "/dev/stderr" {
			continue
		}
		file, err := c.m.FS.Open(c.path(name), flag, 0o666&^c.umask)
		if err == nil {
			_, err = file.Write(data)
		}
		if err != nil {
			status = c.failed("cannot write", name, err)
		}
	}
	c.print("%s", data)
	return status
}

func tac(c *call) int {
	data, status := c.inputs(c.args)
	all := lines(data)
	for i := len(all) - 1; i >= 0; i-- {
		c.print("%s\n", all[i])
	}
	return status
}

func rev(c *call) int {
	data, status := c.inputs(c.args)
	for _, line := range lines(data) {
		runes := []rune(line)
		for i, j := 0, len(runes)-1; i < j; i, j = i+1, j-1 {
			runes[i], runes[j] = runes[j], runes[i]
		}
		c.print("%s\n", string(runes))
	}
	return status
}

func paste(c *call) int {
	o := c.options("sd:", "serial=s", "delimiters:=d")
	if !o.has("s") {
		return c.refuse("paste is modelled with -s only")
	}
	data, status := c.inputs(o.rest)
	c.print("%s\n", strings.Join(lines(data), o.value("d", "\t")))
	return status
}
