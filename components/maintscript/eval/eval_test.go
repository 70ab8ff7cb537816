package eval

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"k8simg/components/maintscript/vfs"
)

const testDate = 1700000000

// system is a small tree with what scripts expect of every system.
func system(t *testing.T, files map[string]string) *vfs.FS {
	t.Helper()
	fs := vfs.New(testDate)
	put := func(name string, n vfs.Node, text string) {
		t.Helper()
		load := func() ([]byte, error) { return []byte(text), nil }
		if n.Type != vfs.File {
			load = nil
		}
		if err := fs.Put(name, n, int64(len(text)), load); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"/usr/bin", "/usr/sbin", "/usr/lib", "/etc", "/var/lib/dpkg", "/tmp", "/root",
		"/dev", "/home"} {
		put(folder, vfs.Node{Type: vfs.Directory, Mode: 0o755}, "")
	}
	for _, link := range []string{"bin", "sbin", "lib"} {
		put("/"+link, vfs.Node{Type: vfs.Symlink, Mode: 0o777, Target: "usr/" + link}, "")
	}
	put("/etc/passwd", vfs.Node{Mode: 0o644},
		"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n")
	put("/etc/group", vfs.Node{Mode: 0o644}, "root:x:0:\nadm:x:4:\nshadow:x:42:\nnogroup:x:65534:\n")
	put("/etc/shadow", vfs.Node{Mode: 0o640, GID: 42}, "root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n")
	put("/etc/gshadow", vfs.Node{Mode: 0o640, GID: 42}, "root:*::\nadm:*::\nshadow:*::\nnogroup:*::\n")
	for name, text := range files {
		mode := uint32(0o644)
		if strings.Contains(name, "bin/") {
			mode = 0o755
		}
		put(name, vfs.Node{Mode: mode}, text)
	}
	return fs
}

func withoutEnd() (context.Context, context.CancelFunc) {
	return context.WithCancel(context.Background())
}

// timeless makes a machine without a limit of time, which a slow computer could miss.
func timeless(fs *vfs.FS, request *Request) *Machine {
	m := New(fs, request)
	m.limit = withoutEnd
	return m
}

// lookedAt ends when it was asked for the given number of times whether it has ended.
type lookedAt struct {
	context.Context
	end  context.CancelFunc
	left atomic.Int64
}

func (l *lookedAt) Err() error {
	if l.left.Add(-1) < 0 {
		l.end()
		return context.DeadlineExceeded
	}
	return l.Context.Err()
}

func endsAfter(looks int64) (context.Context, context.CancelFunc) {
	inner, end := withoutEnd()
	l := &lookedAt{Context: inner, end: end}
	l.left.Store(looks)
	return l, end
}

func script(text string) map[string]string { return map[string]string{"postinst": text} }

// evaluate runs one postinst over a small system.
func evaluate(t *testing.T, text string, files map[string]string) (*vfs.FS, *Machine) {
	t.Helper()
	fs := system(t, files)
	p := &Package{Name: "thing", Version: "1.0-1", Architecture: "amd64", Scripts: script(text),
		Evaluate: []string{"postinst"}}
	m := timeless(fs, &Request{Date: testDate, Architecture: "amd64", Multiarch: "x86_64-linux-gnu",
		Packages: []*Package{p}})
	m.Run()
	return fs, m
}

// succeed gives the tree that a script leaves, and what it printed.
func succeed(t *testing.T, text string, files map[string]string) (*vfs.FS, string) {
	t.Helper()
	fs, m := evaluate(t, "#!/bin/sh\nset -e\n"+text, files)
	report := m.Report.Scripts[0]
	if report.Failure != nil {
		t.Fatalf("failed: %+v\n%s", *report.Failure, report.Output)
	}
	return fs, report.Output
}

func fail(t *testing.T, text string, files map[string]string) *Failure {
	t.Helper()
	_, m := evaluate(t, text, files)
	if m.Report.Scripts[0].Failure == nil {
		t.Fatalf("the script succeeded: %s", text)
	}
	if m.Report.Failures != 1 {
		t.Errorf("%d failures are counted", m.Report.Failures)
	}
	return m.Report.Scripts[0].Failure
}

