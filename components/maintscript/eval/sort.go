package eval

import (
	"sort"
	"strconv"
	"strings"
)

func uniq(c *call) int {
	o := c.options("cdui", "count=c", "repeated=d", "unique=u", "ignore-case=i")
	data, status := c.inputs(o.rest[:min(1, len(o.rest))])
	all := lines(data)
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && (all[j] == all[i] || o.has("i") && strings.EqualFold(all[j], all[i])) {
			j++
		}
		switch {
		case o.has("d") && j-i < 2, o.has("u") && j-i > 1:
		case o.has("c"):
			c.print("%7d %s\n", j-i, all[i])
		default:
			c.print("%s\n", all[i])
		}
		i = j
	}
	return status
}

func comm(c *call) int {
	o := c.options("123")
	if len(o.rest) != 2 {
		return c.error("two files are needed")
	}
	a, errA := c.read(o.rest[0])
	b, errB := c.read(o.rest[1])
	if errA != nil || errB != nil {
		return c.error("cannot read %s or %s", o.rest[0], o.rest[1])
	}
	x, y := lines(a), lines(b)
	for i, j := 0, 0; i < len(x) || j < len(y); {
		switch {
		case j >= len(y) || i < len(x) && x[i] < y[j]:
			if !o.has("1") {
				c.print("%s\n", x[i])
			}
			i++
		case i >= len(x) || y[j] < x[i]:
			if !o.has("2") {
				if !o.has("1") {
					c.print("\t")
				}
				c.print("%s\n", y[j])
			}
			j++
		default:
			if !o.has("3") {
				for _, column := range []string{"1", "2"} {
					if !o.has(column) {
						c.print("\t")
					}
				}
				c.print("%s\n", x[i])
			}
			i++
			j++
		}
	}
	return 0
}

func sortCommand(c *call) int {
	o := c.options("urnfbk:t:VhcCo:sgidRMzm", "unique=u", "reverse=r", "numeric-sort=n", "key:=k", "field-separator:=t",
		"version-sort=V", "ignore-case=f", "output:=o", "stable=s", "ignore-leading-blanks=b", "human-numeric-sort=h",
		"check=c", "random-sort=R")
	if o.has("R") {
		return c.refuseSecret("sort -R uses a random order")
	}
	for _, each := range []string{"c", "C", "h", "g", "M", "z"} {
		if o.has(each) {
			return c.refuse("option -%s of sort is not modelled", each)
		}
	}
	data, status := c.inputs(o.rest)
	all := lines(data)
	type key struct {
		from, to int
		flags    string
	}
	var keys []key
	for _, each := range o.list {
		if each.name != "k" {
			continue
		}
		k := key{to: 1 << 30}
		from, to, hasEnd := strings.Cut(each.value, ",")
		k.flags = strings.TrimLeft(from, "0123456789.")
		k.from, _ = strconv.Atoi(strings.TrimRight(strings.SplitN(from, ".", 2)[0], "bdfgiMhnRrV"))
		if hasEnd {
			k.flags += strings.TrimLeft(to, "0123456789.")
			k.to, _ = strconv.Atoi(strings.TrimRight(strings.SplitN(to, ".", 2)[0], "bdfgiMhnRrV"))
		}
		keys = append(keys, k)
	}
	fields := func(line string) []string {
		if separator := o.value("t", ""); separator != "" {
			return strings.Split(line, separator)
		}
		return strings.Fields(line)
	}
	compare := func(a, b, flags string) int {
		switch {
		case strings.Contains(flags, "n"):
			return sign(int(leadingNumber(a) - leadingNumber(b)))
		case strings.Contains(flags, "V"):
			return compareVersions(a, b)
		case strings.Contains(flags, "f"):
			return strings.Compare(strings.ToUpper(a), strings.ToUpper(b))
		}
		return strings.Compare(a, b)
	}
	global := ""
	for _, each := range []string{"n", "V", "f", "r"} {
		if o.has(each) {
			global += each
		}
	}
	byKeys := func(a, b string) int {
		if len(keys) == 0 {
			order := compare(a, b, global)
			if strings.Contains(global, "r") {
				order = -order
			}
			return order
		}
		x, y := fields(a), fields(b)
		for _, k := range keys {
			flags := k.flags
			if strings.Trim(flags, "b") == "" {
				flags = global
			}
			pick := func(words []string) string {
				from, to := min(k.from-1, len(words)), min(k.to, len(words))
				return strings.Join(words[min(from, to):to], "\x00")
			}
			order := compare(pick(x), pick(y), flags)
			if strings.Contains(flags, "r") {
				order = -order
			}
			if order != 0 {
				return order
			}
		}
		return 0
	}
	sort.SliceStable(all, func(i, j int) bool {
		order := byKeys(all[i], all[j])
		if order == 0 && !o.has("s") && !o.has("u") {
			order = strings.Compare(all[i], all[j])
			if o.has("r") {
				order = -order
			}
		}
		return order < 0
	})
	var out strings.Builder
	for i, line := range all {
		if o.has("u") && i > 0 && byKeys(all[i-1], line) == 0 {
			continue
		}
		out.WriteString(line + "\n")
	}
	if name := o.value("o", ""); name != "" {
		if err := c.m.FS.WriteFile(c.path(name), []byte(out.String()), 0o666&^c.umask); err != nil {
			return c.failed("cannot write", name, err)
		}
		return status
	}
	c.print("%s", out.String())
	return status
}

func leadingNumber(text string) int64 {
	text = strings.TrimLeft(text, " \t")
	end := 0
	for end < len(text) && (isDigit(text[end]) || end == 0 && text[end] == '-') {
		end++
	}
	value, _ := strconv.ParseInt(text[:end], 10, 64)
	return value
}
