package eval

import (
	"fmt"
	"path"
	"sort"
	"strconv"
	"strings"

	"k8simg/components/maintscript/vfs"
)

func init() {
	register(true, map[string]func(*call) int{"update-alternatives": updateAlternatives})
}

const (
	alternativesState = "/var/lib/dpkg/alternatives/"
	alternativesLinks = "/etc/alternatives/"
)

type choice struct {
	path     string
	priority int
	slaves   map[string]string
}

// alternative is one file of the state: update-alternatives(1).
type alternative struct {
	name, link string
	manual     bool
	slaveLinks map[string]string
	choices    []*choice
}

func (m *Machine) alternative(name string) *alternative {
	a := &alternative{name: name, slaveLinks: map[string]string{}}
	state := strings.Split(m.FS.Text(alternativesState+name), "\n")
	if len(state) < 2 {
		return a
	}
	a.manual, a.link = state[0] == "manual", state[1]
	i := 2
	var slaves []string
	for ; i+1 < len(state) && state[i] != ""; i += 2 {
		slaves = append(slaves, state[i])
		a.slaveLinks[state[i]] = state[i+1]
	}
	for i++; i+1 < len(state) && state[i] != ""; {
		priority, _ := strconv.Atoi(state[i+1])
		each := &choice{path: state[i], priority: priority, slaves: map[string]string{}}
		i += 2
		for _, slave := range slaves {
			if i < len(state) && state[i] != "" {
				each.slaves[slave] = state[i]
			}
			i++
		}
		a.choices = append(a.choices, each)
	}
	return a
}

func (a *alternative) find(path string) *choice {
	for _, each := range a.choices {
		if each.path == path {
			return each
		}
	}
	return nil
}

func (a *alternative) best() *choice {
	var best *choice
	for _, each := range a.choices {
		if best == nil || each.priority > best.priority {
			best = each
		}
	}
	return best
}

func updateAlternatives(c *call) int {
	var install []string
	var slaves [][]string
	verb, operands := "", []string(nil)
	for i := 0; i < len(c.args); i++ {
		arg := c.args[i]
		take := func(n int) []string {
			if i+n >= len(c.args) {
				c.refuse("%s of update-alternatives lacks arguments", arg)
			}
			words := c.args[i+1 : i+1+n]
			i += n
			return words
		}
		switch arg {
		case "--install":
			install = take(4)
		case "--slave", "--follower":
			slaves = append(slaves, take(3))
		case "--quiet", "--force", "--verbose", "--debug", "--skip-auto":
		case "--log", "--admindir", "--altdir", "--instdir", "--root":
			take(1)
		case "--remove", "--set":
			verb, operands = arg, take(2)
		case "--remove-all", "--auto", "--display", "--query", "--list", "--config":
			verb, operands = arg, take(1)
		case "--get-selections":
			verb = arg
		default:
			c.refuse("%s of update-alternatives is not modelled", arg)
		}
	}
	switch verb {
	case "":
		if install == nil {
			c.error("need an action")
			return 2
		}
		return c.installAlternative(install, slaves)
	case "--get-selections":
		names, _ := c.m.FS.Names(alternativesState)
		for _, name := range names {
			a := c.m.alternative(name)
			mode := "auto"
			if a.manual {
				mode = "manual"
			}
			c.print("%-30s %-8s %s\n", name, mode, c.m.linkTarget(alternativesLinks+name))
		}
		return 0
	}
	a := c.m.alternative(operands[0])
	if len(a.choices) == 0 && verb != "--remove" && verb != "--remove-all" {
		c.error("error: no alternatives for %s", operands[0])
		return 2
	}
	switch verb {
	case "--set":
		if a.find(operands[1]) == nil {
			c.error("error: alternative %s for %s not registered", operands[1], operands[0])
			return 2
		}
		a.manual = true
		return c.writeAlternative(a, a.find(operands[1]))
	case "--auto":
		a.manual = false
		return c.writeAlternative(a, a.best())
	case "--list":
		for _, each := range a.choices {
			c.print("%s\n", each.path)
		}
	case "--query", "--display":
		mode := "auto"
		if a.manual {
			mode = "manual"
		}
		c.print("Name: %s\nLink: %s\nStatus: %s\nBest: %s\nValue: %s\n", a.name, a.link, mode, a.best().path,
			c.m.linkTarget(alternativesLinks+a.name))
		for _, each := range a.choices {
			c.print("\nAlternative: %s\nPriority: %d\n", each.path, each.priority)
		}
	case "--config":
	case "--remove", "--remove-all":
		var kept []*choice
		for _, each := range a.choices {
			if verb == "--remove" && each.path != operands[1] {
				kept = append(kept, each)
			}
		}
		if len(kept) == len(a.choices) {
			return 0
		}
		a.choices = kept
		if len(kept) == 0 {
			links := map[string]string{a.name: a.link}
			for name, link := range a.slaveLinks {
				links[name] = link
			}
			for name, link := range links {
				_ = c.m.FS.Remove(alternativesLinks + name)
				_ = c.m.FS.Remove(link)
			}
			_ = c.m.FS.Remove(alternativesState + a.name)
			return 0
		}
		return c.writeAlternative(a, c.chosen(a))
	}
	return 0
}