// TestOutput compares what scripts print with what dash and GNU programs print.
func TestOutput(t *testing.T) {
	files := map[string]string{
		"/etc/conf":       "# comment\nname = one\nname2=two\n\nlast line\n",
		"/etc/list":       "b 2\na 10\nc 1\na 10\n",
		"/usr/bin/helper": "#!/bin/sh\necho \"helper $1 $0\"\nexit 3\n",
	}
	for _, test := range []struct{ name, script, want string }{
		{"arguments", `echo "$1|$2|$#|$0"`, "configure||2|/var/lib/dpkg/info/thing.postinst"},
		{"echo interprets backslashes", `echo 'a\tb\nc'; echo -n x`, "a\tb\nc\nx"},
		{"printf", `printf '%s-%03d\n' x 7`, "x-007"},
		{"sed", `sed -n 's/^name *= *//p' /etc/conf`, "one"},
		{"sed in a pipe", `echo a.b.c | sed -e 's/\./-/g' -e 's/\(a\)-/\1+/'`, "a+b-c"},
		{"sed ranges and delete", `sed '/^#/d;/^$/,$d' /etc/conf`, "name = one\nname2=two"},
		{"grep", `grep -c '^name' /etc/conf; grep -q nothing /etc/conf || echo no`, "2\nno"},
		{"grep -E", `grep -E '^(last|first) ' /etc/conf`, "last line"},
		{"awk", `awk -F= '/^name2/ { print $2 }' /etc/conf`, "two"},
		{"sort", `sort -u -k2,2n /etc/list`, "c 1\nb 2\na 10"},
		{"cut and tr", `cut -d' ' -f1 /etc/list | tr '[:lower:]\n' '[:upper:] '`, "B A C A"},
		{"head and tail", `head -n1 /etc/list; tail -1 /etc/list`, "b 2\na 10"},
		{"find", `find /etc -maxdepth 1 -name '*o*' -type f -exec basename {} \; | sort`, "conf\ngroup\ngshadow\nshadow"},
		{"xargs", `printf 'a\0b c\0' | xargs -0 -n1 echo x`, "x a\nx b c"},
		{"expr", `expr 3 + 4 \* 2; expr abc : 'a\(.\)'`, "11\nb"},
		{"a program of the tree that is a script", `helper x || echo "status $?"`, "helper x /usr/bin/helper\nstatus 3"},
		{"command -v", `command -v helper; command -v nothing || echo none; which adduser`,
			"/usr/bin/helper\nnone\n/usr/bin/adduser"},
		{"date", `date +%Y; date -u +%s`, "2023\n1700000000"},
		{"umask in a subshell", `(umask 077; umask); umask`, "0077\n0022"},
		{"pid", `echo $$`, "1000"},
		{"local variables", `f() { local x=1; x=$((x + 1)); echo $x; }; x=5; f; echo $x`, "2\n5"},
		{"trap", `trap 'echo bye' EXIT INT TERM; echo hi`, "hi\nbye"},
		{"versions", `dpkg --compare-versions 1:1.0~rc1-1 lt 1:1.0-1 && echo less`, "less"},
		{"no old version", `dpkg --compare-versions "$2" lt-nl 1.0 || echo fresh`, "fresh"},
		{"dpkg-query", `dpkg-query -W -f='${Package} ${Version} ${Status}\n' thing`, "thing 1.0-1 install ok installed"},
		{"stat", `stat -c '%a %U %G %n' /etc/shadow`, "640 root shadow /etc/shadow"},
		{"sourcing", `echo 'y=2' >/tmp/s; . /tmp/s; echo $y`, "2"},
		{"here document", "cat <<-X\n\ta $1\n\tX\n", "a configure"},
		{"readlink", `readlink -f /bin/helper; readlink /bin`, "/usr/bin/helper\nusr/bin"},
		{"getent", `getent passwd root | cut -d: -f6; getent group nothing || echo $?`, "/root\n2"},
		{"devices", `test -c /dev/null; echo x >/dev/null; cat /dev/null`, ""},
		{"case and glob", `for f in /etc/*sh*; do case $f in *g*) echo $f;; esac; done`, "/etc/gshadow"},
		{"a list at the end of a compound command",
			`if true; then [ -e /none ] && echo x; fi; case a in a) false && x=1;; esac; echo on`, "on"},
		{"words of test that look like operators",
			`f() { [ "$1" = -R ] && echo R; [ ! "$1" = -d ] && echo no; }; f -R`, "R\nno"},
		{"aliases", `alias strip="sed -e 's/^ *//'"; echo "  x" | strip`, "x"},
		{"an empty path", `[ -x "$(which none)" ] || echo none`, "none"},
		{"another user", `su -s /bin/sh nobody -c 'touch /tmp/x'
setpriv --reuid nobody --regid adm -- touch /tmp/y; stat -c %U:%G /tmp/x /tmp/y`,
			"nobody:nogroup\nnobody:adm"},
		{"md5sum", `printf x | md5sum | cut -d' ' -f1`, "9dd4e461268c8034f5c8564e155c67a6"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, got := succeed(t, test.script, files); got != test.want {
				t.Errorf("printed %q, wanted %q", got, test.want)
			}
		})
	}
}

