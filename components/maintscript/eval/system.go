package eval

import (
	"fmt"
	"strconv"
	"strings"
)

func init() {
	register(true, map[string]func(*call) int{
		"basename": basename, "dirname": dirname, "readlink": readlink, "realpath": readlink, "stat": stat, "date": date,
		"uname": uname, "hostname": hostname, "which": which, "env": env, "nice": runRest, "ionice": runRest,
		"nohup":   runRest,
		"timeout": runRest, "setsid": runRest, "time": runRest, "eatmydata": runRest, "sleep": nothing, "usleep": nothing,
		"expr": expr, "seq": seq, "true": nothing, "false": func(*call) int { return 1 }, "test": testCommand,
		"[":        testCommand,
		"printenv": printenv, "tty": func(c *call) int { c.print("not a tty\n"); return 1 }, "logger": nothing,
		"wall": nothing,
		"stty": nothing, "clear": nothing, "tput": func(*call) int { return 1 },
		"nproc": func(c *call) int { c.print("1\n"); return 0 },
		"arch":  func(c *call) int { c.print("%s\n", c.m.machine()); return 0 }, "getconf": getconf, "sh": sh,
		"bash": sh, "dash": sh,
		"ls": ls, "dir": ls, "du": nothingModelled, "mount": mount, "umount": nothing,
		"printf": printfCommand, "pwd": func(c *call) int { c.print("%s\n", c.dir); return 0 }, "run-parts": runParts,
		"locale": locale, "dmesg": nothing, "flock": flock,
		"add-shell": addShell, "remove-shell": nothing, "update-shells": nothing, "chroot": nothingModelled,
		"tar": nothingModelled, "dd": dd, "shuf": func(c *call) int { return c.refuseSecret("shuf makes a random order") },
		"mcookie": random, "uuidgen": random, "getopt": nothingModelled, "crontab": nothingModelled,
	})
}

func random(c *call) int { return c.refuseSecret(c.name + " makes a random value") }

// machine gives uname -m of the target.
func (m *Machine) machine() string {
	switch m.Request.Architecture {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	case "armel":
		return "armv5tel"
	case "armhf":
		return "armv7l"
	case "ppc64el":
		return "ppc64le"
	}
	return m.Request.Architecture
}

func uname(c *call) int {
	o := c.options("asnrvmpio", "all=a", "kernel-name=s", "nodename=n", "kernel-release=r", "machine=m",
		"kernel-version=v",
		"operating-system=o", "processor=p", "hardware-platform=i")
	var words []string
	if o.has("s") || len(o.list) == 0 || o.has("a") {
		words = append(words, "Linux")
	}
	if o.has("n") || o.has("a") {
		words = append(words, c.m.hostname())
	}
	if o.has("r") || o.has("a") {
		names, _ := c.m.FS.Names("/usr/lib/modules")
		release := "6.12"
		if len(names) > 0 {
			release = names[len(names)-1]
		}
		words = append(words, release)
	}
	if o.has("v") || o.has("a") {
		words = append(words, "#1")
	}
	if o.has("m") || o.has("p") || o.has("i") || o.has("a") {
		words = append(words, c.m.machine())
	}
	if o.has("o") || o.has("a") {
		words = append(words, "GNU/Linux")
	}
	c.print("%s\n", strings.Join(words, " "))
	return 0
}

func (m *Machine) hostname() string {
	if name := strings.TrimSpace(m.FS.Text("/etc/hostname")); name != "" {
		return name
	}
	if m.Request.Hostname != "" {
		return m.Request.Hostname
	}
	return "localhost"
}

func hostname(c *call) int {
	o := c.options("fsdiIAy", "fqdn=f", "long=f", "short=s", "domain=d", "ip-address=i", "all-ip-addresses=I")
	if len(o.rest) > 0 {
		return c.refuse("the script sets the host name")
	}
	switch {
	case o.has("d"):
		c.print("\n")
	case o.has("i") || o.has("I"):
		c.print("127.0.1.1\n")
	default:
		c.print("%s\n", c.m.hostname())
	}
	return 0
}

