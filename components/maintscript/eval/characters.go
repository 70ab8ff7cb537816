package eval

import (
	"strconv"
	"strings"
)

type span struct{ from, to int }

func (c *call) spans(list string) []span {
	var all []span
	for _, part := range strings.Split(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		s := span{1, 1 << 30}
		if from != "" {
			s.from, _ = strconv.Atoi(from)
		}
		if !isRange {
			s.to = s.from
		} else if to != "" {
			s.to, _ = strconv.Atoi(to)
		}
		if s.from < 1 {
			c.refuse("the list %q of cut is not valid", list)
		}
		all = append(all, s)
	}
	return all
}

func within(spans []span, n int) bool {
	for _, s := range spans {
		if n >= s.from && n <= s.to {
			return true
		}
	}
	return false
}

func cut(c *call) int {
	o := c.options("d:f:c:b:sn", "delimiter:=d", "fields:=f", "characters:=c", "bytes:=b", "only-delimited=s",
		"output-delimiter:=out", "complement=complement")
	data, status := c.inputs(o.rest)
	delimiter := o.value("d", "\t")
	joined := o.value("out", delimiter)
	spans := c.spans(o.value("f", o.value("c", o.value("b", "1"))))
	for _, line := range lines(data) {
		var parts, kept []string
		if o.has("f") {
			if !strings.Contains(line, delimiter) {
				if !o.has("s") {
					c.print("%s\n", line)
				}
				continue
			}
			parts = strings.Split(line, delimiter)
		} else {
			parts, joined = strings.Split(line, ""), o.value("out", "")
		}
		for i, part := range parts {
			if within(spans, i+1) != o.has("complement") {
				kept = append(kept, part)
			}
		}
		c.print("%s\n", strings.Join(kept, joined))
	}
	return status
}

var characterClasses = map[string]string{
	"upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "lower": "abcdefghijklmnopqrstuvwxyz", "digit": "0123456789",
	"alpha": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
	"alnum": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
	"space": "\t\n\v\f\r ", "blank": "\t ", "punct": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
	"xdigit": "0123456789ABCDEFabcdef",
}

func (c *call) characters(set string) []byte {
	var out []byte
	for i := 0; i < len(set); i++ {
		if set[i] == '[' && i+1 < len(set) && set[i+1] == ':' {
			if end := strings.Index(set[i:], ":]"); end > 0 {
				members, ok := characterClasses[set[i+2:i+end]]
				if !ok {
					c.refuse("the class %s of tr is not modelled", set[i:i+end+2])
				}
				out = append(out, members...)
				i += end + 1
				continue
			}
		}
		ch := set[i]
		if ch == '\\' && i+1 < len(set) {
			i++
			if set[i] >= '0' && set[i] <= '7' {
				value, digits := 0, 0
				for digits < 3 && i < len(set) && set[i] >= '0' && set[i] <= '7' {
					value = value*8 + int(set[i]-'0')
					i++
					digits++
				}
				i--
				ch = byte(value)
			} else {
				text, _ := unescape(`\` + set[i:i+1])
				ch = text[len(text)-1]
			}
		}
		if i+2 < len(set) && set[i+1] == '-' && set[i+2] != ']' {
			for each := int(ch); each <= int(set[i+2]); each++ {
				out = append(out, byte(each))
			}
			i += 2
			continue
		}
		out = append(out, ch)
	}
	return out
}

func tr(c *call) int {
	o := c.options("cCdst", "complement=c", "delete=d", "squeeze-repeats=s", "truncate-set1=t")
	if len(o.rest) == 0 {
		return c.error("missing operand")
	}
	first := c.characters(o.rest[0])
	var second []byte
	if len(o.rest) > 1 {
		second = c.characters(o.rest[1])
	}
	member := [256]bool{}
	for _, b := range first {
		member[b] = true
	}
	if o.has("c") || o.has("C") {
		first = nil
		for b := range member {
			if member[b] = !member[b]; member[b] {
				first = append(first, byte(b))
			}
		}
	}
	table := [256]byte{}
	for b := range table {
		table[b] = byte(b)
	}
	if !o.has("d") && len(second) > 0 {
		for i := len(first) - 1; i >= 0; i-- {
			table[first[i]] = second[min(i, len(second)-1)]
		}
	}
	squeeze := [256]bool{}
	if o.has("s") {
		last := second
		if len(second) == 0 {
			last = first
		}
		for _, b := range last {
			squeeze[b] = true
		}
	}
	var out []byte
	for _, b := range c.input() {
		if o.has("d") && member[b] {
			continue
		}
		b = table[b]
		if squeeze[b] && len(out) > 0 && out[len(out)-1] == b {
			continue
		}
		out = append(out, b)
	}
	c.print("%s", out)
	return 0
}
