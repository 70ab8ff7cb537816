// Package sed has POSIX regular expressions and the stream editor sed.
package sed

import (
	"fmt"
	"regexp"
	"strings"
)

// Flags of Translate.
type Flags struct {
	Extended   bool
	IgnoreCase bool
	Multiline  bool
}

// Compile translates a POSIX regular expression, with GNU's additions, and compiles it. Back references are refused:
// Go's matcher, which cannot be made to run for ever, has none.
func Compile(pattern string, flags Flags) (*regexp.Regexp, error) {
	text, err := Translate(pattern, flags)
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", pattern, err)
	}
	re.Longest()
	return re, nil
}

// Translate gives the same expression in Go's syntax.
func Translate(pattern string, flags Flags) (string, error) {
	var out strings.Builder
	mode := "(?s"
	if flags.IgnoreCase {
		mode += "i"
	}
	if flags.Multiline {
		mode += "m"
	}
	out.WriteString(mode + ")")
	atStart := true // where * is a character, and ^ an anchor in a basic expression
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		starts := atStart
		atStart = false
		switch {
		case c == '[':
			end, class, err := bracket(pattern, i)
			if err != nil {
				return "", err
			}
			out.WriteString(class)
			i = end
		case c == '\\':
			if i++; i >= len(pattern) {
				return "", fmt.Errorf("regular expression %q ends with a backslash", pattern)
			}
			c = pattern[i]
			switch {
			case c >= '1' && c <= '9':
				return "", fmt.Errorf("back reference \\%c in a regular expression (%q) is not supported", c, pattern)
			case !flags.Extended && strings.IndexByte("(|", c) >= 0:
				out.WriteByte(c)
				atStart = true
			case !flags.Extended && strings.IndexByte("){}+?", c) >= 0:
				out.WriteByte(c)
			case c == '<':
				out.WriteString(`\b`)
			case c == '>':
				out.WriteString(`\b`)
			case c == '`':
				out.WriteString(`\A`)
			case c == '\'':
				out.WriteString(`\z`)
			case strings.IndexByte("wWsSbBntrfv", c) >= 0:
				out.WriteString(`\` + string(c))
			default:
				out.WriteString(regexp.QuoteMeta(string(c)))
			}
		case flags.Extended && (c == '(' || c == '|'):
			out.WriteByte(c)
			atStart = true
		case flags.Extended && c == '{' && !isInterval(pattern[i:]):
			out.WriteString(`\{`)
		case flags.Extended && strings.IndexByte("){}+?", c) >= 0:
			out.WriteByte(c)
		case c == '*':
			if starts {
				out.WriteString(`\*`)
			} else {
				out.WriteByte('*')
			}
		case c == '.':
			out.WriteByte('.')
		case c == '^':
			if flags.Extended || starts {
				out.WriteByte('^')
				atStart = true
			} else {
				out.WriteString(`\^`)
			}
		case c == '$':
			if flags.Extended || endsHere(pattern[i+1:]) {
				out.WriteByte('$')
			} else {
				out.WriteString(`\$`)
			}
		default:
			j := i + 1
			for j < len(pattern) && pattern[j]&0xc0 == 0x80 {
				j++
			}
			out.WriteString(regexp.QuoteMeta(pattern[i:j]))
			i = j - 1
		}
	}
	return out.String(), nil
}

func isInterval(text string) bool {
	end := strings.IndexByte(text, '}')
	if end < 2 {
		return false
	}
	return strings.Trim(text[1:end], "0123456789,") == ""
}

func endsHere(rest string) bool {
	return rest == "" || strings.HasPrefix(rest, `\)`) || strings.HasPrefix(rest, `\|`)
}

// bracket translates "[...]" at i, and gives the index of its "]".
func bracket(pattern string, i int) (int, string, error) {
	var out strings.Builder
	out.WriteByte('[')
	j := i + 1
	if j < len(pattern) && pattern[j] == '^' {
		out.WriteByte('^')
		j++
	}
	first := true
	for ; j < len(pattern); j++ {
		c := pattern[j]
		switch {
		case c == ']' && !first:
			out.WriteByte(']')
			return j, out.String(), nil
		case c == '[' && j+1 < len(pattern) && strings.IndexByte(":.=", pattern[j+1]) >= 0:
			end := strings.Index(pattern[j+2:], string(pattern[j+1])+"]")
			if end < 0 {
				return 0, "", fmt.Errorf("unterminated class in %q", pattern)
			}
			name := pattern[j+2 : j+2+end]
			if pattern[j+1] == ':' {
				out.WriteString("[:" + name + ":]")
			} else {
				out.WriteString(regexp.QuoteMeta(name))
			}
			j += end + 3
		case c == '\\' && j+1 < len(pattern) && strings.IndexByte("ntrfv", pattern[j+1]) >= 0:
			// GNU sed and awk know these; POSIX takes both characters.
			out.WriteString(`\` + string(pattern[j+1]))
			j++
		case c == '\\' && j+1 < len(pattern) && strings.IndexByte(`]\`, pattern[j+1]) >= 0 && pattern[j+1] == '\\':
			out.WriteString(`\\`)
			j++
		case strings.IndexByte(`[\]^&~`, c) >= 0:
			out.WriteString(`\` + string(c))
		default:
			out.WriteByte(c)
		}
		first = false
	}
	return 0, "", fmt.Errorf("unterminated [ in %q", pattern)
}
