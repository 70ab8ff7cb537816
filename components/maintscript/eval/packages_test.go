package eval

import (
	"reflect"
	"strings"
	"testing"

	"k8simg/components/maintscript/vfs"
)

func TestAccounts(t *testing.T) {
	fs, _ := succeed(t, `
adduser --system --group --home /var/lib/thing --gecos "Thing daemon" --quiet thing
adduser --quiet --system --no-create-home --ingroup adm --shell /bin/sh helper
addgroup --system things
adduser thing things
useradd -r -g adm -d /run/other -s /usr/sbin/nologin other
usermod -a -G things other
groupadd -r -f things
adduser --system --group thing
`, nil)
	passwd := content(t, fs, "/etc/passwd")
	number := Derive("thing", func(uint32) bool { return false })
	if number != 493 { // tests/unit/rootfs/rules.cpp expects the same of the C++ code
		t.Errorf("the derived number is %d", number)
	}
	for _, part := range []string{":Thing daemon:/var/lib/thing:/usr/sbin/nologin\n", ":4::/nonexistent:/bin/sh\n"} {
		if !strings.Contains(passwd, part) {
			t.Errorf("%q is not in\n%s", part, passwd)
		}
	}
	if got := owner(t, fs, "/var/lib/thing"); got != [3]uint32{0o755, number, number} {
		t.Errorf("the home is %v, wanted %d", got, number)
	}
	group := content(t, fs, "/etc/group")
	if !strings.Contains(group, ":thing,other\n") {
		t.Errorf("members are missing in\n%s", group)
	}
	for _, file := range []string{"/etc/shadow", "/etc/gshadow"} {
		if got := owner(t, fs, file); got != [3]uint32{0o640, 0, 42} {
			t.Errorf("%s: %v", file, got)
		}
	}
	if strings.Count(passwd, "\n") != strings.Count(content(t, fs, "/etc/shadow"), "\n") {
		t.Error("passwd and shadow have different accounts")
	}
}

// TestNumbersDoNotDependOnOrder: the same accounts get the same numbers, whichever comes first.
func TestNumbersDoNotDependOnOrder(t *testing.T) {
	number := func(script string) [3]uint32 {
		fs, _ := succeed(t, script+"\ntouch /tmp/a /tmp/b; chown one /tmp/a; chown two /tmp/b\n", nil)
		return [3]uint32{owner(t, fs, "/tmp/a")[1], owner(t, fs, "/tmp/b")[1]}
	}
	a := number("adduser --system one\nadduser --system two")
	b := number("adduser --system two\nadduser --system one")
	if a != b {
		t.Errorf("%v and %v", a, b)
	}
}

func TestDebconf(t *testing.T) {
	p := &Package{Name: "thing", Version: "1", Evaluate: []string{"postinst"}, Scripts: map[string]string{
		"config": "#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\ndb_input medium thing/name || true\ndb_go || true\n" +
			"db_get thing/port\ndb_set thing/seen \"port $RET\"\n",
		"postinst": "#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\ndb_get thing/name; n=$RET\ndb_get thing/seen\n" +
			"if db_get thing/none; then exit 9; fi\nprintf '%s %s' \"$n\" \"$RET\" >/etc/thing\ndb_stop\n"},
		Templates: "Template: thing/name\nType: string\nDefault: default name\nDescription: Name\n More.\n\n" +
			"Template: thing/port\nType: string\nDefault: 80\n\nTemplate: thing/seen\nType: string\n"}
	for answer, want := range map[string]string{"": "default name doesn't matter", "mine": "mine"} {
		fs := system(t, nil)
		request := &Request{Date: testDate, Packages: []*Package{p}}
		if answer != "" {
			request.Answers = map[string]string{"thing/name": answer}
		}
		m := timeless(fs, request)
		m.Run()
		for _, report := range m.Report.Scripts {
			if report.Failure != nil {
				t.Fatalf("%+v", *report.Failure)
			}
		}
		got := content(t, fs, "/etc/thing")
		if !strings.HasPrefix(got, strings.SplitN(want, " ", 2)[0]) {
			t.Errorf("%q for the answer %q", got, answer)
		}
	}
}

