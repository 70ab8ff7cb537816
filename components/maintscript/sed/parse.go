package sed

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

type addressKind int

const (
	noAddress addressKind = iota
	lineAddress
	lastAddress
	patternAddress
	stepAddress   // first~step
	offsetAddress // addr1,+N
)

type address struct {
	kind    addressKind
	line    int
	step    int
	pattern *regexp.Regexp // nil: the last one used
}

type command struct {
	from, to address
	negate   bool
	name     byte
	text     string // of a, i, c; a label; a file name
	pattern  *regexp.Regexp
	replace  []piece
	global   bool
	print    bool
	nth      int
	file     string
	table    map[rune]rune
	target   int // of a jump, and of {
	active   bool
	end      int // line that ends an active range
	code     int
}

// piece of a replacement: text, or a group.
type piece struct {
	text  string
	group int // -1: text
	kase  byte
}

type parser struct {
	text     string
	at       int
	extended bool
	commands []*command
	open     []int
	labels   map[string]int
}

// Program is a parsed script.
type Program struct {
	commands []*command
}

// Parse reads a script. Pieces that were given with several -e are joined with newlines by the caller.
func Parse(script string, extended bool) (*Program, error) {
	p := &parser{text: script, extended: extended, labels: map[string]int{}}
	if err := p.run(); err != nil {
		return nil, fmt.Errorf("sed: %w", err)
	}
	return &Program{p.commands}, nil
}

func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *parser) skip(chars string) {
	for p.at < len(p.text) && strings.IndexByte(chars, p.text[p.at]) >= 0 {
		p.at++
	}
}

func (p *parser) run() error {
	for {
		p.skip(" \t\n;")
		if p.at >= len(p.text) {
			break
		}
		if p.peek() == '#' {
			p.skipLine()
			continue
		}
		if err := p.one(); err != nil {
			return err
		}
	}
	if len(p.open) > 0 {
		return fmt.Errorf("unmatched { in %q", p.text)
	}
	for _, c := range p.commands {
		if strings.IndexByte("btT", c.name) < 0 {
			continue
		}
		if c.text == "" {
			c.target = len(p.commands)
			continue
		}
		target, ok := p.labels[c.text]
		if !ok {
			return fmt.Errorf("no label %q", c.text)
		}
		c.target = target
	}
	return nil
}

func (p *parser) skipLine() string {
	start := p.at
	for p.at < len(p.text) && p.text[p.at] != '\n' {
		p.at++
	}
	return p.text[start:p.at]
}

