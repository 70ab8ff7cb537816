package eval

import (
	"sort"
	"strings"
)

// triggers of packages: deb-triggers(5).
type triggers struct {
	activated map[string]bool
}

func dpkgTrigger(c *call) int {
	o := c.options("", "by-package:=by", "await=await", "no-await=no-await", "no-act=no-act", "check-supported=check",
		"admindir:=admindir")
	if o.has("check") || len(o.rest) == 0 {
		return 0
	}
	if c.m.triggers.activated == nil {
		c.m.triggers.activated = map[string]bool{}
	}
	c.m.triggers.activated[o.rest[0]] = true
	return 0
}

func (p *Package) interests() []string { return p.triggersOf("interest") }
func (p *Package) activates() []string { return p.triggersOf("activate") }

// triggersOf lists the triggers of all directives that begin with a word: "interest" and "interest-noawait".
func (p *Package) triggersOf(directive string) []string {
	var names []string
	for _, line := range strings.Split(p.Triggers, "\n") {
		words := strings.Fields(line)
		if len(words) > 1 && strings.HasPrefix(words[0], directive) {
			names = append(names, words[1])
		}
	}
	return names
}

// runTriggers runs each interested postinst once, with the names of its triggers. A file trigger is activated by
// every path below its name that another package ships.
func (m *Machine) runTriggers() {
	activated := map[string]bool{}
	for name := range m.triggers.activated {
		activated[name] = true
	}
	for _, p := range m.Request.Packages {
		for _, name := range p.activates() {
			activated[name] = true
		}
	}
	for _, p := range m.Request.Packages {
		if !p.evaluates("postinst") {
			continue
		}
		var pending []string
		for _, name := range p.interests() {
			if activated[name] || strings.HasPrefix(name, "/") && m.shipped(p, name) {
				pending = append(pending, name)
			}
		}
		if len(pending) > 0 {
			sort.Strings(pending)
			m.script(p, "postinst", "triggered", strings.Join(pending, " "))
		}
	}
}

// shipped tells whether a package other than p has a path at or below name.
func (m *Machine) shipped(p *Package, name string) bool {
	for _, other := range m.Request.Packages {
		if other == p {
			continue
		}
		at := sort.SearchStrings(other.Files, name)
		for ; at < len(other.Files) && strings.HasPrefix(other.Files[at], name); at++ {
			if rest := other.Files[at][len(name):]; rest == "" || rest[0] == '/' {
				return true
			}
		}
	}
	return false
}