func TestDpkgTools(t *testing.T) {
	fs, out := succeed(t, `
update-alternatives --install /usr/bin/editor editor /usr/bin/one 10 --slave /usr/share/e.1 editor.1 /usr/share/one.1
update-alternatives --install /usr/bin/editor editor /usr/bin/two 50
dpkg-divert --package thing --add --rename --divert /etc/conf.real /etc/conf
dpkg-divert --truename /etc/conf
dpkg-statoverride --update --add root adm 2750 /usr/bin/one
dpkg-statoverride --list /usr/bin/one
dpkg-maintscript-helper rm_conffile /etc/old 1.0 -- "$@"
ucf --three-way /usr/share/thing.conf /etc/thing.conf
deb-systemd-helper enable thing.service
if deb-systemd-helper debian-installed x.service; then exit 1; fi
systemctl --user daemon-reload
`, map[string]string{"/usr/bin/one": "1", "/usr/bin/two": "2", "/usr/share/one.1": "m", "/etc/conf": "old",
		"/usr/share/thing.conf": "new", "/usr/bin/systemctl": "x"})
	if out != "/etc/conf.real\nroot adm 2750 /usr/bin/one" {
		t.Errorf("printed %q", out)
	}
	if n, _ := fs.Stat("/etc/alternatives/editor", false); n.Target != "/usr/bin/two" {
		t.Errorf("editor is %q", n.Target)
	}
	want := "auto\n/usr/bin/editor\neditor.1\n/usr/share/e.1\n\n/usr/bin/one\n10\n/usr/share/one.1\n/usr/bin/two\n50\n\n\n"
	if got := content(t, fs, "/var/lib/dpkg/alternatives/editor"); got != want {
		t.Errorf("the state is %q", got)
	}
	if content(t, fs, "/etc/conf.real") != "old" || fs.Lexists("/etc/conf") {
		t.Error("the diverted file was not renamed")
	}
	if got := owner(t, fs, "/usr/bin/one"); got != [3]uint32{0o2750, 0, 4} {
		t.Errorf("the override gave %o", got)
	}
	if content(t, fs, "/etc/thing.conf") != "new" {
		t.Error("ucf did not copy")
	}
}

// TestContested: a file that two packages have goes to the package that diverts it, whichever was unpacked first.
func TestContested(t *testing.T) {
	file := func(name, text string) Contestant {
		return Contestant{Package: name, Node: vfs.Node{Mode: 0o755, Changed: "package:" + name}, Size: int64(len(text)),
			Load: func() ([]byte, error) { return []byte(text), nil }}
	}
	one, two := file("thing", "own"), file("other", "theirs")
	for _, files := range [][]Contestant{{one, two}, {two, one}} {
		fs := system(t, map[string]string{"/usr/sbin/halt": "the first one's"})
		p := &Package{Name: "thing", Version: "1", Evaluate: []string{"preinst"}, Scripts: map[string]string{
			"preinst": "dpkg-divert --package thing --add --rename --divert /usr/lib/thing/halt.real /sbin/halt\n"}}
		m := timeless(fs, &Request{Date: testDate, Packages: []*Package{p, {Name: "other", Version: "1"}},
			Contested: map[string][]Contestant{"/usr/sbin/halt": files}})
		m.Run()
		if m.Report.Scripts[0].Failure != nil {
			t.Fatalf("%+v", *m.Report.Scripts[0].Failure)
		}
		if !reflect.DeepEqual(m.Report.Diverted, []string{"usr/sbin/halt"}) {
			t.Errorf("diverted: %v", m.Report.Diverted)
		}
		for name, want := range map[string]Contestant{"/usr/sbin/halt": one, "/usr/lib/thing/halt.real": two} {
			text, _ := want.Load()
			n, err := fs.Stat(name, false)
			if err != nil || content(t, fs, name) != string(text) || n.Changed != want.Node.Changed || n.Mode != 0o755 {
				t.Errorf("%s: %v %+v", name, err, n)
			}
		}
	}
}

