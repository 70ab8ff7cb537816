package eval

import (
	"strconv"
	"strings"
)

// sysusers makes the accounts of sysusers.d(5) files; most exist already, from the rule accounts.
func sysusers(c *call) int {
	o := c.options("E", "inline=inline", "replace:=replace", "root:=root", "dry-run=dry", "cat-config=dry")
	if o.has("dry") {
		return c.refuse("this option of systemd-sysusers is not modelled")
	}
	var texts []string
	switch {
	case o.has("inline"):
		texts = o.rest
	case len(o.rest) == 0:
		for _, folder := range []string{"/usr/lib/sysusers.d", "/etc/sysusers.d"} {
			names, _ := c.m.FS.Names(folder)
			for _, name := range names {
				texts = append(texts, lines([]byte(c.m.FS.Text(folder+"/"+name)))...)
			}
		}
	default:
		for _, name := range o.rest {
			var data []byte
			if name == "-" {
				data = c.input()
			} else if strings.Contains(name, "/") {
				data, _ = c.read(name)
			} else {
				for _, folder := range []string{"/etc/sysusers.d/", "/usr/lib/sysusers.d/"} {
					if c.m.FS.Exists(folder + name) {
						data, _ = c.read(folder + name)
						break
					}
				}
			}
			texts = append(texts, lines(data)...)
		}
	}
	for _, kind := range []string{"g", "u", "m"} {
		for _, line := range texts {
			c.sysuser(kind, splitWords(line))
		}
	}
	return 0
}

func (c *call) sysuser(kind string, words []string) {
	if len(words) < 2 || strings.TrimRight(words[0], "!") != kind {
		return
	}
	field := func(i int, otherwise string) string {
		if i < len(words) && words[i] != "-" && words[i] != "" {
			return words[i]
		}
		return otherwise
	}
	name, id := words[1], field(2, "")
	number, group, _ := strings.Cut(id, ":")
	numberOf := func(text string) uint32 {
		if value, err := strconv.ParseUint(text, 10, 32); err == nil {
			return uint32(value)
		}
		return c.newNumber(name, true)
	}
	switch kind {
	case "g":
		if c.m.group(name) == nil {
			c.addGroup(name, numberOf(id))
		}
	case "m":
		if c.m.group(id) == nil {
			c.addGroup(id, c.newNumber(id, true))
		}
		c.addMember(name, id)
	case "u":
		if c.m.user(name) != nil {
			return
		}
		user := newUser{name: name, uid: numberOf(number), comment: field(3, ""), home: field(4, "/"),
			shell: field(5, "/usr/sbin/nologin"), password: "!*", expired: strings.HasSuffix(words[0], "!")}
		if gid, err := strconv.ParseUint(group, 10, 32); err == nil {
			user.gid = uint32(gid)
		} else {
			if group == "" {
				group = name
			}
			if c.m.group(group) == nil {
				c.addGroup(group, user.uid)
			}
			user.gid = c.m.group(group).id()
		}
		c.addUser(user)
	}
}

// splitWords splits as systemd's configuration files do: blanks, and quotes of both kinds.
func splitWords(line string) []string {
	var words []string
	var word strings.Builder
	quote, started := byte(0), false
	if strings.HasPrefix(strings.TrimSpace(line), "#") {
		return nil
	}
	for i := 0; i < len(line); i++ {
		ch := line[i]
		switch {
		case quote != 0 && ch == quote:
			quote = 0
		case quote == 0 && (ch == '"' || ch == '\''):
			quote, started = ch, true
		case quote == 0 && (ch == ' ' || ch == '\t'):
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteByte(ch)
			started = true
		}
	}
	if started {
		words = append(words, word.String())
	}
	return words
}
