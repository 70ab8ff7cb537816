package eval

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"k8simg/components/maintscript/vfs"
)

// account is one line of /etc/passwd or /etc/group.
type account []string

func (a account) number(field int) uint32 {
	if field >= len(a) {
		return 0
	}
	value, _ := strconv.ParseUint(a[field], 10, 32)
	return uint32(value)
}

func (a account) id() uint32 { return a.number(2) }

func (m *Machine) accounts(file string) []account {
	var all []account
	for _, line := range strings.Split(m.FS.Text(file), "\n") {
		if line != "" {
			all = append(all, strings.Split(line, ":"))
		}
	}
	return all
}

func find(all []account, name string) account {
	for _, each := range all {
		if each[0] == name && len(each) > 2 {
			return each
		}
	}
	return nil
}

func (m *Machine) user(name string) account  { return find(m.accounts("/etc/passwd"), name) }
func (m *Machine) group(name string) account { return find(m.accounts("/etc/group"), name) }

func (m *Machine) userName(uid uint32) string {
	for _, each := range m.accounts("/etc/passwd") {
		if len(each) > 2 && each.id() == uid {
			return each[0]
		}
	}
	return ""
}

func (m *Machine) groupName(gid uint32) string {
	for _, each := range m.accounts("/etc/group") {
		if len(each) > 2 && each.id() == gid {
			return each[0]
		}
	}
	return ""
}

// write puts lines into a file, and keeps its owner and mode.
func (m *Machine) writeAccounts(file string, all []account) {
	var text strings.Builder
	for _, each := range all {
		text.WriteString(strings.Join(each, ":") + "\n")
	}
	mode := uint32(0o644)
	if strings.HasSuffix(file, "shadow") {
		mode = 0o640
	}
	fresh := !m.FS.Exists(file)
	if err := m.FS.WriteFile(file, []byte(text.String()), mode); err != nil {
		panic(refusal{message: err.Error()})
	}
	if shadow := m.group("shadow"); fresh && mode == 0o640 && shadow != nil {
		_ = m.FS.Change(file, true, func(n *vfs.Node) { n.GID = shadow.id() })
	}
}

// Derive gives the number of an account for which none is set aside: from its name, so that it does not depend on the
// order of packages. A number that is taken passes on to the next one. rules_accounts.cpp computes the same.
func Derive(name string, taken func(uint32) bool) uint32 {
	const first, count = 200, 700
	sum := sha256.Sum256([]byte(name))
	at := binary.BigEndian.Uint32(sum[:4]) % count
	for i := uint32(0); i < count; i++ {
		if number := first + (at+i)%count; !taken(number) {
			return number
		}
	}
	return 0
}

func (m *Machine) taken(number uint32, own string) bool {
	for _, file := range []string{"/etc/passwd", "/etc/group"} {
		for _, each := range m.accounts(file) {
			if len(each) > 2 && each.id() == number && each[0] != own {
				return true
			}
		}
	}
	for name, fixed := range m.Request.Numbers {
		if fixed == number && name != own {
			return true
		}
	}
	return false
}

// newNumber gives the number of a new user or group. A group of the same name as a user has the user's number.
func (c *call) newNumber(name string, system bool) uint32 {
	m := c.m
	if fixed, ok := m.Request.Numbers[name]; ok {
		return fixed
	}
	for _, other := range []account{m.user(name), m.group(name)} {
		if other != nil {
			return other.id()
		}
	}
	if system {
		return Derive(name, func(number uint32) bool { return m.taken(number, name) })
	}
	for number := uint32(1000); ; number++ {
		if !m.taken(number, name) {
			return number
		}
	}
}

// insert adds a line: accounts of packages are in the order of their numbers.
func insert(all []account, line account, sorted bool) []account {
	at := len(all)
	if sorted {
		for i := len(all); i > 0; i-- {
			id := all[i-1].id()
			if id < 100 || id >= 60000 || id <= line.id() {
				break
			}
			at = i - 1
		}
	}
	return append(all[:at:at], append([]account{line}, all[at:]...)...)
}

func (c *call) addGroup(name string, gid uint32) {
	m := c.m
	line := account{name, "x", fmt.Sprint(gid), ""}
	groups := insert(m.accounts("/etc/group"), line, true)
	m.writeAccounts("/etc/group", groups)
	m.follow("/etc/gshadow", groups, func(name string) account { return account{name, "!", "", ""} })
}

// follow keeps a shadow file in the order of its main file.
func (m *Machine) follow(file string, order []account, fresh func(name string) account) {
	known := map[string]account{}
	for _, each := range m.accounts(file) {
		known[each[0]] = each
	}
	var all []account
	for _, each := range order {
		line, ok := known[each[0]]
		if !ok {
			line = fresh(each[0])
		}
		all = append(all, line)
	}
	m.writeAccounts(file, all)
}

type newUser struct {
	name, comment, home, shell, password string
	uid, gid                             uint32
	expired                              bool
}

func (c *call) addUser(user newUser) {
	m := c.m
	line := account{user.name, "x", fmt.Sprint(user.uid), fmt.Sprint(user.gid), user.comment, user.home, user.shell}
	users := insert(m.accounts("/etc/passwd"), line, true)
	m.writeAccounts("/etc/passwd", users)
	day := fmt.Sprint(m.Request.Date / 86400)
	m.follow("/etc/shadow", users, func(string) account {
		shadow := account{user.name, user.password, day, "", "", "", "", "", ""}
		if user.expired {
			shadow[7] = "1"
		}
		return shadow
	})
}

// addMember puts a user into a group.
func (c *call) addMember(user, group string) bool {
	m := c.m
	changed := false
	for file, field := range map[string]int{"/etc/group": 3, "/etc/gshadow": 3} {
		all := m.accounts(file)
		for _, each := range all {
			if each[0] != group || len(each) <= field {
				continue
			}
			members := strings.Split(each[field], ",")
			if each[field] == "" {
				members = nil
			}
			present := false
			for _, member := range members {
				present = present || member == user
			}
			if !present {
				each[field] = strings.Join(append(members, user), ",")
				changed = true
			}
		}
		if changed {
			m.writeAccounts(file, all)
		}
	}
	return m.group(group) != nil
}

func (m *Machine) removeAccount(name string, files ...string) {
	for _, file := range files {
		var kept []account
		for _, each := range m.accounts(file) {
			if each[0] != name {
				kept = append(kept, each)
			}
		}
		m.writeAccounts(file, kept)
	}
}

// groupsOf lists the groups that have the user as a member.
func (m *Machine) groupsOf(user string) []string {
	var names []string
	for _, each := range m.accounts("/etc/group") {
		if len(each) < 4 {
			continue
		}
		for _, member := range strings.Split(each[3], ",") {
			if member == user {
				names = append(names, each[0])
			}
		}
	}
	sort.Strings(names)
	return names
}