func which(c *call) int {
	status := 0
	for _, name := range c.args {
		if name == "-a" || name == "-s" {
			continue
		}
		where := c.m.which(c.env("PATH"), name)
		if where == "" {
			status = 1
			continue
		}
		c.print("%s\n", where)
	}
	return status
}

func seq(c *call) int {
	args := c.args
	separator := "\n"
	for len(args) > 1 && (args[0] == "-s" || args[0] == "-w") {
		if args[0] == "-s" {
			separator, args = args[1], args[1:]
		}
		args = args[1:]
	}
	numbers := []int64{}
	for _, arg := range args {
		n, err := strconv.ParseInt(arg, 10, 64)
		if err != nil {
			return c.error("invalid argument: %s", arg)
		}
		numbers = append(numbers, n)
	}
	first, step, last := int64(1), int64(1), int64(0)
	switch len(numbers) {
	case 1:
		last = numbers[0]
	case 2:
		first, last = numbers[0], numbers[1]
	case 3:
		first, step, last = numbers[0], numbers[1], numbers[2]
	default:
		return c.error("missing operand")
	}
	if step == 0 {
		return c.error("the increment is 0")
	}
	var out []string
	for n := first; step > 0 && n <= last || step < 0 && n >= last; n += step {
		if out = append(out, fmt.Sprint(n)); len(out) > 1000000 {
			c.refuse("seq prints more than a million numbers")
		}
	}
	if len(out) > 0 {
		c.print("%s\n", strings.Join(out, separator))
	}
	return 0
}

func printenv(c *call) int {
	status := 0
	for _, name := range c.args {
		found := false
		for _, each := range c.environ {
			if value, ok := strings.CutPrefix(each, name+"="); ok {
				c.print("%s\n", value)
				found = true
			}
		}
		if !found {
			status = 1
		}
	}
	return status
}

func getconf(c *call) int {
	if len(c.args) > 0 {
		switch name := c.args[len(c.args)-1]; name {
		case "LONG_BIT":
			bits := 64
			if strings.HasPrefix(c.m.Request.Architecture, "armh") || c.m.Request.Architecture == "armel" ||
				c.m.Request.Architecture == "i386" {
				bits = 32
			}
			c.print("%d\n", bits)
			return 0
		case "PAGESIZE", "PAGE_SIZE":
			c.print("4096\n")
			return 0
		}
	}
	return c.refuse("this use of getconf is not modelled")
}

func locale(c *call) int {
	if len(c.args) > 0 && c.args[0] == "charmap" {
		c.print("UTF-8\n")
		return 0
	}
	if len(c.args) > 0 && c.args[0] == "-a" {
		c.print("C\nC.utf8\nPOSIX\n")
	}
	return 0
}

func mount(c *call) int {
	if len(c.args) == 0 {
		return 0
	}
	return c.refuse("the script mounts a filesystem")
}

func addShell(c *call) int {
	text := c.m.FS.Text("/etc/shells")
	for _, shell := range c.args {
		for _, each := range []string{shell, "/usr" + strings.TrimPrefix(shell, "/usr")} {
			if !strings.Contains("\n"+text, "\n"+each+"\n") {
				text += each + "\n"
			}
		}
	}
	if err := c.m.replaceFile("/etc/shells", []byte(text)); err != nil {
		return c.failed("cannot write", "/etc/shells", err)
	}
	return 0
}

func dd(c *call) int {
	values := map[string]string{}
	for _, arg := range c.args {
		name, value, _ := strings.Cut(arg, "=")
		values[name] = value
	}
	if values["if"] != "" && values["if"] != "/dev/null" && values["of"] == "" {
		data, err := c.read(values["if"])
		if err != nil {
			return c.failed("cannot open", values["if"], err)
		}
		if values["bs"] == "" && values["count"] == "" {
			c.print("%s", data)
			return 0
		}
	}
	return c.refuse("this use of dd is not modelled")
}