func content(t *testing.T, fs *vfs.FS, name string) string {
	t.Helper()
	data, err := fs.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func owner(t *testing.T, fs *vfs.FS, name string) [3]uint32 {
	t.Helper()
	n, err := fs.Stat(name, false)
	if err != nil {
		t.Fatal(err)
	}
	return [3]uint32{n.Mode, n.UID, n.GID}
}

func TestFiles(t *testing.T) {
	fs, _ := succeed(t, `
mkdir -p -m 0750 /var/lib/thing/a
echo one >/var/lib/thing/a/file
chmod u+s,g=rx,o= /var/lib/thing/a/file
chown nobody:adm /var/lib/thing/a/file
cp -a /var/lib/thing/a /var/lib/thing/b
ln -s ../a/file /var/lib/thing/b/link
ln /var/lib/thing/a/file /var/lib/thing/hard
echo two >>/var/lib/thing/hard
mv /var/lib/thing/b/file /var/lib/thing/b/moved
install -d -o nobody -g adm -m 2775 /srv/x
install -m 640 -g adm /var/lib/thing/a/file /srv/x/copy
rm -rf /home
sed -i 's/root:x/root:y/' /etc/group
(umask 077; echo s >/srv/secret)
touch /srv/empty
`, nil)
	if got := content(t, fs, "/var/lib/thing/a/file"); got != "one\ntwo\n" {
		t.Errorf("a hard link does not share its content: %q", got)
	}
	for name, want := range map[string][3]uint32{
		"/var/lib/thing/a":       {0o750, 0, 0},
		"/var/lib/thing/a/file":  {0o650, 65534, 4}, // chown takes set-id bits away
		"/var/lib/thing/b/moved": {0o650, 65534, 4},
		"/srv/x":                 {0o2775, 65534, 4},
		"/srv/x/copy":            {0o640, 0, 4},
		"/srv/secret":            {0o600, 0, 0},
		"/srv/empty":             {0o644, 0, 0},
	} {
		if got := owner(t, fs, name); got != want {
			t.Errorf("%s: %o, wanted %o", name, got, want)
		}
	}
	if fs.Lexists("/home") {
		t.Error("/home is still there")
	}
	if n, _ := fs.Stat("/etc/group", true); n.Changed != "script:postinst of thing" {
		t.Errorf("changed by %q", n.Changed)
	}
	if got := fs.RemovedBy("/home"); got != "script:postinst of thing" {
		t.Errorf("removed by %q", got)
	}
}

func TestFailures(t *testing.T) {
	files := map[string]string{"/usr/bin/elf": "\x7fELF", "/usr/bin/py": "#!/usr/bin/python3\n"}
	for _, test := range []struct {
		name, script, message string
		line                  uint
	}{
		{"a program of the target", "#!/bin/sh\n\nelf --init\n", "program of the target", 3},
		{"also where its status is ignored", "elf || true\n", "program of the target", 1},
		{"also in a condition", "if elf; then :; fi\n", "program of the target", 1},
		{"also in a substitution", "x=$(elf)\n", "program of the target", 1},
		{"also in a pipe", "elf | cat\n", "program of the target", 1},
		{"a program in another language", "py\n", "program for python3", 1},
		{"a script in another language", "#!/usr/bin/perl\nprint 1;\n", "written for perl", 0},
		{"a missing program", "set -e\nmissing-program\n", "status 127", 2},
		{"an option that is not modelled", "cp --parents a b\n", "not modelled", 1},
		{"a status", "exit 3\n", "status 3", 1},
		{"random values", "echo $RANDOM >/etc/x\n", "random", 0},
		{"a random device", "head -c 16 /dev/urandom >/etc/x\n", "/dev/urandom", 1},
		{"a random device as a redirection", "cat </dev/urandom >/etc/x\n", "/dev/urandom", 0},
		{"an identity", "mcookie >/etc/x\n", "random value", 1},
		{"a password", "echo root:x | chpasswd\n", "password", 1},
		{"a syntax error", "if\n", "cannot read", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := fail(t, test.script, files)
			if !strings.Contains(got.Message, test.message) {
				t.Errorf("message %q, wanted %q", got.Message, test.message)
			}
			if test.line != 0 && got.Line != test.line {
				t.Errorf("line %d, wanted %d", got.Line, test.line)
			}
			if got.Package != "thing" || got.Script != "postinst" {
				t.Errorf("it is said of %s %s", got.Package, got.Script)
			}
		})
	}
}
