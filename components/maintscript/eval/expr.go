package eval

import (
	"fmt"
	"strconv"
	"strings"

	"k8simg/components/maintscript/sed"
)

// expression of expr(1), by rising precedence: |, &, comparisons, + -, * / %, :.
type expression struct {
	c    *call
	args []string
	at   int
}

func expr(c *call) int {
	e := &expression{c: c, args: c.args}
	value := e.level(0)
	if e.at < len(e.args) {
		c.error("syntax error")
		return 2
	}
	c.print("%s\n", value)
	if value == "" || value == "0" {
		return 1
	}
	return 0
}

var exprLevels = [][]string{{"|"}, {"&"}, {"<", "<=", "=", "==", "!=", ">=", ">"}, {"+", "-"}, {"*", "/", "%"}, {":"}}

func (e *expression) level(n int) string {
	if n == len(exprLevels) {
		return e.primary()
	}
	left := e.level(n + 1)
	for e.at < len(e.args) {
		operator := ""
		for _, each := range exprLevels[n] {
			if e.args[e.at] == each {
				operator = each
			}
		}
		if operator == "" {
			break
		}
		e.at++
		left = e.apply(operator, left, e.level(n+1))
	}
	return left
}

func (e *expression) primary() string {
	if e.at >= len(e.args) {
		e.c.refuse("expr lacks an argument")
	}
	word := e.args[e.at]
	e.at++
	next := func() string {
		if e.at >= len(e.args) {
			e.c.refuse("expr lacks an argument")
		}
		e.at++
		return e.args[e.at-1]
	}
	switch word {
	case "(":
		value := e.level(0)
		next()
		return value
	case "length":
		return fmt.Sprint(len([]rune(next())))
	case "match":
		text := next()
		return e.match(text, next())
	case "substr":
		text := []rune(next())
		from, _ := strconv.Atoi(next())
		count, _ := strconv.Atoi(next())
		start := max(from-1, 0)
		if start >= len(text) || count <= 0 {
			return ""
		}
		return string(text[start:min(start+count, len(text))])
	case "index":
		text, chars := next(), next()
		return fmt.Sprint(strings.IndexAny(text, chars) + 1)
	}
	return word
}

func (e *expression) apply(operator, a, b string) string {
	truth := func(t bool) string {
		if t {
			return "1"
		}
		return "0"
	}
	x, errX := strconv.ParseInt(a, 10, 64)
	y, errY := strconv.ParseInt(b, 10, 64)
	numbers := errX == nil && errY == nil
	switch operator {
	case "|":
		if a != "" && a != "0" {
			return a
		}
		return b
	case "&":
		if a != "" && a != "0" && b != "" && b != "0" {
			return a
		}
		return "0"
	case ":":
		return e.match(a, b)
	case "+", "-", "*", "/", "%":
		if !numbers {
			e.c.refuse("expr: %q and %q are not both numbers", a, b)
		}
		switch operator {
		case "+":
			return fmt.Sprint(x + y)
		case "-":
			return fmt.Sprint(x - y)
		case "*":
			return fmt.Sprint(x * y)
		}
		if y == 0 {
			e.c.refuse("expr divides by zero")
		}
		if operator == "/" {
			return fmt.Sprint(x / y)
		}
		return fmt.Sprint(x % y)
	}
	order := strings.Compare(a, b)
	if numbers {
		order = 0
		if x < y {
			order = -1
		} else if x > y {
			order = 1
		}
	}
	switch operator {
	case "<":
		return truth(order < 0)
	case "<=":
		return truth(order <= 0)
	case "=", "==":
		return truth(order == 0)
	case "!=":
		return truth(order != 0)
	case ">=":
		return truth(order >= 0)
	}
	return truth(order > 0)
}

func (e *expression) match(text, pattern string) string {
	re := e.c.compilePattern("^"+strings.TrimPrefix(pattern, "^"), sed.Flags{})
	found := re.FindStringSubmatch(text)
	switch {
	case re.NumSubexp() > 0 && found == nil:
		return ""
	case re.NumSubexp() > 0:
		return found[1]
	case found == nil:
		return "0"
	}
	return fmt.Sprint(len([]rune(found[0])))
}