func (p *parser) number() int {
	start := p.at
	p.skip("0123456789")
	n, _ := strconv.Atoi(p.text[start:p.at])
	return n
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (p *parser) address() (address, error) {
	switch c := p.peek(); {
	case isDigit(c):
		line := p.number()
		if p.peek() == '~' {
			p.at++
			return address{kind: stepAddress, line: line, step: p.number()}, nil
		}
		return address{kind: lineAddress, line: line}, nil
	case c == '$':
		p.at++
		return address{kind: lastAddress}, nil
	case c == '/' || c == '\\':
		if c == '\\' {
			p.at++
		}
		delimiter := p.peek()
		p.at++
		text, err := p.until(delimiter, true)
		if err != nil {
			return address{}, err
		}
		ignore := false
		for p.peek() == 'I' || p.peek() == 'M' {
			ignore = ignore || p.peek() == 'I'
			p.at++
		}
		re, err := p.compile(text, Flags{Extended: p.extended, IgnoreCase: ignore})
		return address{kind: patternAddress, pattern: re}, err
	}
	return address{}, nil
}

// compile: an empty expression is the last one used, here nil.
func (p *parser) compile(text string, flags Flags) (*regexp.Regexp, error) {
	if text == "" {
		return nil, nil
	}
	return Compile(text, flags)
}

// until reads to the delimiter. An escaped delimiter stands for itself; in a pattern, brackets hide it not (as in GNU
// sed, where "s/[/]/x/" works: brackets do hide it there).
func (p *parser) until(delimiter byte, pattern bool) (string, error) {
	var out strings.Builder
	inBracket := false
	for ; p.at < len(p.text); p.at++ {
		c := p.text[p.at]
		if c == '\\' && p.at+1 < len(p.text) && !inBracket {
			next := p.text[p.at+1]
			p.at++
			switch {
			case next == delimiter && pattern && strings.IndexByte("|+?(){}.*^$[", next) >= 0:
				out.WriteByte(next)
			case next == delimiter:
				out.WriteByte(next)
			case next == 'n' && pattern:
				out.WriteString(`\n`)
			default:
				out.WriteByte('\\')
				out.WriteByte(next)
			}
			continue
		}
		if pattern && c == '[' && !inBracket {
			inBracket = true
			out.WriteByte(c)
			// "]" directly after "[" or "[^" is a member.
			for _, member := range []byte("^]") {
				if p.at+1 < len(p.text) && p.text[p.at+1] == member {
					p.at++
					out.WriteByte(member)
				}
			}
			continue
		}
		if pattern && inBracket && c == '[' && p.at+1 < len(p.text) && strings.IndexByte(":.=", p.text[p.at+1]) >= 0 {
			if end := strings.Index(p.text[p.at+2:], string(p.text[p.at+1])+"]"); end >= 0 {
				out.WriteString(p.text[p.at : p.at+end+4])
				p.at += end + 3
				continue
			}
		}
		if inBracket && c == ']' {
			inBracket = false
		} else if c == delimiter && !inBracket {
			p.at++
			return out.String(), nil
		}
		out.WriteByte(c)
	}
	return "", fmt.Errorf("no closing %q in %q", delimiter, p.text)
}

func (p *parser) one() error {
	c := &command{}
	var err error
	if c.from, err = p.address(); err != nil {
		return err
	}
	p.skip(" \t")
	if p.peek() == ',' {
		p.at++
		p.skip(" \t")
		if p.peek() == '+' {
			p.at++
			c.to = address{kind: offsetAddress, line: p.number()}
		} else if c.to, err = p.address(); err != nil {
			return err
		}
		if c.to.kind == noAddress {
			return fmt.Errorf("unexpected , in %q", p.text)
		}
	}
	p.skip(" \t")
	for p.peek() == '!' {
		c.negate = true
		p.at++
		p.skip(" \t")
	}
	c.name = p.peek()
	p.at++
	switch c.name {
	case '{':
		p.open = append(p.open, len(p.commands))
	case '}':
		if len(p.open) == 0 {
			return fmt.Errorf("unexpected } in %q", p.text)
		}
		p.commands[p.open[len(p.open)-1]].target = len(p.commands)
		p.open = p.open[:len(p.open)-1]
		return nil
	case 's':
		err = p.substitute(c)
	case 'y':
		err = p.transliterate(c)
	case 'a', 'i', 'c':
		c.text = p.block()
	case ':':
		p.skip(" \t")
		p.labels[p.word()] = len(p.commands)
		return nil
	case 'b', 't', 'T':
		p.skip(" \t")
		c.text = p.word()
	case 'r', 'w':
		p.skip(" \t")
		c.file = p.skipLine()
	case 'q', 'Q':
		p.skip(" \t")
		c.code = p.number()
	case '=', 'd', 'D', 'g', 'G', 'h', 'H', 'n', 'N', 'p', 'P', 'x', 'z', 'l', 'F':
	default:
		return fmt.Errorf("command %q in %q is not supported", c.name, p.text)
	}
	p.commands = append(p.commands, c)
	return err
}

func (p *parser) word() string {
	start := p.at
	for p.at < len(p.text) && strings.IndexByte(" \t\n;}", p.text[p.at]) < 0 {
		p.at++
	}
	return p.text[start:p.at]
}

// block is the text of a, i and c: after a backslash and a newline, or (GNU) on the same line.
func (p *parser) block() string {
	p.skip(" \t")
	if p.peek() == '\\' {
		p.at++
		p.skip(" \t")
		if p.peek() == '\n' {
			p.at++
		}
	}
	var out strings.Builder
	for p.at < len(p.text) && p.text[p.at] != '\n' {
		c := p.text[p.at]
		if c == '\\' && p.at+1 < len(p.text) {
			p.at++
			if c = p.text[p.at]; c == 't' {
				c = '\t'
			}
		}
		out.WriteByte(c)
		p.at++
	}
	return out.String() + "\n"
}

func (p *parser) substitute(c *command) error {
	delimiter := p.peek()
	p.at++
	pattern, err := p.until(delimiter, true)
	if err != nil {
		return err
	}
	replacement, err := p.until(delimiter, false)
	if err != nil {
		return err
	}
	flags := Flags{Extended: p.extended}
	for {
		switch f := p.peek(); {
		case f == 'g':
			c.global = true
		case f == 'p':
			c.print = true
		case f == 'i' || f == 'I':
			flags.IgnoreCase = true
		case f == 'm' || f == 'M':
			flags.Multiline = true
		case isDigit(f):
			c.nth = p.number()
			continue
		case f == 'w':
			p.at++
			p.skip(" \t")
			c.file = p.skipLine()
			continue
		case f == 'e':
			return fmt.Errorf("flag e in %q is not supported", p.text)
		default:
			c.replace = pieces(replacement)
			c.pattern, err = p.compile(pattern, flags)
			return err
		}
		p.at++
	}
}

func pieces(text string) []piece {
	var out []piece
	add := func(s string) {
		if n := len(out); n > 0 && out[n-1].group < 0 && out[n-1].kase == 0 {
			out[n-1].text += s
		} else {
			out = append(out, piece{text: s, group: -1})
		}
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '&':
			out = append(out, piece{group: 0})
		case c == '\\' && i+1 < len(text):
			i++
			switch c = text[i]; {
			case isDigit(c):
				out = append(out, piece{group: int(c - '0')})
			case strings.IndexByte("ULEul", c) >= 0:
				out = append(out, piece{group: -1, kase: c})
			case c == 'n':
				add("\n")
			case c == 't':
				add("\t")
			default:
				add(string(c))
			}
		default:
			add(string(c))
		}
	}
	return out
}

func (p *parser) transliterate(c *command) error {
	delimiter := p.peek()
	p.at++
	from, err := p.until(delimiter, false)
	if err != nil {
		return err
	}
	to, err := p.until(delimiter, false)
	if err != nil {
		return err
	}
	plain := strings.NewReplacer(`\\`, `\`, `\n`, "\n")
	a, b := []rune(plain.Replace(from)), []rune(plain.Replace(to))
	if len(a) != len(b) {
		return fmt.Errorf("strings of y have different lengths in %q", p.text)
	}
	c.table = map[rune]rune{}
	for i, r := range a {
		c.table[r] = b[i]
	}
	return nil
}
