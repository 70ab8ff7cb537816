package sed

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Options of a run.
type Options struct {
	Quiet bool
	Read  func(name string) ([]byte, error)    // r
	Write func(name string, text []byte) error // w, appends
	Step  func() error                         // called for each command; an error ends the run
}

type machine struct {
	options    Options
	lines      []string
	ended      bool // the last line ends with a newline
	at         int  // of the current line, from 1
	space      string
	hold       string
	out        strings.Builder
	after      []string
	last       *regexp.Regexp
	substitued bool
}

// Run edits a text. It gives what sed prints, and its exit code.
func (p *Program) Run(input string, options Options) (string, int, error) {
	m := &machine{options: options, ended: input == "" || strings.HasSuffix(input, "\n")}
	if input != "" {
		m.lines = strings.Split(strings.TrimSuffix(input, "\n"), "\n")
	}
	for _, c := range p.commands {
		c.active = false
	}
	code := 0
	restart := false
	for restart || m.next() {
		quit, again, err := m.cycle(p, &code)
		if err != nil {
			return "", 1, err
		}
		if quit {
			break
		}
		restart = again
	}
	text := m.out.String()
	if !m.ended && m.at >= len(m.lines) {
		text = strings.TrimSuffix(text, "\n")
	}
	return text, code, nil
}

func (m *machine) next() bool {
	if m.at >= len(m.lines) {
		return false
	}
	m.space = m.lines[m.at]
	m.at++
	return true
}

func (m *machine) finish(print bool) {
	if print && !m.options.Quiet {
		m.out.WriteString(m.space + "\n")
	}
	for _, text := range m.after {
		m.out.WriteString(text)
	}
	m.after = nil
}

func (m *machine) matches(a *address, line int) bool {
	switch a.kind {
	case lineAddress:
		return line == a.line
	case lastAddress:
		return line >= len(m.lines)
	case stepAddress:
		return a.step == 0 && line == a.line || a.step > 0 && line >= a.line && (line-a.line)%a.step == 0
	case patternAddress:
		return m.use(a.pattern).MatchString(m.space)
	}
	return true
}

func (m *machine) use(re *regexp.Regexp) *regexp.Regexp {
	if re != nil {
		m.last = re
	}
	if m.last == nil {
		m.last = regexp.MustCompile("")
	}
	return m.last
}

func (m *machine) selects(c *command) bool {
	if c.to.kind == noAddress {
		return m.matches(&c.from, m.at)
	}
	if c.active {
		switch c.to.kind {
		case lineAddress, offsetAddress:
			if m.at >= c.end {
				c.active = false
			}
			return m.at <= c.end
		default:
			if m.matches(&c.to, m.at) {
				c.active = false
			}
			return true
		}
	}
	zero := c.from.kind == lineAddress && c.from.line == 0 && m.at == 1
	if !zero && !m.matches(&c.from, m.at) {
		return false
	}
	switch c.to.kind {
	case lineAddress:
		c.end = c.to.line
		c.active = c.end > m.at
	case offsetAddress:
		c.end = m.at + c.to.line
		c.active = c.to.line > 0
	case lastAddress:
		c.active = m.at < len(m.lines)
	default:
		c.active = !(zero && m.matches(&c.to, m.at))
	}
	return true
}

var errTooLong = errors.New("the pattern space of sed became too long")