func (m *Machine) linkTarget(name string) string {
	n, err := m.FS.Stat(name, false)
	if err != nil {
		return ""
	}
	return n.Target
}

// chosen gives what a manual choice was, and otherwise the best.
func (c *call) chosen(a *alternative) *choice {
	if a.manual {
		if each := a.find(c.m.linkTarget(alternativesLinks + a.name)); each != nil {
			return each
		}
	}
	return a.best()
}

func (c *call) there(name string) bool {
	if !c.m.FS.Exists(name) {
		return false
	}
	real, err := c.m.FS.Real(name, false)
	return err != nil || !c.m.Request.Excluded[real]
}

func (c *call) installAlternative(install []string, slaves [][]string) int {
	link, name, target := install[0], install[1], install[2]
	priority, err := strconv.Atoi(install[3])
	if err != nil {
		c.error("error: priority must be an integer")
		return 2
	}
	if !c.m.FS.Exists(target) {
		c.error("error: alternative path %s doesn't exist", target)
		return 2
	}
	if !c.there(target) {
		return 0
	}
	a := c.m.alternative(name)
	a.link = link
	each := a.find(target)
	if each == nil {
		each = &choice{path: target}
		a.choices = append(a.choices, each)
	}
	each.priority, each.slaves = priority, map[string]string{}
	for _, slave := range slaves {
		if c.there(slave[2]) {
			each.slaves[slave[1]] = slave[2]
			a.slaveLinks[slave[1]] = slave[0]
		}
	}
	return c.writeAlternative(a, c.chosen(a))
}

func (c *call) writeAlternative(a *alternative, chosen *choice) int {
	sort.Slice(a.choices, func(i, j int) bool { return a.choices[i].path < a.choices[j].path })
	var slaves []string
	for name := range a.slaveLinks {
		slaves = append(slaves, name)
	}
	sort.Strings(slaves)
	mode := "auto"
	if a.manual {
		mode = "manual"
	}
	text := mode + "\n" + a.link + "\n"
	for _, name := range slaves {
		text += name + "\n" + a.slaveLinks[name] + "\n"
	}
	text += "\n"
	for _, each := range a.choices {
		text += fmt.Sprintf("%s\n%d\n", each.path, each.priority)
		for _, name := range slaves {
			text += each.slaves[name] + "\n"
		}
	}
	if state := alternativesState + a.name; c.m.FS.Text(state) != text+"\n" {
		c.writeState(state, text+"\n")
	}
	c.connect(a.link, a.name, chosen.path)
	for _, name := range slaves {
		if target := chosen.slaves[name]; target != "" {
			c.connect(a.slaveLinks[name], name, target)
		} else {
			_ = c.m.FS.Remove(alternativesLinks + name)
			if n, err := c.m.FS.Stat(a.slaveLinks[name], false); err == nil && n.Target == alternativesLinks+name {
				_ = c.m.FS.Remove(a.slaveLinks[name])
			}
		}
	}
	return 0
}

func (c *call) connect(link, name, target string) {
	for _, each := range [][2]string{{alternativesLinks + name, target}, {link, alternativesLinks + name}} {
		n, err := c.m.FS.Stat(each[0], false)
		if err == nil && n.Type == vfs.Symlink && n.Target == each[1] {
			continue
		}
		if err == nil && n.Type != vfs.Symlink {
			c.note("%s is a file, and is not replaced by a link", each[0])
			continue
		}
		if err == nil {
			_ = c.m.FS.Remove(each[0])
		}
		err = c.m.FS.MkdirAll(path.Dir(each[0]), 0o755)
		if err == nil {
			err = c.m.FS.Symlink(each[1], each[0])
		}
		if err != nil {
			c.refuse("the link %s cannot be made: %s", each[0], reason(err))
		}
	}
}
