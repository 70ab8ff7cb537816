package eval

import (
	"fmt"
	"regexp"
	"strings"

	"k8simg/components/maintscript/sed"
)

// compilePattern ends the script for an expression that cannot be evaluated.
func (c *call) compilePattern(pattern string, flags sed.Flags) *regexp.Regexp {
	re, err := sed.Compile(pattern, flags)
	if err != nil {
		c.refuse("%v", err)
	}
	return re
}

func grep(c *call) int {
	o := c.options("EFGPivqsxwclLnohHrRme:f:A:B:C:aUzI", "extended-regexp=E", "fixed-strings=F", "basic-regexp=G",
		"perl-regexp=P", "ignore-case=i", "invert-match=v", "quiet=q", "silent=q", "no-messages=s", "line-regexp=x",
		"word-regexp=w", "count=c", "files-with-matches=l", "files-without-match=L", "line-number=n",
		"only-matching=o", "no-filename=h", "with-filename=H", "recursive=r", "max-count:=m", "regexp:=e", "file:=f",
		"text=a", "color::=color", "colour::=color", "include:=include", "exclude:=exclude", "exclude-dir:=exclude",
		"null-data=z", "null=Z", "after-context:=A", "before-context:=B", "context:=C")
	if o.has("m") {
		return c.refuse("option -m of grep is not modelled")
	}
	for _, each := range []string{"A", "B", "C", "z", "include", "exclude", "Z"} {
		if o.has(each) {
			return c.refuse("option %s of grep is not modelled", each)
		}
	}
	var patterns []string
	for _, each := range o.list {
		switch each.name {
		case "e":
			patterns = append(patterns, each.value)
		case "f":
			data, err := c.read(each.value)
			if err != nil {
				c.failed("cannot read", each.value, err)
				return 2
			}
			patterns = append(patterns, lines(data)...)
		}
	}
	files := o.rest
	if !o.has("e") && !o.has("f") {
		if len(files) == 0 {
			c.error("a pattern is needed")
			return 2
		}
		patterns, files = strings.Split(files[0], "\n"), files[1:]
	}
	var parts []string
	for _, pattern := range patterns {
		flags := sed.Flags{Extended: o.has("E") || c.name == "egrep", IgnoreCase: o.has("i")}
		text := "(?s)" + regexp.QuoteMeta(pattern)
		switch {
		case o.has("F") || c.name == "fgrep":
			if o.has("i") {
				text = "(?i)" + text
			}
		case o.has("P"):
			text = pattern
			if o.has("i") {
				text = "(?i)" + text
			}
		default:
			var err error
			if text, err = sed.Translate(pattern, flags); err != nil {
				return c.refuse("%v", err)
			}
		}
		if o.has("w") {
			text = `\b(?:` + text + `)\b`
		}
		if o.has("x") {
			text = `^(?:` + text + `)$`
		}
		parts = append(parts, "(?:"+text+")")
	}
	re, err := regexp.Compile(strings.Join(parts, "|"))
	if err != nil {
		return c.refuse("regular expression of grep: %v", err)
	}
	re.Longest()
	if len(parts) == 0 {
		re = regexp.MustCompile(`[^\s\S]`)
	}
	if o.has("r") || o.has("R") {
		files = c.below(files)
	}
	named := (len(files) > 1 || o.has("r") || o.has("R") || o.has("H")) && !o.has("h")
	if len(files) == 0 {
		files = []string{"-"}
	}
	status, trouble := 1, false
	for _, file := range files {
		data, err := c.read(file)
		if err != nil {
			if !o.has("s") {
				c.failed("cannot read", file, err)
			}
			trouble = true
			continue
		}
		count := 0
		for number, line := range lines(data) {
			if re.MatchString(line) == o.has("v") {
				continue
			}
			count++
			status = 0
			if o.has("q") {
				return 0
			}
			if o.has("l") || o.has("L") || o.has("c") {
				continue
			}
			shown := []string{line}
			if o.has("o") && !o.has("v") {
				shown = nil
				for _, match := range re.FindAllString(line, -1) {
					if match != "" {
						shown = append(shown, match)
					}
				}
			}
			for _, text := range shown {
				if o.has("n") {
					text = fmt.Sprintf("%d:%s", number+1, text)
				}
				if named {
					text = file + ":" + text
				}
				c.print("%s\n", text)
			}
		}
		switch {
		case o.has("l") && count > 0, o.has("L") && count == 0:
			c.print("%s\n", file)
		case o.has("c") && named:
			c.print("%s:%d\n", file, count)
		case o.has("c"):
			c.print("%d\n", count)
		}
	}
	if trouble && (status != 0 || !o.has("q")) {
		return 2
	}
	return status
}