// TestContestedByOthers: the diversion of a third package, or of another path, settles nothing.
func TestContestedByOthers(t *testing.T) {
	both := []Contestant{{Package: "a", Node: vfs.Node{Mode: 0o755}}, {Package: "b", Node: vfs.Node{Mode: 0o755}}}
	for _, text := range []string{"dpkg-divert --package c --add /sbin/halt\n", "dpkg-divert --package a --add /sbin/x\n",
		"dpkg-divert --local --add /sbin/halt\n"} {
		fs := system(t, nil)
		p := &Package{Name: "c", Version: "1", Evaluate: []string{"preinst"}, Scripts: map[string]string{"preinst": text}}
		m := timeless(fs, &Request{Date: testDate, Packages: []*Package{p},
			Contested: map[string][]Contestant{"/usr/sbin/halt": both}})
		m.Run()
		if len(m.Report.Diverted) != 0 {
			t.Errorf("%s: %v", text, m.Report.Diverted)
		}
	}
}

// TestOrder: every preinst first, then postinsts in the given order, then triggers.
func TestOrder(t *testing.T) {
	say := func(name string) map[string]string {
		return map[string]string{"preinst": "echo pre-" + name + "-$1 >>/etc/log\n",
			"postinst": "echo post-" + name + "-$1-$2 >>/etc/log\n[ " + name + " != a ] || dpkg-trigger explicit\n"}
	}
	both := []string{"preinst", "postinst"}
	fs := system(t, nil)
	m := timeless(fs, &Request{Date: testDate, Packages: []*Package{
		{Name: "b", Version: "1", Scripts: say("b"), Evaluate: both,
			Triggers: "interest-noawait explicit\ninterest /usr/share/x\n"},
		{Name: "a", Version: "1", Scripts: say("a"), Evaluate: both, Files: []string{"/usr/share/x/y"}},
		{Name: "judged", Version: "1", Scripts: say("judged")},
	}})
	m.Run()
	want := []string{"pre-b-install", "pre-a-install", "post-b-configure-", "post-a-configure-",
		"post-b-triggered-/usr/share/x explicit"}
	if got := strings.Split(strings.TrimSpace(content(t, fs, "/etc/log")), "\n"); !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}

// TestFirstBoot: what makes a key is moved to the first boot where a rule says how.
func TestFirstBoot(t *testing.T) {
	fs, m := evaluate(t, "make-ssl-cert generate-default-snakeoil\n",
		map[string]string{"/usr/sbin/make-ssl-cert": "#!/bin/sh\n"})
	if m.Report.Scripts[0].Failure != nil {
		t.Fatalf("%+v", *m.Report.Scripts[0].Failure)
	}
	if len(m.Report.Enable) != 1 || !strings.Contains(content(t, fs, "/usr/lib/systemd/system/"+m.Report.Enable[0]),
		"ExecStart=/usr/sbin/make-ssl-cert generate-default-snakeoil\n") {
		t.Errorf("units: %v", m.Report.Enable)
	}
}

func TestVersions(t *testing.T) {
	ordered := []string{"0~~", "0~", "0", "0.1~rc1", "0.1", "0.1-1~bpo1", "0.1-1", "0.1-1+b1", "0.2", "0.10", "1", "1:0"}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := compareVersions(a, b); got != sign(i-j) {
				t.Errorf("%s and %s: %d", a, b, got)
			}
		}
	}
}

func TestOrderOfConfiguration(t *testing.T) {
	depends := func(name, depends string) *Package {
		return &Package{Name: name, Fields: map[string]string{"Depends": depends}}
	}
	packages := []*Package{depends("a", "c (>= 1), mta | b"), depends("b", "a"), depends("c", "libc6"),
		depends("libc6", ""),
		{Name: "exim", Fields: map[string]string{"Provides": "mta (= 1), smtp", "Depends": "c"}}}
	var names []string
	for _, p := range Order(packages) {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, " "); got != "libc6 c exim a b" {
		t.Error(got)
	}
}