// cycle runs all commands once. again: the next cycle reads no line (D).
func (m *machine) cycle(p *Program, code *int) (quit, again bool, err error) {
	m.substitued = false
	for i := 0; i < len(p.commands); i++ {
		c := p.commands[i]
		if m.options.Step != nil {
			if err := m.options.Step(); err != nil {
				return true, false, err
			}
		}
		if len(m.space)+len(m.hold) > 4<<20 {
			return true, false, errTooLong
		}
		if m.selects(c) == c.negate {
			if c.name == '{' {
				i = c.target - 1
			}
			continue
		}
		switch c.name {
		case '{':
		case '=':
			fmt.Fprintf(&m.out, "%d\n", m.at)
		case 'a':
			m.after = append(m.after, c.text)
		case 'i':
			m.out.WriteString(c.text)
		case 'c':
			if c.to.kind == noAddress || !c.active || c.negate {
				m.out.WriteString(c.text)
			}
			m.finish(false)
			return false, false, nil
		case 'd':
			m.finish(false)
			return false, false, nil
		case 'D':
			_, rest, found := strings.Cut(m.space, "\n")
			m.finish(false)
			m.space = rest
			return false, found, nil
		case 'g':
			m.space = m.hold
		case 'G':
			m.space += "\n" + m.hold
		case 'h':
			m.hold = m.space
		case 'H':
			m.hold += "\n" + m.space
		case 'x':
			m.space, m.hold = m.hold, m.space
		case 'z':
			m.space = ""
		case 'n':
			m.finish(true)
			if !m.next() {
				return true, false, nil
			}
		case 'N':
			before := m.space
			if m.at >= len(m.lines) {
				m.finish(true)
				return true, false, nil
			}
			for _, text := range m.after {
				m.out.WriteString(text)
			}
			m.after = nil
			m.next()
			m.space = before + "\n" + m.space
		case 'p':
			m.out.WriteString(m.space + "\n")
		case 'P':
			first, _, _ := strings.Cut(m.space, "\n")
			m.out.WriteString(first + "\n")
		case 'q', 'Q':
			*code = c.code
			m.finish(c.name == 'q')
			return true, false, nil
		case 'r':
			if data, err := m.options.Read(c.file); err == nil {
				m.after = append(m.after, string(data))
			}
		case 'w':
			if err := m.options.Write(c.file, []byte(m.space+"\n")); err != nil {
				return true, false, err
			}
		case 's':
			if err := m.substitute(c); err != nil {
				return true, false, err
			}
		case 'y':
			m.space = strings.Map(func(r rune) rune {
				if to, ok := c.table[r]; ok {
					return to
				}
				return r
			}, m.space)
		case 'b':
			i = c.target - 1
		case 't', 'T':
			if m.substitued == (c.name == 't') {
				i = c.target - 1
			}
			m.substitued = false
		default:
			return true, false, fmt.Errorf("sed: command %q is not supported", c.name)
		}
	}
	m.finish(true)
	return false, false, nil
}

func (m *machine) substitute(c *command) error {
	re := m.use(c.pattern)
	limit := -1
	if !c.global && c.nth <= 1 {
		limit = 1
	}
	matches := re.FindAllStringSubmatchIndex(m.space, limit)
	var out strings.Builder
	end, done := 0, false
	for i, match := range matches {
		if i+1 < c.nth || (done && !c.global) {
			continue
		}
		out.WriteString(m.space[end:match[0]])
		expandPieces(&out, c.replace, m.space, match)
		end, done = match[1], true
	}
	if !done {
		return nil
	}
	out.WriteString(m.space[end:])
	m.space, m.substitued = out.String(), true
	if c.print {
		m.out.WriteString(m.space + "\n")
	}
	if c.file != "" {
		return m.options.Write(c.file, []byte(m.space+"\n"))
	}
	return nil
}

func expandPieces(out *strings.Builder, pieces []piece, space string, match []int) {
	lasting, once := byte(0), byte(0)
	write := func(text string) {
		if text == "" {
			return
		}
		switch lasting {
		case 'U':
			text = strings.ToUpper(text)
		case 'L':
			text = strings.ToLower(text)
		}
		switch once {
		case 'u':
			text = strings.ToUpper(text[:1]) + text[1:]
		case 'l':
			text = strings.ToLower(text[:1]) + text[1:]
		}
		once = 0
		out.WriteString(text)
	}
	for _, each := range pieces {
		switch {
		case each.kase == 'u' || each.kase == 'l':
			once = each.kase
		case each.kase != 0:
			lasting = each.kase
		case each.group < 0:
			write(each.text)
		case 2*each.group+1 < len(match) && match[2*each.group] >= 0:
			write(space[match[2*each.group]:match[2*each.group+1]])
		}
	}
}
