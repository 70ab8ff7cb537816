package eval

import (
	"strings"
)

// confmodulePath is debconf's library for shell scripts. Its functions here ask this program instead of a frontend.
const confmodulePath = "/usr/share/debconf/confmodule"

func isConfmodule(name string) bool {
	return name == confmodulePath || name == confmodulePath+".sh"
}

const confmodule = `DEBIAN_HAS_FRONTEND=1
export DEBIAN_HAS_FRONTEND
_db_cmd() { if RET="$(k8simg-debconf "$@")"; then return 0; else return $?; fi; }
db_capb() { _db_cmd CAPB "$@"; }
db_set() { _db_cmd SET "$@"; }
db_reset() { _db_cmd RESET "$@"; }
db_title() { _db_cmd TITLE "$@"; }
db_input() { _db_cmd INPUT "$@"; }
db_beginblock() { _db_cmd BEGINBLOCK "$@"; }
db_endblock() { _db_cmd ENDBLOCK "$@"; }
db_go() { _db_cmd GO "$@"; }
db_get() { _db_cmd GET "$@"; }
db_register() { _db_cmd REGISTER "$@"; }
db_unregister() { _db_cmd UNREGISTER "$@"; }
db_subst() { _db_cmd SUBST "$@"; }
db_fset() { _db_cmd FSET "$@"; }
db_fget() { _db_cmd FGET "$@"; }
db_purge() { _db_cmd PURGE "$@"; }
db_metaget() { _db_cmd METAGET "$@"; }
db_version() { _db_cmd VERSION "$@"; }
db_clear() { _db_cmd CLEAR "$@"; }
db_settitle() { _db_cmd SETTITLE "$@"; }
db_previous_module() { _db_cmd PREVIOUS_MODULE "$@"; }
db_info() { _db_cmd INFO "$@"; }
db_progress() { _db_cmd PROGRESS "$@"; }
db_data() { _db_cmd DATA "$@"; }
db_x_loadtemplatefile() { _db_cmd X_LOADTEMPLATEFILE "$@"; }
db_stop() { :; }
`

func init() {
	register(true, map[string]func(*call) int{
		"k8simg-debconf": debconfCommand, "debconf-set-selections": debconfSelections, "debconf-loadtemplate": nothing,
		"debconf-communicate": nothingModelled, "debconf-show": nothing, "debconf": nothingModelled,
		"debconf-get-selections": nothing, "dpkg-reconfigure": nothingModelled, "dpkg-preconfigure": nothing,
	})
}

type question struct {
	template map[string]string
	value    string
	set      bool
	flags    map[string]string
	subst    map[string]string
}

type debconf struct {
	answers   map[string]string
	templates map[string]map[string]string
	questions map[string]*question
}

func newDebconf(answers map[string]string) *debconf {
	return &debconf{answers, map[string]map[string]string{}, map[string]*question{}}
}

// load reads a templates file: debconf-devel(7), "THE TEMPLATES FILE".
func (d *debconf) load(text string) {
	for _, paragraph := range strings.Split(text, "\n\n") {
		fields := map[string]string{}
		last := ""
		for _, line := range strings.Split(paragraph, "\n") {
			if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
				if last == "description" {
					last = "extended_description"
				}
				if last != "" {
					fields[last] += strings.TrimSpace(line) + "\n"
				}
				continue
			}
			name, value, found := strings.Cut(line, ":")
			if !found {
				continue
			}
			last = strings.ToLower(name)
			fields[last] = strings.TrimSpace(value)
		}
		name := fields["template"]
		if name == "" {
			continue
		}
		d.templates[name] = fields
		if _, known := d.questions[name]; !known {
			d.register(name, fields)
		}
	}
}

func (d *debconf) register(name string, template map[string]string) {
	q := &question{template: template, flags: map[string]string{}, subst: map[string]string{}}
	if answer, ok := d.answers[name]; ok {
		q.value, q.set = answer, true
		q.flags["seen"] = "true"
	}
	d.questions[name] = q
}

func (q *question) text(field string) string {
	value := q.template[field]
	for name, with := range q.subst {
		value = strings.ReplaceAll(value, "${"+name+"}", with)
	}
	return value
}

// debconfCommand does one command of debconf-devel(7). Questions are never shown, so every answer is the
// defconfig's or
// the template's default.
func debconfCommand(c *call) int {
	d := c.m.debconf
	if len(c.args) == 0 {
		return 20
	}
	verb, args := strings.ToUpper(c.args[0]), c.args[1:]
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	say := func(text string) int {
		c.print("%s\n", text)
		return 0
	}
	switch verb {
	case "INPUT":
		if len(args) > 1 {
			name = args[1]
		}
		if d.questions[name] == nil {
			return c.unknown(name)
		}
		say("question skipped")
		return 30
	case "VERSION":
		return say("2.1")
	case "CAPB":
		return say("multiselect backup progresscancel escape plugin")
	case "GO", "TITLE", "SETTITLE", "BEGINBLOCK", "ENDBLOCK", "CLEAR", "INFO", "PROGRESS", "PREVIOUS_MODULE", "DATA":
		return say("ok")
	case "PURGE":
		return say("ok")
	case "REGISTER":
		if len(args) < 2 {
			return 20
		}
		template := d.templates[name]
		if template == nil {
			return c.unknown(name)
		}
		if d.questions[args[1]] == nil {
			d.register(args[1], template)
		}
		return say("ok")
	case "X_LOADTEMPLATEFILE":
		data, err := c.read(name)
		if err != nil {
			return c.error("%v", err)
		}
		d.load(string(data))
		return say("ok")
	}
	q := d.questions[name]
	if q == nil {
		return c.unknown(name)
	}
	rest := strings.Join(args[min(1, len(args)):], " ")
	switch verb {
	case "GET":
		if q.set {
			return say(q.value)
		}
		return say(q.template["default"])
	case "SET":
		q.value, q.set = rest, true
		return say("value set")
	case "RESET":
		q.set = false
		return say("ok")
	case "UNREGISTER":
		delete(d.questions, name)
		return say("ok")
	case "SUBST":
		if len(args) > 1 {
			q.subst[args[1]] = strings.Join(args[2:], " ")
		}
		return say("ok")
	case "FSET":
		if len(args) > 2 {
			q.flags[args[1]] = args[2]
		}
		return say("ok")
	case "FGET":
		if len(args) > 1 && q.flags[args[1]] != "" {
			return say(q.flags[args[1]])
		}
		return say("false")
	case "METAGET":
		if len(args) < 2 {
			return 20
		}
		return say(q.text(strings.ToLower(args[1])))
	}
	return c.refuse("debconf's command %s is not modelled", verb)
}

func (c *call) unknown(name string) int {
	c.print("%s doesn't exist\n", name)
	return 10
}

// debconfSelections answers questions, as a script of one package does for another's.
func debconfSelections(c *call) int {
	data, status := c.inputs(c.args)
	for _, line := range lines(data) {
		words := strings.Fields(line)
		if len(words) < 3 || strings.HasPrefix(line, "#") {
			continue
		}
		if _, answered := c.m.debconf.answers[words[1]]; answered {
			continue
		}
		value := strings.Join(words[3:], " ")
		if q := c.m.debconf.questions[words[1]]; q != nil {
			q.value, q.set = value, true
		}
	}
	return status
}
